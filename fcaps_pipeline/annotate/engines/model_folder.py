"""Looks at a model folder before an engine loads it: is it whole, and which weights are these.

A folder that lacks something gives one clear line here instead of a traceback out of a loader.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.jobs.resources import resolve_path

_PARTS = {
    "weights (*.safetensors)": ("*.safetensors",),
    "config.json": ("config.json",),
    "tokenizer (tokenizer.json or vocab.json)": ("tokenizer.json", "vocab.json"),
}
_EARS = {
    "audio processor (preprocessor_config.json or processor_config.json)": (
        "preprocessor_config.json",
        "processor_config.json",
    ),
}
_REVISION_SUFFIXES = (".safetensors", ".json", ".jinja", ".txt", ".model")
_WHOLE_BYTES = 200_000_000
_HEAD_BYTES = 1_000_000


def model_folder(model: str) -> Path | None:
    """Folder of a model, or None when the name is one of a model hub (`owner/name`).

    Raises:
        UsageError: a `package:` name that the package does not ship.
    """
    path = resolve_path(model)
    is_hub_name = model.count("/") == 1 and not model.startswith(("package:", "/", "./", "../", "~"))
    return None if is_hub_name and not path.exists() else path


def check_model_folder(folder: Path, *, must_hear: bool = False) -> None:
    """Checks that the folder holds a whole model; one of text needs no audio processor.

    Args:
        folder: of the model.
        must_hear: whether it will be asked about sound.

    Raises:
        ModelError: the folder is missing, or lacks weights, configuration, tokenizer or processor, or holds a model of
            text where one that hears is needed.
    """
    if not folder.is_dir():
        raise ModelError(f"model folder {folder} does not exist; give a folder with config.json and *.safetensors")
    is_of_text = _is_of_text(folder)
    for part, patterns in (_PARTS if is_of_text else {**_PARTS, **_EARS}).items():
        if not any(any(folder.glob(pattern)) for pattern in patterns):
            raise ModelError(f"model folder {folder} has no {part}; copy the whole model into it")
    if is_of_text and must_hear:
        raise ModelError(
            f"model folder {folder} holds a model of text, and it is asked about sound; name one that hears"
        )


def _is_of_text(folder: Path) -> bool:
    """Whether its configuration names nothing of sound; one that cannot be read leaves that open."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and not _names_audio(config)


def _names_audio(config: dict[str, Any]) -> bool:
    return any(
        key.startswith("audio") or (isinstance(value, dict) and _names_audio(value)) for key, value in config.items()
    )


def folder_revision(folder: Path) -> str:
    """`sha256:` and a hash over names and contents of the files that decide what the model answers.

    Files above 200 MB count by name, size and their first megabyte, which holds the safetensors
    header: reading 60 GB of weights would cost minutes at every start.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _REVISION_SUFFIXES and path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(_content_hash(path))
    return f"sha256:{digest.hexdigest()}"


def _content_hash(path: Path) -> bytes:
    with path.open("rb") as file:
        if path.stat().st_size <= _WHOLE_BYTES:
            return hashlib.file_digest(file, "sha256").digest()
        return hashlib.sha256(file.read(_HEAD_BYTES)).digest()
