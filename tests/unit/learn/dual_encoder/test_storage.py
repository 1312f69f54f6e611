import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.config_file import read_config, write_config
from fcaps_pipeline.learn.dual_encoder.model import DualEncoder
from tests.unit.learn.dual_encoder.building import TEXTS, TINY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    DualEncoder.new(TINY, TEXTS).save_pretrained(tmp_path)
    return tmp_path


def _change(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_config_is_read_back(tmp_path: Path) -> None:
    write_config(tmp_path, TINY)
    assert read_config(tmp_path) == TINY


def test_missing_folder_and_missing_config_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model folder .* does not exist"):
        read_config(tmp_path / "model")
    with pytest.raises(ModelError, match=r"has no config.json"):
        read_config(tmp_path)


def test_broken_json_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        read_config(tmp_path)


@pytest.mark.parametrize(("content", "found"), [({"model_type": "roberta"}, "'roberta'"), ([], "None")])
def test_config_of_another_kind_is_refused(tmp_path: Path, content: Any, found: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=f"is of kind {found}, expected 'fcaps_dual_encoder'"):
        read_config(tmp_path)


def test_config_of_another_version_is_refused(folder: Path) -> None:
    _change(folder, version=2)
    with pytest.raises(ModelError, match="has version 2, this program reads 1"):
        DualEncoder.from_pretrained(folder)


def test_unknown_tower_kind_is_named(folder: Path) -> None:
    model = TINY.model_dump(mode="json")
    model["speech"]["kind"] = "cochlea"
    _change(folder, model=model)
    with pytest.raises(ModelError, match=r"config.json: speech: .*'cochlea'.*'mel', 'pretrained'"):
        DualEncoder.from_pretrained(folder)


def test_weights_of_another_size_are_named(folder: Path) -> None:
    _change(folder, model=TINY.model_dump(mode="json") | {"embedding_size": 64})
    expected = r"does not fit config.json: \d+ tensors differ, first frame_projector.* is \(32,\), expected \(64,\)"
    with pytest.raises(ModelError, match=expected):
        DualEncoder.from_pretrained(folder)


def test_missing_and_extra_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["clip_scale.gain"] = weights.pop("clip_scale.bias")
    save_file(weights, path)
    with pytest.raises(
        ModelError, match=r"2 tensors differ, first clip_scale.bias is missing; clip_scale.gain is extra"
    ):
        DualEncoder.from_pretrained(folder)


def test_missing_weights_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model.safetensors does not exist"):
        DualEncoder.from_pretrained(folder)


def test_broken_weights_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        DualEncoder.from_pretrained(folder)
