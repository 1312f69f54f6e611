"""How a source calls what we take from it: the names that the job gives, over the usual ones.

Enters: `source.fields` of the job. Leaves: values by our names, and the rest of an object under its own. A dot leads
into an object; null takes nothing, whatever stands under the usual names.
"""

from collections.abc import Collection, Mapping
from typing import Any

from fcaps_pipeline.errors import SourceError

_SHOWN = 500
_IN_EXTRA = {"speaker_gender": "gender"}
"""What is read from the fields that are not ours, by the name it has there."""


class FieldNames:
    """Names of one source; remembers which of them were ever met."""

    def __init__(self, names: Mapping[Any, str | None]) -> None:
        """Takes the mapping of the job, from our fields to the names of the source."""
        self._names: dict[str, str | None] = {_IN_EXTRA.get(field, field): name for field, name in names.items()}
        self._unmet = {name for name in names.values() if name is not None}

    @property
    def fields(self) -> frozenset[str]:
        """Our fields that the job maps: their usual names mean nothing."""
        return frozenset(self._names)

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What an object holds of the mapped fields; what it lacks is left out."""
        found = {field: _inside(given, name) for field, name in self._names.items() if name is not None}
        self._unmet -= {self._names[field] for field, value in found.items() if value is not None}
        return {field: value for field, value in found.items() if value is not None}

    def is_mapped(self, name: str) -> bool:
        """Whether a name of the source is taken for one of our fields."""
        return name in self._names.values()

    def check_columns(self, columns: Collection[str], where: str) -> None:
        """Refuses names that are no columns of a table.

        Raises:
            SourceError: a name is none.
        """
        for name in sorted(name for name in self._names.values() if name is not None):
            if name not in columns and name.partition(".")[0] not in columns:
                raise SourceError(
                    f"{where} no column {name!r}, which source.fields names; found {', '.join(columns)[:_SHOWN]}"
                )

    def add(self, others: "FieldNames") -> None:
        """Takes in which of the same names were met in another part of the source."""
        self._unmet &= others._unmet

    def check_met(self, where: str) -> None:
        """Refuses names that stand nowhere in the source.

        Raises:
            SourceError: a name was never met.
        """
        if self._unmet:
            missing = ", ".join(sorted(self._unmet))
            raise SourceError(f"{where}: source.fields names {missing}, which is nowhere in it; correct it")


NO_NAMES = FieldNames({})


def _inside(given: Mapping[str, Any], name: str) -> Any:
    if name in given:
        return given[name]
    value: Any = given
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
