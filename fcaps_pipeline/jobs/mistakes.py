"""What pydantic finds wrong with a job, told as one line with the key as it stands in the file.

Enters: pydantic's findings, the model, the job as written. Leaves: text. A finding names parts that no file has,
tags of unions for instance; they are left out. An unknown key comes with the known one that is nearest.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Key = tuple[str | int, ...]
"""Way from the top of a job to one of its keys."""

_NOTHING = object()
_SECRET = frozenset({"address"})
"""Kinds of mistakes whose input may hold a password."""
_NO_SECTION = frozenset({"model_type", "model_attributes_type", "dict_type"})
_KEY = "[key]"
"""Ends the place of a mistake that is about a key of a mapping itself."""
_FIRST_WORD = re.compile(r"[\w.]+")


def dotted(key: Key) -> str:
    """The key as `--set` takes it."""
    return ".".join(map(str, key))


def explain(item: ErrorDetails, model: type[BaseModel], content: object) -> tuple[Key, str]:
    """The key that is wrong, and what is wrong with it."""
    key = _key_in_file(item["loc"], content)
    context = item.get("ctx", {})
    match item["type"]:
        case "extra_forbidden":
            return key, f"unknown key{suggestion(str(key[-1]), _known_keys(model, item['loc'][:-1]))}"
        case "missing":
            return (*key, item["loc"][-1]), "missing"
        case "union_tag_not_found":
            return (*key, "kind"), f"missing; it decides which other keys there are; {_tags(model, item['loc'])}"
        case "union_tag_invalid":
            tags = re.findall(r"'([^']+)'", str(context["expected_tags"]))
            return (*key, "kind"), f"unknown kind{suggestion(str(context['tag']), tags)}, found {context['tag']!r}"
        case kind if kind in _NO_SECTION:
            return key, f"expected a section with keys below it, found {_shown(item['input'])}"
        case "enum" | "literal_error":
            meant = _nearest(str(item["input"]), re.findall(r"'([^']+)'", str(context["expected"])))
            return key, f"{item['msg']}{meant}, found {_shown(item['input'])}"
        case "string_type" if isinstance(item["input"], bool | int | float):
            return key, f"{item['msg']}, found {_shown(item['input'])}; text that reads as that needs quotes"
        case kind:
            message = item["msg"].removeprefix("Value error, ")
            is_of_several = kind == "value_error" and isinstance(item["input"], dict | BaseModel)
            found = "" if kind in _SECRET or is_of_several else f", found {_shown(item['input'])}"
            named = _named_first(message, key, content)
            return (*key, *named), message.removeprefix(f"{dotted(named)}: ") + found


def without_consequences(found: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without what follows from another mistake: below a key that itself is wrong, or in the length of a list."""
    wrong_keys = [item["loc"][:-1] for item in found if item["loc"][-1:] == (_KEY,)]
    return [item for item in found if not _is_consequence(item, wrong_keys, found)]


def _is_consequence(item: ErrorDetails, wrong_keys: Sequence[Key], found: Sequence[ErrorDetails]) -> bool:
    if item["type"] == "too_short":
        return any(one is not item and _is_within(one["loc"], item["loc"]) for one in found)
    return item["loc"][-1:] != (_KEY,) and any(_is_within(item["loc"], one) for one in wrong_keys)


def _is_within(key: Key, outer: Key) -> bool:
    return key[: len(outer)] == outer


def _shown(value: object) -> str:
    """A value as a person would name it."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a section"
        case list() | tuple():
            return "a list"
        case _:
            return repr(value)


def suggestion(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?`, or all that are known."""
    return _nearest(name, known) or (f"; known are {', '.join(known)}" if known else "")


def _nearest(name: str, known: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _key_in_file(location: Sequence[str | int], content: object) -> Key:
    key: list[str | int] = []
    for part in location:
        found = _inside(content, part)
        if found is _NOTHING:
            continue
        content = found
        key.append(part)
    return tuple(key)


def _inside(content: object, part: str | int) -> object:
    if isinstance(content, dict):
        return content.get(part, _NOTHING)
    is_place = isinstance(content, list) and isinstance(part, int) and part < len(content)
    return content[part] if is_place else _NOTHING  # type: ignore[index]


def _named_first(message: str, key: Key, content: object) -> Key:
    """A check of several keys begins its message with the one that it is about."""
    word = _FIRST_WORD.match(message)
    names = tuple(word.group().split(".")) if word else ()
    for part in key:
        content = _inside(content, part)
    return names if names and len(_key_in_file(names, content)) == len(names) else ()


def _known_keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    return sorted({name for one in _models_at([model], location) for name in one.model_fields})


def _tags(model: type[BaseModel], location: Sequence[str | int]) -> str:
    tags = [tag for one in _models_at([model], location) for tag in own_tags(one)]
    return f"known are {', '.join(tags)}"


def _models_at(models: list[type[BaseModel]], location: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a place: fields lead on, tags choose, keys of mappings and positions do neither."""
    for part in location:
        with_field = [one for one in models if part in one.model_fields]
        with_tag = [one for one in models if part in own_tags(one)]
        if with_field:
            models = [found for one in with_field for found in models_in(one.model_fields[str(part)].annotation)]
        elif with_tag:
            models = with_tag
    return models


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The models that an annotation holds, of mappings and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in models_in(argument)]


def own_tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The kinds that a model stands for."""
    kind: Any = model.model_fields["kind"].annotation if "kind" in model.model_fields else None
    return get_args(kind) if get_origin(kind) is Literal else ()
