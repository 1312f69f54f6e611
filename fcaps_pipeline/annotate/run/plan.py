"""The plan: which Recordings make up which WorkUnit. Computed once, stored, never changed.

Boundaries follow from the order of the source and the lengths in the files' headers alone, so
that numbers of workers and restarts change nothing. Units are stored one per line and read one at
a time.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from fcaps_pipeline.annotate.sources.listing import list_recordings
from fcaps_pipeline.audio.probe import probe_duration_s
from fcaps_pipeline.errors import CorruptRunError
from fcaps_pipeline.jobs.annotate_job import Job, SegmentationConfig, ShardConfig
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.storage.files import write_durably, writing

_PROBE_BATCH = 1024
_PROBE_THREADS = 16


class Plan(Record):
    """Summary of the stored units; its existence says that they are complete."""

    num_units: int
    num_recordings: int
    num_without_length: int
    """Recordings whose header tells no length; annotating tries them all the same."""
    duration_s: float
    num_segments_expected: int
    """From the lengths alone: continuous speech in Segments halfway between the bounds."""
    num_ignored_files: dict[str, int]
    """Files of the source that are not audio, by suffix."""
    sha256: str
    """Over the stored units."""


def load_or_make(layout: RunLayout, job: Job) -> Plan:
    """The stored plan, or a new one from the job's source.

    Raises:
        SourceError: the source cannot be listed.
        OutputError: the plan cannot be written.
    """
    if layout.plan.is_file():
        return load(layout)
    return _store(layout, job)


def load(layout: RunLayout) -> Plan:
    """The stored plan.

    Raises:
        CorruptRunError: there is none, or it was changed.
    """
    if not layout.plan.is_file():
        raise CorruptRunError(f"{layout.root} has no complete plan yet; run its annotate command again")
    try:
        plan = Plan.model_validate_json(layout.plan.read_bytes())
        digest = hashlib.sha256(layout.units.read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise CorruptRunError(
            f"the plan in {layout.plan.parent} is unreadable; start again in another folder"
        ) from error
    if digest != plan.sha256:
        raise CorruptRunError(f"{layout.units} is not what {layout.plan.name} records; restore it from a copy")
    return plan


def load_units(layout: RunLayout, without: frozenset[int] = frozenset()) -> Iterator[WorkUnit]:
    """Stored units in order, leaving out those whose index is in `without`."""
    with layout.units.open(encoding="utf-8") as file:
        for unit_index, line in enumerate(file):
            if unit_index not in without:
                yield WorkUnit.model_validate_json(line)


def divide(recordings: Iterable[Recording], config: ShardConfig) -> Iterator[WorkUnit]:
    """Fills units in order; a unit is closed when the next Recording would exceed its length."""
    limit_s = config.unit_hours * 3600
    unit: list[Recording] = []
    unit_s = 0.0
    unit_index = 0
    for recording in recordings:
        duration_s = recording.duration_s or 0.0
        if unit and unit_s + duration_s > limit_s:
            yield WorkUnit(unit_index=unit_index, recordings=tuple(unit))
            unit, unit_s, unit_index = [], 0.0, unit_index + 1
        unit.append(recording)
        unit_s += duration_s
    if unit:
        yield WorkUnit(unit_index=unit_index, recordings=tuple(unit))


def _store(layout: RunLayout, job: Job) -> Plan:
    listing = list_recordings(job.source)
    digest = hashlib.sha256()
    num_units = num_recordings = num_without_length = num_segments = 0
    duration_s = 0.0
    with _UnitFile(layout.units) as file:
        for unit in divide(_with_durations(listing), job.shards):
            line = unit.model_dump_json() + "\n"
            digest.update(line.encode())
            file.write(line)
            num_units += 1
            num_recordings += len(unit.recordings)
            num_without_length += sum(one.duration_s is None for one in unit.recordings)
            num_segments += sum(_segments_expected(one, job.segmentation) for one in unit.recordings)
            duration_s += unit.duration_s
    plan = Plan(
        num_units=num_units,
        num_recordings=num_recordings,
        num_without_length=num_without_length,
        duration_s=duration_s,
        num_segments_expected=num_segments,
        num_ignored_files=dict(listing.passed_over),
        sha256=digest.hexdigest(),
    )
    with writing(layout.plan):
        write_durably(layout.plan, plan.model_dump_json(indent=1))
    return plan


class _UnitFile:
    """`units.jsonl` in the making: errors of the disk, and of nothing else, become OutputErrors."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8")
        return self

    def write(self, line: str) -> None:
        with writing(self._path):
            self._file.write(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._path), self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


def _with_durations(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Adds lengths from file headers, many files at a time since network folders are slow."""
    remaining = iter(recordings)
    with ThreadPoolExecutor(_PROBE_THREADS) as pool:
        while batch := list(islice(remaining, _PROBE_BATCH)):
            yield from pool.map(_with_duration, batch)


def _with_duration(recording: Recording) -> Recording:
    if recording.duration_s is not None:
        return recording
    return recording.model_copy(update={"duration_s": probe_duration_s(recording.location)})


def _segments_expected(recording: Recording, config: SegmentationConfig) -> int:
    if recording.cuts is not None:
        return len(recording.cuts)
    typical_s = (config.min_segment_s + config.max_segment_s) / 2
    return max(1, round((recording.duration_s or 0.0) / typical_s))
