"""Job files: YAML that describes one run of a command, validated before anything starts.

Enters: a path, and `KEY=VALUE` overrides from the command line. Leaves: a frozen pydantic model of
`Section`s. Pydantic's findings become one line per mistake.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fcaps_pipeline.errors import JobError


class Section(BaseModel):
    """Part of a job: immutable, unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


AnyJob = TypeVar("AnyJob", bound=Section)


def read_job_file(path: Path, sections: str) -> dict[str, Any]:
    """Reads a YAML mapping.

    Args:
        path: YAML file.
        sections: the keys it should have, for the error message.

    Raises:
        JobError: the file is missing, unreadable, not YAML or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JobError(f"job file {path} does not exist; `jobs/` in the repository holds complete ones") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        detail = " ".join(str(error).split())
        raise JobError(f"job file {path} is not YAML: {detail}") from None
    except OSError as error:
        raise JobError(f"job file {path} cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise JobError(f"job file {path}: expected a mapping with {sections}")
    return content


def apply_overrides(content: dict[str, Any], overrides: Sequence[str]) -> None:
    """Replaces single keys in place; each override is `a.b=value`, the value read as YAML.

    Raises:
        JobError: an override is not of that form.
    """
    for item in overrides:
        _override(content, item)


def validate_job(model: type[AnyJob], content: dict[str, Any], where: str) -> AnyJob:
    """Validates a job given as a mapping; `where` names it in errors.

    Raises:
        JobError: with one line per mistake.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise JobError(f"job {where}: " + "; ".join(_explain(item) for item in error.errors())) from None


def load_job_file(model: type[AnyJob], path: Path, overrides: Sequence[str], sections: str) -> AnyJob:
    """Reads and validates a job file.

    Args:
        model: what it should describe.
        path: YAML file.
        overrides: `a.b=value` items that replace single keys; values are read as YAML.
        sections: the keys it should have, for the error message.

    Raises:
        JobError: the file is missing, is not YAML, or does not describe such a job.
    """
    content = read_job_file(path, sections)
    apply_overrides(content, overrides)
    return validate_job(model, content, str(path))


def _explain(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "job"
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key, check the spelling"
    if item["type"] == "missing":
        return f"{key}: missing"
    found = f", found {item['input']!r}" if isinstance(item["input"], str | int | float | bool) else ""
    return f"{key}: {item['msg'].removeprefix('Value error, ')}{found}"


def _override(content: dict[str, Any], item: str) -> None:
    key, equals, value = item.partition("=")
    if not equals or not key:
        raise JobError(f"--set {item}: expected KEY=VALUE, for example captions.fine.num_candidates=3")
    *parents, leaf = key.split(".")
    node = content
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise JobError(f"--set {item}: {parent} is a single value, not a section")
    try:
        node[leaf] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise JobError(f"--set {item}: the value is not YAML") from None
