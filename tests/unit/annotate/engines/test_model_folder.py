"""A model folder is checked before anything is loaded, and named by its content."""

from pathlib import Path

import pytest

from fcaps_pipeline.annotate.engines import model_folder as module
from fcaps_pipeline.annotate.engines.model_folder import check_model_folder, folder_revision, model_folder
from fcaps_pipeline.errors import ModelError, UsageError

_FILES = ("model.safetensors", "config.json", "tokenizer.json", "preprocessor_config.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in _FILES:
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_whole_folder_passes(folder: Path) -> None:
    check_model_folder(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors", r"has no weights \(\*\.safetensors\)"),
        ("config.json", r"has no config\.json"),
        ("tokenizer.json", "has no tokenizer"),
        ("preprocessor_config.json", "has no audio processor"),
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str, message: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=message):
        check_model_folder(folder)


def test_a_model_of_text_needs_no_audio_processor_and_hears_nothing(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    (folder / "config.json").write_text('{"architectures": ["LlamaForCausalLM"], "rope": {"type": "yarn"}}')
    check_model_folder(folder)
    with pytest.raises(ModelError, match="holds a model of text, and it is asked about sound"):
        check_model_folder(folder, must_hear=True)
    (folder / "config.json").write_text('{"thinker_config": {"audio_config": {}}}')
    with pytest.raises(ModelError, match="has no audio processor"):
        check_model_folder(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        check_model_folder(tmp_path / "absent")


def test_the_revision_follows_the_content_and_not_the_place(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copy")
    for name in _FILES:
        (copy / name).write_text(name)
    (copy / "README.md").write_text("says nothing about the weights")
    assert folder_revision(copy) == folder_revision(folder)
    assert folder_revision(copy).startswith("sha256:")
    (copy / "config.json").write_text("other")
    assert folder_revision(copy) != folder_revision(folder)


def test_large_weights_count_by_size_and_head(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WHOLE_BYTES", 8)
    monkeypatch.setattr(module, "_HEAD_BYTES", 4)
    weights, before = folder / "model.safetensors", folder_revision(folder)
    weights.write_text("modeX.safetensors")
    assert folder_revision(folder) == before
    weights.write_text("model.safetensors+")
    assert folder_revision(folder) != before


def test_hub_names_and_folders_are_told_apart(tmp_path: Path) -> None:
    assert model_folder("Qwen/Qwen3-Omni-30B-A3B-Captioner") is None
    assert model_folder(str(tmp_path)) == tmp_path
    assert model_folder("./captioner/v1") == Path.cwd() / "captioner" / "v1"
    with pytest.raises(UsageError, match="is not shipped with the package"):
        model_folder("package:nothing")
