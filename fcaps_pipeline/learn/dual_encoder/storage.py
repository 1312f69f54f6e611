"""The model folder: `config.json`, `model.safetensors`, and what each tower keeps beside its weights.

config.json           kind, version and the DualEncoderConfig
model.safetensors     every weight of both towers and of what joins them
speech_tower/         transformers' config.json and preprocessor_config.json of a pretrained tower
text_tower/           the tokenizer, and transformers' config.json of a pretrained tower
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_file, save_model
from torch import Tensor, nn

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.config_file import CONFIG_FILE
from fcaps_pipeline.storage.files import usual_rights

SPEECH_TOWER = "speech_tower"
TEXT_TOWER = "text_tower"

WEIGHTS_FILE = "model.safetensors"
_NUM_NAMED = 3


def write_weights(folder: Path, model: nn.Module | dict[str, Tensor]) -> None:
    """Writes `model.safetensors`; tensors of a model that share memory are stored once."""
    path = folder / WEIGHTS_FILE
    with usual_rights(path):
        if isinstance(model, nn.Module):
            save_model(model, str(path))
        else:
            save_file(model, path)


def read_weights(folder: Path, model: nn.Module) -> None:
    """Loads `model.safetensors` in place.

    Raises:
        ModelError: it is missing or broken, or holds other tensors than the configuration asks for.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{path} does not exist; the model folder is not whole: copy it again")
    try:
        _check_shapes(path, model)
        missing, unexpected = load_model(model, str(path), strict=False)
    except SafetensorError as error:
        raise ModelError(f"{path} is not a safetensors file ({error}); copy the model folder again") from error
    _refuse(path, [f"{key} is missing" for key in sorted(missing)] + [f"{key} is extra" for key in sorted(unexpected)])


def _check_shapes(path: Path, model: nn.Module) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    differing = []
    with safe_open(str(path), framework="pt") as stored:
        for name in sorted(set(stored.keys()) & expected.keys()):
            shape = tuple(stored.get_slice(name).get_shape())
            if shape != expected[name]:
                differing.append(f"{name} is {shape}, expected {expected[name]}")
    _refuse(path, differing)


def _refuse(path: Path, differing: list[str]) -> None:
    if differing:
        named = "; ".join(differing[:_NUM_NAMED])
        raise ModelError(
            f"{path} does not fit {CONFIG_FILE}: {len(differing)} tensors differ, first {named}; "
            "both files must come from one checkpoint"
        )
