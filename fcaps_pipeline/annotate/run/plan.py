"""The plan: which Recordings make up which WorkUnit. Computed once, stored, never changed; it may only grow.

Boundaries follow from the order of the source and the lengths in the files' headers alone, so
that numbers of workers and restarts change nothing. Units are stored one per line and read one at
a time. The summary says how many lines count: what a killed process wrote behind them does not.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fcaps_pipeline.annotate.run.survey import Seen, Survey
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.audio.location import parts_of
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.annotate_job import Job, SegmentationConfig, ShardConfig
from fcaps_pipeline.records.annotations import WorkUnit
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.layout import RunLayout
from fcaps_pipeline.shards.plan import Plan, load, units_digest
from fcaps_pipeline.storage.files import writing


def load_or_make(layout: RunLayout, job: Job) -> Plan:
    """The stored plan, or a new one from the job's source.

    Raises:
        SourceError: the source cannot be listed.
        OutputError: the plan cannot be written.
    """
    if layout.plan.exists():
        return load(layout)
    return _store(layout, job)


def divide(seen: Iterable[Seen], config: ShardConfig, unit_index: int = 0) -> Iterator[WorkUnit]:
    """Fills units in order; a unit is closed when the next Recording would exceed its length or number.

    Args:
        seen: Recordings in order.
        config: bounds of a unit.
        unit_index: of the first unit.
    """
    limit_s = config.unit_hours * 3600
    unit: list[Recording] = []
    unit_s = 0.0
    for recording, length_s in seen:
        if unit and (unit_s + length_s > limit_s or len(unit) == config.unit_recordings):
            yield WorkUnit(unit_index=unit_index, recordings=tuple(unit))
            unit, unit_s, unit_index = [], 0.0, unit_index + 1
        unit.append(recording)
        unit_s += length_s
    if unit:
        yield WorkUnit(unit_index=unit_index, recordings=tuple(unit))


def dealt(seen: Iterable[Seen], seed: int) -> list[Seen]:
    """Recordings in the order of a hash of their ids: neighbours of the source, such as those of one speaker, part.

    What lies in one tar or Parquet file stays together, in its order: it is read from front to back. All of them are
    in memory meanwhile.
    """
    return sorted(seen, key=lambda one: hashlib.sha256(f"{seed} {_dealt_by(one.recording)}".encode()).digest())


def _dealt_by(recording: Recording) -> str:
    part = parts_of(recording.location)
    return recording.recording_id if isinstance(part, str) else part.file


def _store(layout: RunLayout, job: Job) -> Plan:
    listing, survey, units = list_recordings(job.source), Survey(), _PlannedUnits()
    with _UnitFile(layout.units.on_disk()) as file:
        for line in units.lines(listing, survey, job):
            file.write(line)
    return _keep(layout, Plan(**units.sums(), **_seen_of(survey, listing, units.num_recordings, job)))


def extend(layout: RunLayout, job: Job, plan: Plan, fresh: Iterable[Recording], listing: Listing) -> Plan:
    """Adds Recordings to a stored plan, in units of their own behind the others.

    Args:
        layout: of the run.
        job: of the run.
        plan: as it is stored.
        fresh: what the source has and the plan has not.
        listing: that they come from, which knows what was passed over once they are read.

    Raises:
        SourceError: the source cannot be listed.
        OutputError: the plan cannot be written.
    """
    survey, units = Survey(), _PlannedUnits(num_units=plan.num_units, digest=units_digest(layout, plan.num_units))
    with _UnitFile(layout.units.on_disk(), keeps=_num_bytes(layout, plan.num_units)) as file:
        for line in units.lines(fresh, survey, job):
            file.write(line)
    if not units.num_recordings:
        return plan
    layout.index.delete()  # the dataset is whole no more
    more = Plan(**units.sums(), **_seen_of(survey, listing, units.num_recordings, job))
    sums = {name: getattr(plan, name) + getattr(more, name) for name in _ADDED}
    warnings = dict(Counter(plan.warnings) + Counter(more.warnings))
    return _keep(layout, more.model_copy(update={**sums, "warnings": warnings}))


_ADDED = ("num_recordings", "num_without_length", "duration_s", "num_segments_expected", "num_looked_at", "num_missing")


@dataclass
class _PlannedUnits:
    """Counts units on their way to the file."""

    num_units: int = 0
    num_recordings: int = 0
    num_without_length: int = 0
    num_segments: int = 0
    duration_s: float = 0.0
    digest: Any = field(default_factory=hashlib.sha256)

    def lines(self, recordings: Iterable[Recording], survey: Survey, job: Job) -> Iterator[str]:
        """Looks at Recordings, divides them, and gives the units as they are stored."""
        seen: Iterable[Seen] = survey.look(recordings)
        if job.shards.deal_seed is not None:
            seen = dealt(seen, job.shards.deal_seed)
        for unit in divide(seen, job.shards, self.num_units):
            line = unit.model_dump_json() + "\n"
            self.digest.update(line.encode())
            self.num_units += 1
            self.num_recordings += len(unit.recordings)
            self.num_without_length += sum(one.duration_s is None for one in unit.recordings)
            self.num_segments += sum(_segments_expected(one, job.segmentation) for one in unit.recordings)
            self.duration_s += unit.duration_s
            yield line

    def sums(self) -> dict[str, Any]:
        """What a Plan says of its units."""
        return {
            "num_units": self.num_units,
            "num_recordings": self.num_recordings,
            "num_without_length": self.num_without_length,
            "duration_s": self.duration_s,
            "num_segments_expected": self.num_segments,
            "sha256": self.digest.hexdigest(),
        }


def _seen_of(survey: Survey, listing: Listing, num_recordings: int, job: Job) -> dict[str, Any]:
    """What a Plan says of the look at the source."""
    passed_over = listing.passed_over
    return {
        "num_missing": survey.num_missing,
        "num_looked_at": survey.num_looked_at,
        "num_ignored_files": dict(passed_over.by_suffix),
        "num_read_beside": passed_over.num_read_beside,
        "warnings": dict(survey.warnings),
        "remarks": (
            *survey.remarks(num_recordings),
            *_unasked_tags(survey.num_tagged, job),
            *passed_over.first_notes(),
        ),
    }


def _keep(layout: RunLayout, plan: Plan) -> Plan:
    layout.plan.put(plan.model_dump_json(indent=1))
    return plan


def _num_bytes(layout: RunLayout, num_units: int) -> int:
    with layout.units.open() as file:
        return sum(map(len, islice(file, num_units)))


def check_audio_exists(layout: RunLayout, plan: Plan) -> None:
    """Refuses to start engines for a source none of whose files is there; the next call plans anew.

    Raises:
        SourceError: every file that was looked at is missing.
    """
    if plan.num_missing and plan.num_missing == plan.num_looked_at:
        layout.plan.delete()
        raise SourceError(plan.remarks[0])


def _unasked_tags(num_tagged: int, job: Job) -> list[str]:
    without = [granularity.value for granularity, one in job.captions.items() if one.prompt_with_tags is None]
    if not num_tagged or len(without) < len(job.captions):
        return []
    remark = f"{num_tagged} recordings have human tags, which no prompt of this job asks for"
    return [f"{remark}: give captions.{without[0]}.prompt_with_tags to use them"]


class _UnitFile:
    """`units.jsonl` in the making: errors of the disk, and of nothing else, become OutputErrors."""

    def __init__(self, path: Path, keeps: int = 0) -> None:
        """Writes behind the first bytes that are kept."""
        self._path = path
        self._keeps = keeps

    def __enter__(self) -> Self:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
            self._file.truncate(self._keeps)
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


def _segments_expected(recording: Recording, config: SegmentationConfig) -> int:
    if recording.cuts is not None:
        return len(recording.cuts)
    typical_s = (config.min_segment_s + config.max_segment_s) / 2
    return max(1, round((recording.duration_s or 0.0) / typical_s))
