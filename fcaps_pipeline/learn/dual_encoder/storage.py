"""The model folder: `config.json`, `model.safetensors`, and what each tower keeps beside its weights.

config.json           kind, version and the DualEncoderConfig
model.safetensors     every weight of both towers and of what joins them
speech_tower/         transformers' config.json and preprocessor_config.json of a pretrained tower
text_tower/           the tokenizer, and transformers' config.json of a pretrained tower
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import nn

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig
from fcaps_pipeline.storage.files import usual_rights

SPEECH_TOWER = "speech_tower"
TEXT_TOWER = "text_tower"

_KIND = "fcaps_dual_encoder"
_VERSION = 1
_CONFIG = "config.json"
WEIGHTS_FILE = "model.safetensors"
_NUM_NAMED = 3


def write_config(folder: Path, config: DualEncoderConfig) -> None:
    """Writes `config.json`."""
    content = {"model_type": _KIND, "version": _VERSION, "model": config.model_dump(mode="json")}
    (folder / _CONFIG).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_config(folder: Path) -> DualEncoderConfig:
    """Reads `config.json`.

    Raises:
        ModelError: it is missing, no JSON, of another kind or version, or invalid.
    """
    path = folder / _CONFIG
    if not folder.is_dir():
        raise ModelError(f"model folder {folder} does not exist; give one that `fcaps train` wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} has no {_CONFIG}; give a model folder that `fcaps train` wrote") from None
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}); copy the model folder again") from error
    _check_kind(path, content)
    try:
        return DualEncoderConfig.model_validate(content.get("model"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "model"
        raise ModelError(
            f"{path}: {where}: {first['msg']}; the folder is damaged or from another version of this program"
        ) from error


def write_weights(folder: Path, model: nn.Module) -> None:
    """Writes `model.safetensors`; tensors that share memory are stored once."""
    path = folder / WEIGHTS_FILE
    with usual_rights(path):
        save_model(model, str(path))


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


def _check_kind(path: Path, content: Any) -> None:
    found = content.get("model_type") if isinstance(content, dict) else None
    if found != _KIND:
        raise ModelError(f"{path} is of kind {found!r}, expected {_KIND!r}; give a folder that `fcaps train` wrote")
    if content.get("version") != _VERSION:
        raise ModelError(
            f"{path} has version {content.get('version')!r}, this program reads {_VERSION}; "
            "use the program that wrote it"
        )


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
            f"{path} does not fit {_CONFIG}: {len(differing)} tensors differ, first {named}; "
            "both files must come from one checkpoint"
        )
