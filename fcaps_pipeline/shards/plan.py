"""Reads the stored plan of a run: which Recordings make up which WorkUnit, and in which files their channels lie.

Enters: a run folder. Leaves: the summary, checked, and units one at a time. The summary names the files that count:
what a killed process wrote beside them does not. Making a plan is left to `annotate/run/plan`.
"""

import hashlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fcaps_pipeline.errors import CorruptRunError, StorageError
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.audio import AudioFile, FileStamp
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan_file import (
    PlanFile,
    channel_maps,
    is_as_written,
    lengths_by_unit,
    read_tables,
    read_units,
    units_of,
)
from fcaps_pipeline.shards.schema import Row


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
    source_stamp: FileStamp | None = None
    """The list that was read; None where the source is no list alone."""
    files: tuple[PlanFile, ...]
    """Where the units are, in their order."""

    @property
    def sha256(self) -> str:
        """Over the stored units."""
        return hashlib.sha256("".join(file.sha256 for file in self.files).encode()).hexdigest()


def load(layout: RunLayout) -> Plan:
    """The stored plan.

    Raises:
        CorruptRunError: there is none, or it was changed.
    """
    if not layout.plan.exists():
        raise CorruptRunError(f"{layout.root} has no complete plan yet; run its annotate command again")
    try:
        plan = _summary(layout)
        changed = [file.path for file in plan.files if not is_as_written(layout.root, file)]
    except (StorageError, OSError, ValueError) as error:
        raise CorruptRunError(
            f"the plan in {layout.plan.parent} is unreadable; start again in another folder"
        ) from error
    if changed:
        raise CorruptRunError(
            f"{layout.root / changed[0]} is not what {layout.plan.name} records; restore it from a copy"
        )
    return plan


def load_units(
    layout: RunLayout, without: AbstractSet[int] = frozenset(), only: AbstractSet[int] | None = None
) -> Iterator[WorkUnit]:
    """Stored units in order, leaving out those whose index is in `without`, or is not in `only`."""
    for file in _summary(layout).files:
        yield from read_units(layout.root / file.path, without, only)


def planned_units(layout: RunLayout) -> set[int]:
    """Units that hold a Recording: one all of whose Recordings were taken back holds none, and keeps its number."""
    return {unit_index for file in _summary(layout).files for unit_index in units_of(layout.root / file.path)}


def load_tables(layout: RunLayout) -> Iterator[pa.Table]:
    """Stored Recordings in order, as tables of some ten thousands."""
    for file in _summary(layout).files:
        yield from read_tables(layout.root / file.path)


def unit_lengths_s(layout: RunLayout, plan: Plan) -> npt.NDArray[np.float64]:
    """Audio of each unit in seconds, as far as headers tell."""
    lengths = (lengths_by_unit(layout.root / file.path, plan.num_units) for file in plan.files)
    return sum(lengths, np.zeros(plan.num_units))


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
        files = load(self._layout).files
        return {name: one for file in files for name, one in channel_maps(self._layout.root / file.path)}


def _summary(layout: RunLayout) -> Plan:
    return Plan.model_validate_json(layout.plan.read())
