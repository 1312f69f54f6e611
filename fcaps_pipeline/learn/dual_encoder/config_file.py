"""`config.json` of a model folder: kind, version and the DualEncoderConfig.

Importing this module imports no torch, so that a folder that is no model is told at once.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fcaps_pipeline.errors import ModelError
from fcaps_pipeline.learn.dual_encoder.config import DualEncoderConfig

_KIND = "fcaps_dual_encoder"
_VERSION = 1
CONFIG_FILE = "config.json"


def write_config(folder: Path, config: DualEncoderConfig) -> None:
    """Writes `config.json`."""
    content = {"model_type": _KIND, "version": _VERSION, "model": config.model_dump(mode="json")}
    (folder / CONFIG_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_config(folder: Path) -> DualEncoderConfig:
    """Reads `config.json`.

    Raises:
        ModelError: it is missing, no JSON, of another kind or version, or invalid.
    """
    path = folder / CONFIG_FILE
    if not folder.is_dir():
        raise ModelError(f"model folder {folder} does not exist; give one that `fcaps train` wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder} has no {CONFIG_FILE}; give a model folder that `fcaps train` wrote") from None
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


def _check_kind(path: Path, content: Any) -> None:
    found = content.get("model_type") if isinstance(content, dict) else None
    if found != _KIND:
        raise ModelError(f"{path} is of kind {found!r}, expected {_KIND!r}; give a folder that `fcaps train` wrote")
    if content.get("version") != _VERSION:
        raise ModelError(
            f"{path} has version {content.get('version')!r}, this program reads {_VERSION}; "
            "use the program that wrote it"
        )
