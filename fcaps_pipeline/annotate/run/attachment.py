"""The audio of rows that refer to it: checked where it lies, or put into the rows.

Enters: a finished run, with its plan where channels need not be the rows of one file. Leaves: what became of each row,
and, where it was asked for, a further attempt at each unit with the samples inside. Only samples with the recorded
sha256 are taken; what is missing or differs stays a reference and is named.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.run.soundness import drop_orphans
from fcaps_pipeline.annotate.segmentation.cuts import cut_out
from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.errors import MissingFileError, RecordingError
from fcaps_pipeline.records.audio import AudioFile, Cut, Recording
from fcaps_pipeline.shards.commits import next_attempt, write_commit
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RunLayout, UnitCommit
from fcaps_pipeline.shards.plan import ChannelMaps
from fcaps_pipeline.shards.reader import read_commits, read_index, read_unit_rows
from fcaps_pipeline.shards.rows import audio_value, samples_sha256
from fcaps_pipeline.shards.schema import Row, channel_of
from fcaps_pipeline.shards.table_writer import TableWriter
from fcaps_pipeline.shards.tombstones import refuse_unfinished
from fcaps_pipeline.storage.lease import held

_ANY_LENGTH = PlanRules(min_segment_samples=1, max_segment_samples=2**62, max_pause_samples=0, padding_samples=0)
Pcm = npt.NDArray[np.int16]


class AudioState(StrEnum):
    """What became of the reference of one row."""

    EMBEDDED = "embedded already"
    SAME = "as recorded"
    MISSING = "missing"
    DIFFERENT = "different"


class CheckedRow(NamedTuple):
    """One row with the state of its audio."""

    row: Row
    state: AudioState
    detail: str
    """Where it is and what is wrong; empty where nothing is."""
    pcm_T: Pcm | None
    """None unless it is as recorded and not embedded."""


def check_audio(layout: RunLayout) -> Iterator[CheckedRow]:
    """Reads the audio that the rows of a finished run refer to, and compares the samples.

    Raises:
        CorruptRunError: the run is not finished, or a file of it is damaged or missing.
        StorageError: the storage of the audio fails.
    """
    read_index(layout)
    channel_maps = ChannelMaps(layout)
    for commit in read_commits(layout):
        yield from _check_unit(layout, commit, channel_maps)


def attach_audio(layout: RunLayout, row_group_bytes: int) -> Iterator[CheckedRow]:
    """Puts the samples into the rows, unit by unit, each as a further attempt; the index is written last.

    Raises:
        CorruptRunError: the run is not finished, or a file of it is damaged or missing.
        StorageError: the storage of the audio fails.
        OutputError: the run folder cannot be written.
        UsageError: another process works in it.
    """
    with held(layout.root, "working in"):
        refuse_unfinished(layout.tombstones)
        index, channel_maps = read_index(layout), ChannelMaps(layout)
        for commit in read_commits(layout):
            yield from _attach_unit(layout, commit, row_group_bytes, channel_maps)
        commits = list(read_commits(layout))
        drop_orphans(layout, {file.path for commit in commits for file in commit.files})
        lines = (line for commit in commits for line in index_lines(commit))
        write_index(layout, index.totals, lines, job_sha256=index.job_sha256, plan_sha256=index.plan_sha256)


def _attach_unit(
    layout: RunLayout, commit: UnitCommit, row_group_bytes: int, channel_maps: ChannelMaps
) -> Iterator[CheckedRow]:
    attempt, parent_sha256 = next_attempt(layout, commit.unit_index)
    writer = TableWriter(layout, "data", commit.unit_index, attempt, row_group_bytes=row_group_bytes)
    num_attached = 0
    try:
        for checked in _check_unit(layout, commit, channel_maps):
            if checked.pcm_T is not None:
                num_attached += 1
                checked.row["audio"] = audio_value(checked.row["segment_id"], checked.pcm_T)
            writer.add(checked.row)
            yield checked
        if not num_attached:
            return
        file = writer.publish()
        assert file is not None, "the table `data` always has a file"
        others = tuple(one for one in commit.files if one.table != "data")
        changes = {"attempt": attempt, "parent_sha256": parent_sha256, "fcaps_version": __version__}
        write_commit(layout, commit.model_copy(update={**changes, "files": (file, *others)}))
    finally:
        writer.discard()


def _check_unit(layout: RunLayout, commit: UnitCommit, channel_maps: ChannelMaps) -> Iterator[CheckedRow]:
    return check_rows(read_unit_rows(layout, commit, "data"), channel_maps.of)


def check_rows(
    rows: Iterable[Row], files_of: Callable[[Row], tuple[AudioFile, ...] | None] = lambda _: None
) -> Iterator[CheckedRow]:
    """Finds the audio of rows of `data`; neighbours in the same files are read together, in one pass over them.

    Args:
        rows: with all of their columns.
        files_of: the channel map of a row's Recording; None where its channels are the rows of one file.

    Raises:
        StorageError: the storage of the audio fails.
    """

    def place(row: Row) -> _Place:
        return _Place(row["location"], files_of(row))

    for where, group in groupby(rows, key=place):
        rows = list(group)
        found = _Found(where)
        if wanted := [row for row in rows if row["audio"] is None]:
            found.read(wanted)
        for row in rows:
            yield found.checked(row)


class _Place(NamedTuple):
    """Where a Recording lies; see its fields of the same names."""

    location: str
    files: tuple[AudioFile, ...] | None


class _Found:
    """What is found of the Segments that refer to a place."""

    def __init__(self, place: _Place) -> None:
        self._place = place
        self._pcm: dict[str, Pcm] = {}
        self._state = AudioState.DIFFERENT
        self._detail = f"{place.location} does not reach so far"

    def read(self, rows: list[Row]) -> None:
        recording = Recording(
            recording_id=rows[0]["recording_id"],
            location=self._place.location,
            source=rows[0]["source"],
            files=self._place.files,
            cuts=tuple(map(_cut, rows)),
        )
        try:
            for one in cut_out(recording, _ANY_LENGTH, SegmentationTally(), open_recording, max_damaged_share=1.0):
                self._pcm[one.segment.segment_id] = one.pcm_T
        except MissingFileError as error:
            self._state, self._detail = AudioState.MISSING, str(error)
        except RecordingError as error:
            self._detail = str(error)

    def checked(self, row: Row) -> CheckedRow:
        if row["audio"] is not None:
            return CheckedRow(row, AudioState.EMBEDDED, "", None)
        pcm_T = self._pcm.get(row["segment_id"])
        if pcm_T is None:
            return CheckedRow(row, self._state, self._detail, None)
        if samples_sha256(pcm_T) != row["audio_sha256"]:
            detail = f"{self._place.location}: the samples of {row['segment_id']} do not have the recorded sha256"
            return CheckedRow(row, AudioState.DIFFERENT, detail, None)
        return CheckedRow(row, AudioState.SAME, "", pcm_T)


def _cut(row: Row) -> Cut:
    return Cut(start_samples=row["start_samples"], end_samples=row["end_samples"], channel=channel_of(row))
