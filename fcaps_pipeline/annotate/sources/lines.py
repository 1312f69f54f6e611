"""What all lines of a manifest have in common: names of fields, null, numbers as ids, fields that are not ours.

A field may have several names, of which a line gives one. Null means that the field is absent. A name close to one of
ours is a mistake; any other is somebody else's field, which travels with the Recording as JSON (`extra`).
"""

import difflib
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, JsonValue, StringConstraints, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError, to_json

from fcaps_pipeline.annotate.sources.fields import NO_NAMES, FieldNames
from fcaps_pipeline.records.audio import Gender
from fcaps_pipeline.records.base import Record

LINE_FAULT = "line_fault"
"""Type of a pydantic error whose message is whole: it names the field itself."""
_LIKENESS = 0.8
_GENDERS: dict[str, Gender] = {
    "female": "female",
    "f": "female",
    "woman": "female",
    "male": "male",
    "m": "male",
    "man": "male",
}
_GENDER_FIELDS = ("gender", "speaker_gender", "sex")


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_number_as_text), StringConstraints(min_length=1)]
"""Text that is not empty; a number is taken for its digits, as in ids."""


def _without_empty(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    return [one for one in value if one is not None and not (isinstance(one, str) and not one.strip())]


Tags = Annotated[tuple[Text, ...], BeforeValidator(_without_empty)]
"""A null or blank tag is no tag."""
MaybeEmpty = Annotated[str, BeforeValidator(_number_as_text)]
LONGEST_S = 1e9
"""Thirty years: no recording is longer, and every sample of it has a number that tables hold."""
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S, allow_inf_nan=False)]
PathText = Annotated[Text, StringConstraints(pattern=r"^[^\x00]*$")]
"""A path; one with a null byte names nothing."""
ChannelNumber = Annotated[int, Field(ge=0, lt=2**15)]
MAX_SEGMENTS = 100_000
"""Of one recording."""


class OpenLine(Record):
    """A JSON object with known fields, other names of them, and fields of others."""

    other_names: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Further names of a field."""
    elsewhere: ClassVar[dict[str, str]] = {}
    """Fields that belong to another place, with a hint where."""

    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields that are not ours."""

    @model_validator(mode="before")
    @classmethod
    def _sort_out(cls, content: Any, info: ValidationInfo) -> Any:
        if not isinstance(content, dict):
            return content
        mapped = cls._mapped(info)
        given = {name: value for name, value in content.items() if value is not None}
        fields, extra = _fields_of(cls), {}
        named: dict[str, list[str]] = {}
        for name, value in given.items():
            if mapped.is_mapped(name):
                continue
            field = fields.get(name)
            if field is None or field in mapped.fields:
                extra[name] = value
            else:
                named.setdefault(field, []).append(name)
        cls._refuse_several(named)
        if not mapped.fields:
            for name in extra:
                cls.check_foreign(name)
        values = mapped.values(given)
        ours = set(fields.values())
        extra |= {name: values.pop(name) for name in [*values] if name not in ours}
        return {field: given[names[0]] for field, names in named.items()} | values | {"extra": extra}

    @classmethod
    def _mapped(cls, info: ValidationInfo) -> FieldNames:
        """What the job maps in such objects."""
        return NO_NAMES

    @classmethod
    def names_of(cls, field: str) -> tuple[str, ...]:
        """All names of a field, the usual one first."""
        return field, *cls.other_names.get(field, ())

    @classmethod
    def _refuse_several(cls, named: dict[str, list[str]]) -> None:
        several = {field for field, names in named.items() if len(names) > 1}
        for field in (one for one in cls.model_fields if one in several):
            found = [name for name in cls.names_of(field) if name in named[field]]
            raise PydanticCustomError(LINE_FAULT, f"{' and '.join(found)} are names of one field; give one")

    @classmethod
    def check_foreign(cls, name: str) -> None:
        """Refuses a name that is not ours where one of ours was meant.

        Raises:
            PydanticCustomError: it is one.
        """
        if name in cls.elsewhere:
            raise PydanticCustomError(LINE_FAULT, f"the field {name!r} {cls.elsewhere[name]}")
        known = tuple(other for field in cls.model_fields if field != "extra" for other in cls.names_of(field))
        if (meant := misspelling_of(name, known)) is not None:
            raise PydanticCustomError(LINE_FAULT, f"unknown field {name!r}; did you mean {meant!r}?")


@cache
def _fields_of(model: type[OpenLine]) -> dict[str, str]:
    """Our fields, by all names that they have."""
    return {name: field for field in model.model_fields if field != "extra" for name in model.names_of(field)}


@lru_cache(4096)
def misspelling_of(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that was meant; None for a name of its own, such as `speaker_id` beside `speaker`."""
    if any(name.startswith(f"{one}_") or name.endswith(f"_{one}") for one in known):
        return None
    return next(iter(difflib.get_close_matches(name.lower(), known, n=1, cutoff=_LIKENESS)), None)


def json_text(*objects: dict[str, JsonValue]) -> str | None:
    """Objects as one JSON object, later ones over earlier ones; None when nothing is in them."""
    merged: dict[str, JsonValue] = {}
    for one in objects:
        merged |= one
    return to_json(merged, inf_nan_mode="null").decode() if merged else None


def gender_of(*objects: dict[str, JsonValue]) -> Gender | None:
    """The speaker's gender where a field of others tells it; the last object that does decides."""
    found = [
        _GENDERS[value.strip().lower()]
        for one in objects
        for field in _GENDER_FIELDS
        if isinstance(value := one.get(field), str) and value.strip().lower() in _GENDERS
    ]
    return found[-1] if found else None
