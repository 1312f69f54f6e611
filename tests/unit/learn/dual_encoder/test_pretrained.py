import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.pretrained import Origin, enable_checkpointing
from tests.unit.learn.dual_encoder.building import write_text_encoder, write_waveform_encoder


@pytest.mark.parametrize("name", ["roberta-base", "microsoft/wavlm-large"])
def test_other_names_are_those_of_the_hub(name: str) -> None:
    assert Origin.find(name, "main") == Origin(name, "main")


def test_existing_folder_wins_over_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "microsoft" / "wavlm-large").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert Origin.find("microsoft/wavlm-large", None).location == str(tmp_path / "microsoft" / "wavlm-large")


@pytest.mark.parametrize("name", ["/no/such/wavlm", "./wavlm", "models/large/wavlm"])
def test_paths_must_exist(name: str) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        Origin.find(name, None)


def test_folder_without_configuration_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no usable config.json: .*; give a whole model folder") as caught:
        Origin(str(tmp_path)).read_config()
    assert "\n" not in str(caught.value)


def test_unknown_architecture_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "parrot"}))
    with pytest.raises(ModelError, match=r"no usable config.json: .*parrot") as caught:
        Origin(str(tmp_path)).read_config()
    assert "\n" not in str(caught.value)


def test_folder_without_preprocessor_is_one_line(tmp_path: Path) -> None:
    write_waveform_encoder(tmp_path)
    (tmp_path / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"no usable preprocessor_config.json"):
        Origin(str(tmp_path)).read_feature_extractor()


def test_folder_without_tokenizer_is_one_line(tmp_path: Path) -> None:
    write_text_encoder(tmp_path)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"has no tokenizer.json or other vocabulary"):
        Origin(str(tmp_path)).read_tokenizer()


def test_folder_without_weights_is_one_line(tmp_path: Path) -> None:
    write_waveform_encoder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    origin = Origin(str(tmp_path))
    with pytest.raises(ModelError, match="no usable weights"):
        origin.load_encoder(origin.read_config())


def test_broken_weights_are_one_line(tmp_path: Path) -> None:
    write_waveform_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    origin = Origin(str(tmp_path))
    with pytest.raises(ModelError, match="no usable weights"):
        origin.load_encoder(origin.read_config())


def test_half_a_checkpoint_is_refused_rather_than_filled_with_noise(tmp_path: Path) -> None:
    write_text_encoder(tmp_path)
    path = tmp_path / "model.safetensors"
    kept = {name: value for name, value in load_file(path).items() if "layer.1.output" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    origin = Origin(str(tmp_path))
    with pytest.raises(ModelError, match=r"lack 4 tensors of a roberta encoder, first encoder.layer.1.output"):
        origin.load_encoder(origin.read_config())


def test_missing_pooler_does_not_matter(tmp_path: Path) -> None:
    write_text_encoder(tmp_path)
    path = tmp_path / "model.safetensors"
    save_file(
        {name: value for name, value in load_file(path).items() if "pooler" not in name},
        path,
        metadata={"format": "pt"},
    )
    origin = Origin(str(tmp_path))
    encoder = origin.load_encoder(origin.read_config())
    assert not any("pooler" in name for name, _ in encoder.named_parameters())


def test_encoder_without_checkpointing_says_so(tmp_path: Path) -> None:
    write_text_encoder(tmp_path, "Albert")
    origin = Origin(str(tmp_path))
    with pytest.raises(ModelError, match="of kind albert cannot recompute activations"):
        enable_checkpointing(origin.load_encoder(origin.read_config()))
