"""Reads the stored plan of a run: which Recordings make up which WorkUnit, and in which files their channels lie.

Enters: a run folder. Leaves: the summary, checked, and units one at a time. The summary says how many lines count: what
a killed process wrote behind them does not. Making a plan is left to `annotate/run/plan`.
"""

import hashlib
import io
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import islice
from typing import Any

from fcaps_pipeline.errors import CorruptRunError, StorageError
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.audio import AudioFile
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.schema import Row

_HAS_FILES = '"files":['
"""In a line of a unit; Recordings without a channel map have null there."""


class Plan(Record):
    """Summary of the stored units; its existence says that they are complete."""

    num_units: int
    num_recordings: int
    num_without_length: int
    """Recordings whose header tells no length; annotating tries them all the same."""
    duration_s: float
    num_segments_expected: int
    """From the lengths alone: continuous speech in Segments halfway between the bounds."""
    num_looked_at: int
    """Recordings whose file was looked at; where there are millions, a part of those whose source tells lengths."""
    num_missing: int
    """Of those looked at, how many are not there."""
    num_ignored_files: dict[str, int]
    """Files of the source that are not audio, by suffix."""
    num_read_beside: int
    """Files beside audio whose content describes it."""
    warnings: dict[str, int]
    """Recordings of whose sound something shows before it is decoded, by the name of the warning."""
    remarks: tuple[str, ...]
    """What deserves to be said before anything starts, one line each."""
    sha256: str
    """Over the stored units."""


def load(layout: RunLayout) -> Plan:
    """The stored plan.

    Raises:
        CorruptRunError: there is none, or it was changed.
    """
    if not layout.plan.exists():
        raise CorruptRunError(f"{layout.root} has no complete plan yet; run its annotate command again")
    try:
        plan = _summary(layout)
        digest = units_digest(layout, plan.num_units).hexdigest()
    except (StorageError, OSError, ValueError) as error:
        raise CorruptRunError(
            f"the plan in {layout.plan.parent} is unreadable; start again in another folder"
        ) from error
    if digest != plan.sha256:
        raise CorruptRunError(f"{layout.units} is not what {layout.plan.name} records; restore it from a copy")
    return plan


def load_units(
    layout: RunLayout, without: AbstractSet[int] = frozenset(), only: AbstractSet[int] | None = None
) -> Iterator[WorkUnit]:
    """Stored units in order, leaving out those whose index is in `without`, or is not in `only`."""
    with io.TextIOWrapper(layout.units.open(), encoding="utf-8") as file:
        for unit_index, line in enumerate(islice(file, _summary(layout).num_units)):
            if unit_index not in without and (only is None or unit_index in only):
                yield WorkUnit.model_validate_json(line)


class ChannelMaps:
    """The files of Recordings whose channels are not simply the rows of one file; rows of tables do not tell them."""

    def __init__(self, layout: RunLayout) -> None:
        """Reads nothing yet: most runs have no such Recording."""
        self._layout = layout

    def of(self, row: Row) -> tuple[AudioFile, ...] | None:
        """The channel map of a row's Recording; None where its channels are the rows of the file at its location.

        Args:
            row: with `recording_id`, `audio`, `channel` and `num_channels`.

        Raises:
            CorruptRunError: the plan is damaged, or gone and needed to find the audio.
        """
        if row["num_channels"] == 1 and row["channel"] == "0":
            return None
        if not self._layout.plan.exists():
            if row["audio"] is not None:
                return None
            raise CorruptRunError(
                f"{self._layout.plan} is gone, which alone tells in what files the channels of recording "
                f"{row['recording_id']} lie; restore it from a copy, or make the run again with `audio: embed`"
            )
        return self._maps.get(row["recording_id"])

    @cached_property
    def _maps(self) -> dict[str, tuple[AudioFile, ...]]:
        num_units = load(self._layout).num_units
        with io.TextIOWrapper(self._layout.units.open(), encoding="utf-8") as file:
            lines = (line for line in islice(file, num_units) if _HAS_FILES in line)
            recordings = (one for line in lines for one in WorkUnit.model_validate_json(line).recordings)
            return {one.recording_id: one.files for one in recordings if one.files is not None}


def _summary(layout: RunLayout) -> Plan:
    return Plan.model_validate_json(layout.plan.read())


def units_digest(layout: RunLayout, num_units: int) -> Any:
    """sha256 over the lines that count, open for more."""
    digest = hashlib.sha256()
    with layout.units.open() as file:
        for line in islice(file, num_units):
            digest.update(line)
    return digest
