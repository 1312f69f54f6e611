"""The JSON Schemas in `schemas/`, generated from the pydantic models."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fcaps_pipeline.cli.kinds import JOBS
from fcaps_pipeline.errors import UsageError
from fcaps_pipeline.jobs.resources import shipped_folder
from fcaps_pipeline.records.annotations import Annotation, Failure, Rejection
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.records.base import as_files_say
from fcaps_pipeline.records.captions import GlobalCaption

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MODELS: dict[str, type[BaseModel]] = {
    "annotation": Annotation,
    "failure": Failure,
    "global_caption": GlobalCaption,
    **{f"{command}_job": model for command, model in JOBS.items()},
    "recording": Recording,
    "rejection": Rejection,
}


def write_schemas(folder: Path | None = None) -> tuple[Path, ...]:
    """Writes every schema; `folder` defaults to the one of the checkout.

    Returns:
        Paths of the files.
    """
    folder = folder or shipped_folder("schemas")
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(_path(folder, name) for name in _MODELS)
    for path, (name, model) in zip(paths, _MODELS.items(), strict=True):
        path.write_text(_text(name, model), encoding="utf-8")
    return paths


def check_schemas(folder: Path | None = None) -> None:
    """Compares the files with the models.

    Raises:
        UsageError: a file is missing, outdated or belongs to no model.
    """
    folder = folder or shipped_folder("schemas")
    expected = {_path(folder, name): _text(name, model) for name, model in _MODELS.items()}
    outdated = {path for path, text in expected.items() if not path.is_file() or path.read_text("utf-8") != text}
    if wrong := sorted(path.name for path in outdated | (set(folder.glob("*.json")) - set(expected))):
        names = ", ".join(wrong)
        raise UsageError(f"{folder}: {names} differ from the models; run `fcaps schema` and commit the result")


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.schema.json"


def _text(name: str, model: type[BaseModel]) -> str:
    content = _explained(model.model_json_schema())
    schema = {"$schema": _DIALECT, "$id": f"urn:fcaps:schema:{name}", **content}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _explained(node: Any) -> Any:
    """The same schema with explanations in the words of files."""
    if isinstance(node, list):
        return [_explained(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: as_files_say(one) if key == "description" and isinstance(one, str) else _explained(one)
        for key, one in node.items()
    }


def schema_path(name: str) -> Path:
    """The file of a schema, `annotate_job` for one."""
    return _path(shipped_folder("schemas"), name)
