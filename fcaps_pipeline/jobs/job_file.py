"""Job files: YAML that describes one run of a command, validated before anything starts.

Enters: a path, and `KEY=VALUE` overrides from the command line. Leaves: a frozen pydantic model of
`Section`s. A mistake is told with the place and the key that was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from fcaps_pipeline.errors import JobError, printable
from fcaps_pipeline.jobs.job_yaml import read_node, read_value
from fcaps_pipeline.jobs.mistakes import Key, dotted, explain, without_consequences

_MAX_BYTES = 1_000_000
_MAX_KEYS = 10_000
_SHOWN = 80


class Section(BaseModel):
    """Part of a job: immutable, unknown keys are mistakes, numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


Seconds = Annotated[float, Field(le=10_000_000)]
"""A length of time; four months are less than what a timer of any library takes."""


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
        *parents, leaf = names = tuple(key.split("."))
        if not all(names):
            raise JobError(f"--set {item}: {key} has an empty part; expected names with single dots between them")
        node = self.content
        for length, parent in enumerate(parents, 1):
            if node.get(parent) is None:
                node[parent] = {}
                self.places[names[:length]] = f"--set {key}"
            node = node[parent]
            if not isinstance(node, dict):
                raise JobError(f"--set {item}: {parent} is a single value, not a section")
        try:
            node[leaf] = read_value(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise JobError(f"--set {printable(item[:_SHOWN])}: the value is not YAML") from None
        self.places[names] = f"--set {key}"


def read_job_file(path: Path, sections: str) -> JobText:
    """Reads a YAML mapping.

    Args:
        path: YAML file.
        sections: the keys it should have, for the error message.

    Raises:
        JobError: the file is missing, unreadable, not YAML, no mapping, or has a key twice.
    """
    try:
        node, construct = read_node(_read(path))
        places = {} if node is None else _places(node, path)
        content = construct()
    except FileNotFoundError:
        raise JobError(
            f"job file {path} does not exist; `fcaps init` writes one, `jobs/` holds complete ones"
        ) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise JobError(f"{path}:{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # also bytes that are no UTF-8, and dates that do not exist
        raise JobError(f"job file {path} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise JobError(f"job file {path} is nested too deep to be a job") from None
    except OSError as error:
        raise JobError(f"job file {path} cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise JobError(f"job file {path}: expected a mapping with {sections}")
    return JobText(str(path), content, places)


def _read(path: Path) -> str:
    if path.exists() and not path.is_file():
        raise JobError(f"{path} is no regular file, expected a job file")
    num_bytes = path.stat().st_size
    if num_bytes > _MAX_BYTES:
        raise JobError(f"{path} has {num_bytes:,} bytes, a job file has at most {_MAX_BYTES:,}")
    return path.read_text(encoding="utf-8")


def validate_job(model: type[AnyJob], text: JobText) -> AnyJob:
    """Validates a job.

    Raises:
        JobError: with every mistake, each with its place and key.
    """
    try:
        return model.model_validate(text.content)
    except ValidationError as error:
        found = without_consequences(error.errors())
        raise JobError("; ".join(_line(item, model, text) for item in found)) from None


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


def _places(node: yaml.Node, path: Path, key: Key = (), around: tuple[yaml.Node, ...] = ()) -> dict[Key, str]:
    if node in around:
        raise JobError(f"{path}:{node.start_mark.line + 1}: {dotted(key)}: the anchor of this section stands inside it")
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
        places |= _places(value, path, inner, (*around, node))
        if len(places) > _MAX_KEYS:
            raise JobError(f"{path}:{line}: more than {_MAX_KEYS:,} keys, once aliases are written out; no job has")
    return places


def _name(node: yaml.Node) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else str(node.start_mark)
