"""A job as a file that explains itself: what is set, and every other key as a comment with its default.

Enters: the model of a kind of job, and a content to begin with. Leaves: YAML. Explanations are the docstrings of
the models' fields, so that the file says what the program does. `# ` begins an explanation, `#` alone a key.
"""

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fcaps_pipeline.jobs.job_yaml import write_value
from fcaps_pipeline.jobs.mistakes import models_in, own_tags
from fcaps_pipeline.records.base import as_files_say

_WIDTH = 100
_INDENT = "  "


def commented(model: type[BaseModel], content: dict[str, Any], schema: str) -> str:
    """The text of a job file.

    Args:
        model: describes the job.
        content: what is set; a job of this kind.
        schema: where editors find the JSON Schema, for checks and completion while typing.
    """
    return "\n".join([f"# yaml-language-server: $schema={schema}", *_section(model, content, "")]) + "\n"


def _section(model: type[BaseModel], content: dict[str, Any], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name not in content and field.is_required():
            continue  # one of several keys of which the content has another
        yield from _explained(name, field, models_in(field.annotation), indent)
        if name in content:
            yield from _set(name, content[name], models_in(field.annotation), indent)
        else:
            yield from _default(name, field, indent)


def _explained(name: str, field: FieldInfo, models: list[type[BaseModel]], indent: str) -> Iterator[str]:
    text = as_files_say(field.description or " ".join((one.__doc__ or "").partition("\n")[0] for one in models))
    kinds = [tag for one in models for tag in own_tags(one)]
    if len(kinds) > 1:
        text = f"{text} Kinds: {', '.join(kinds)}.".strip()
    prefix = f"{indent}# "
    if name != "kind":
        yield from textwrap.wrap(text, _WIDTH, initial_indent=prefix, subsequent_indent=prefix)


def _set(name: str, value: Any, models: list[type[BaseModel]], indent: str) -> Iterator[str]:
    model = _model_of(value, models)
    if model is not None:
        yield f"{indent}{name}:"
        yield from _section(model, value, indent + _INDENT)
    elif isinstance(value, dict) and models:
        yield f"{indent}{name}:"
        for key, inner in value.items():
            yield from _set(key, inner, models, indent + _INDENT)
    else:
        yield f"{indent}{name}: {_flow(value)}"


def _model_of(value: Any, models: list[type[BaseModel]]) -> type[BaseModel] | None:
    """The model of which a value is one; None of a mapping by names of the user's choice, and of plain values."""
    if not isinstance(value, dict):
        return None
    possible = [one for one in models if set(value) <= set(one.model_fields)]
    tagged = [one for one in possible if value.get("kind") in own_tags(one)]
    return next(iter(tagged or possible), None)


def _default(name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        inner = _section(type(default), {}, indent + _INDENT)
        yield f"{indent}#{name}:"
        yield from (line if line.lstrip().startswith("# ") else _out(line) for line in inner)
    else:
        yield f"{indent}#{name}: {_flow(default)}"


def _out(line: str) -> str:
    text = line.lstrip()
    return line if text.startswith("#") else line[: len(line) - len(text)] + "#" + text


def _flow(value: Any) -> str:
    if isinstance(value, tuple | set | frozenset):
        value = [one.model_dump(mode="json") if isinstance(one, BaseModel) else one for one in value]
    return write_value(value)
