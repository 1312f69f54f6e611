"""Job files: YAML that describes one run of a command, validated before anything starts.

Enters: a path, and `KEY=VALUE` overrides from the command line. Leaves: a frozen pydantic model of
`Section`s. A mistake is told with the place and the key that was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from fcaps_pipeline.errors import JobError
from fcaps_pipeline.jobs.mistakes import Key, dotted, explain


class Section(BaseModel):
    """Part of a job: immutable, unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


AnyJob = TypeVar("AnyJob", bound=Section)


@dataclass(frozen=True)
class JobText:
    """A job as it was written."""

    name: str
    """Of the file."""
    content: dict[str, Any]
    places: dict[Key, str]
    """Where each key was written: `job.yaml:7`, or `--set KEY`."""

    def place(self, key: Key) -> str:
        """Where a key stands, or else what it belongs to."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.places:
                return self.places[key[:length]]
        return self.name

    def override(self, item: str) -> None:
        """Replaces one key; `item` is `a.b=value`, the value read as YAML.

        Raises:
            JobError: it is not of that form.
        """
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise JobError(f"--set {item}: expected KEY=VALUE, for example captions.fine.num_candidates=3")
        *parents, leaf = key.split(".")
        node = self.content
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise JobError(f"--set {item}: {parent} is a single value, not a section")
        try:
            node[leaf] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise JobError(f"--set {item}: the value is not YAML") from None
        self.places[*parents, leaf] = f"--set {key}"


def read_job_file(path: Path, sections: str) -> JobText:
    """Reads a YAML mapping.

    Args:
        path: YAML file.
        sections: the keys it should have, for the error message.

    Raises:
        JobError: the file is missing, unreadable, not YAML, no mapping, or has a key twice.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        places = _places(node, path) if node is not None else {}
        content = loader.construct_document(node) if node is not None else None
    except FileNotFoundError:
        raise JobError(
            f"job file {path} does not exist; `fcaps init` writes one, `jobs/` holds complete ones"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise JobError(f"{path}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise JobError(f"job file {path} is not YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        raise JobError(f"job file {path} cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise JobError(f"job file {path}: expected a mapping with {sections}")
    return JobText(str(path), content, places)


def validate_job(model: type[AnyJob], text: JobText) -> AnyJob:
    """Validates a job.

    Raises:
        JobError: with every mistake, each with its place and key.
    """
    try:
        return model.model_validate(text.content)
    except ValidationError as error:
        raise JobError("; ".join(_line(item, model, text) for item in error.errors())) from None


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
    text = read_job_file(path, sections)
    for item in overrides:
        text.override(item)
    return validate_job(model, text)


def _line(item: ErrorDetails, model: type[AnyJob], text: JobText) -> str:
    key, message = explain(item, model, text.content)
    place, name = text.place(key), dotted(key)
    return f"{place}: {message}" if place.endswith(name) else f"{place}: {name}: {message}"


def _places(node: yaml.Node, path: Path, key: Key = ()) -> dict[Key, str]:
    places: dict[Key, str] = {}
    if isinstance(node, yaml.MappingNode):
        parts: list[tuple[str | int, yaml.Node, yaml.Node]] = [(_name(part), part, value) for part, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        parts = [(index, value, value) for index, value in enumerate(node.value)]
    else:
        parts = []
    for name, part, value in parts:
        inner, line = (*key, name), part.start_mark.line + 1
        if inner in places:
            raise JobError(f"{path}:{line}: {dotted(inner)}: stands twice; keep one")
        places[inner] = f"{path}:{line}"
        places |= _places(value, path, inner)
    return places


def _name(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else str(node.start_mark)
