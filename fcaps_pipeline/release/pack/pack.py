"""Makes shards of a corpus that has captions: Lhotse cuts as FCaps publishes them, with audio by reference.

Enters: JSONL of cuts, or folders of Shar. Leaves: a run folder, with a row per cut. Some thousand cuts are a unit,
planned and committed as those of every run; the same command goes on after a kill. Recordings that cannot be read are
Failures, named and counted, up to a bound.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.annotate.run.border import failure_of
from fcaps_pipeline.annotate.run.unit_soundness import side_by_side
from fcaps_pipeline.annotate.segmentation.cuts import cut_out
from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.errors import MissingFileError, RecordingError, SourceError, StorageError
from fcaps_pipeline.jobs.annotate_job import SegmentationConfig, ShardConfig
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.annotations import Failure, WorkUnit
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.pack.rows import packed_rows
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, Totals, UnitCommit
from fcaps_pipeline.shards.plan import Plan, load, load_units
from fcaps_pipeline.shards.plan_file import PlanFileWriter
from fcaps_pipeline.shards.reader import read_commits, read_index, read_unit_columns
from fcaps_pipeline.shards.run_folder import opened
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.shards.sums import total
from fcaps_pipeline.shards.writer import UnitWriter
from fcaps_pipeline.storage.path import StorePath, Where

_CUTS_OF_UNIT = 2000
_MAX_DAMAGED_SHARE = 0.05
_ANY_LENGTH = PlanRules(min_segment_samples=1, max_segment_samples=2**62, max_pause_samples=0, padding_samples=0)


class PackSettings(Record):
    """What decides the rows."""

    sources: tuple[str, ...]
    """JSONL of Lhotse cuts, plain or compressed, or folders of Shar, in order."""
    audio_root: str | None = None
    """Folder that relative paths of audio start from; None for that of each source."""
    license: str | None = None
    """Of every Recording."""
    corpus: str | None = None
    """Name of the corpus."""
    by_reference: bool = False
    """Whether rows refer to their audio in place of holding it."""


@dataclass(frozen=True)
class _Read:
    """What reading a Recording came to."""

    rows: list[tuple[Row, list[Row]]]
    outcome: RecordingOutcome
    failure: Failure | None


def pack(
    settings: PackSettings,
    out: Where,
    *,
    max_missing: int = 0,
    on_missing: Callable[[str], None] = lambda _: None,
    on_unit: Callable[[UnitCommit], None] = lambda _: None,
) -> Totals:
    """Packs the sources, or goes on with it.

    Args:
        settings: what to pack.
        out: the folder, on a disk or a store.
        max_missing: Recordings that may fail.
        on_missing: told of each that does.
        on_unit: told of each unit that is done now.

    Raises:
        SourceError: a source cannot be listed, or holds no cuts.
        UsageError: the folder holds something else.
        StorageError: more Recordings cannot be read.
        OutputError: the folder cannot be written.
    """
    with opened(out, _identity(settings)) as layout:
        plan = _load_or_make_plan(layout, settings)
        if layout.index.exists():
            return read_index(layout).totals
        commits = list(read_commits(layout))
        num_missing = sum(commit.num_recording_failures for commit in commits)
        for unit in load_units(layout, without={commit.unit_index for commit in commits}):
            commits.append(_pack_unit(layout, unit, settings, _Bound(max_missing, num_missing, on_missing)))
            num_missing += commits[-1].num_recording_failures
            on_unit(commits[-1])
        commits.sort(key=lambda commit: commit.unit_index)
        totals = total(commits)
        lines = (line for commit in commits for line in index_lines(commit))
        write_index(layout, totals, lines, job_sha256=_sha256(layout.job), plan_sha256=plan.sha256)
        return totals


def _identity(settings: PackSettings) -> dict[str, Any]:
    """The job of the folder, with the sections of every run that other commands look into."""
    shards, lengths = ShardConfig(), SegmentationConfig()
    return {
        "pack": settings.model_dump(mode="json"),
        "shards": shards.model_dump(mode="json", include={"row_group_bytes"}),
        "segmentation": lengths.model_dump(mode="json", include={"min_segment_s", "max_segment_s"}),
    }


def _sha256(path: StorePath) -> str:
    return hashlib.sha256(path.read()).hexdigest()


def _load_or_make_plan(layout: RunLayout, settings: PackSettings) -> Plan:
    """Which Recordings make up which unit; a source with a mistake is refused before a row is written."""
    if layout.plan.exists():
        return load(layout)
    divided = _Divided()
    with PlanFileWriter(layout, 1) as file:
        for table in _listed(settings).blocks():
            file.write(divided.units_of(table), table)
        stored = file.finish()
    plan = Plan(
        num_units=divided.num_units,
        num_recordings=divided.num_recordings,
        num_without_length=0,
        duration_s=divided.duration_s,
        num_segments_expected=divided.num_cuts,
        num_looked_at=0,
        num_missing=0,
        num_ignored_files={},
        num_read_beside=0,
        warnings={},
        remarks=(),
        files=(stored,),
    )
    layout.plan.put(plan.model_dump_json(indent=1))
    return plan


def _listed(settings: PackSettings) -> Listing:
    """The Recordings of all sources, no two with one id."""
    sources = [
        LhotseSource(kind="lhotse", path=path, audio_root=settings.audio_root, license=settings.license)
        for path in settings.sources
    ]

    def entries() -> Iterator[Located | Block]:
        return chain.from_iterable(list_recordings(source).entries for source in sources)

    return Listing(entries(), PassedOver(), settings.corpus, reopen=entries)


@dataclass
class _Divided:
    """Units of some thousand cuts each, by the order of the sources alone."""

    num_recordings: int = 0
    num_cuts: int = 0
    duration_s: float = 0.0
    _unit_index: int = 0
    _cuts_of_unit: int = 0

    @property
    def num_units(self) -> int:
        """Units so far."""
        return self._unit_index + bool(self._cuts_of_unit)

    def units_of(self, table: pa.Table) -> npt.NDArray[np.int32]:
        """Index of the unit of each Recording.

        Raises:
            SourceError: one has no cuts.
        """
        units = []
        for row, num_cuts in enumerate(table["num_cuts"].to_pylist()):
            if num_cuts is None:
                raise SourceError(
                    f"recording {table['recording_id'][row]} ({table['source'][row]}) has no cuts, and so no captions; "
                    "give cuts with `short_captions` or `long_captions`, or let `fcaps annotate` caption the recordings"
                )
            units.append(self._unit_index)
            self.num_cuts += num_cuts
            self._cuts_of_unit += num_cuts
            if self._cuts_of_unit >= _CUTS_OF_UNIT:
                self._unit_index, self._cuts_of_unit = self._unit_index + 1, 0
        self.num_recordings += len(units)
        self.duration_s += pc.sum(table["duration_s"]).as_py() or 0.0
        return np.array(units, np.int32)


@dataclass
class _Bound:
    """How many Recordings may fail."""

    most: int
    so_far: int
    tell: Callable[[str], None]

    def count(self, failure: Failure) -> None:
        """Takes one in.

        Raises:
            StorageError: it is one too many.
        """
        self.so_far += 1
        name = failure.recording.recording_id
        self.tell(f"{name}: {failure.message}")
        if self.so_far > self.most:
            raise StorageError(
                f"recording {name} cannot be read: {failure.message}; bring it back, say where relative paths start "
                f"with --audio-root, or let up to N fail with --max-missing (now {self.most})"
            )


def _pack_unit(layout: RunLayout, unit: WorkUnit, settings: PackSettings, bound: _Bound) -> UnitCommit:
    began_s = time.monotonic()
    outcomes: list[RecordingOutcome] = []
    with UnitWriter(layout, unit.unit_index, row_group_bytes=ShardConfig().row_group_bytes) as writer:
        for read in side_by_side(lambda one: _read(one, settings), unit.recordings):
            outcomes.append(read.outcome)
            if read.failure is not None:
                bound.count(read.failure)
                writer.add_recording_failure(read.failure)
            for row, candidates in read.rows:
                writer.carry("data", row)
                for candidate in candidates:
                    writer.carry("candidates", candidate)
        num_rows = sum(one.num_segments for one in outcomes)
        return writer.commit(tuple(outcomes), num_rows, time.monotonic() - began_s)


def _read(recording: Recording, settings: PackSettings) -> _Read:
    tally = SegmentationTally()
    rows: list[tuple[Row, list[Row]]] = []
    failure = None
    try:
        for cut in cut_out(recording, _ANY_LENGTH, tally, open_recording, _MAX_DAMAGED_SHARE):
            heard = tally.as_heard(cut.recording, cut.segment)
            rows.append(packed_rows(cut, heard, settings.corpus or "unknown", embed=not settings.by_reference))
    except (RecordingError, MissingFileError) as error:
        rows, failure = [], failure_of(recording.model_copy(update={"cuts": None}), error)
    heard = tally.as_heard(recording)
    found = tally.report(recording.recording_id)
    outcome = RecordingOutcome(
        source=recording.source,
        outcome=found.outcome if failure is None else "failed",
        num_segments=len(rows),
        sha256=heard.sha256,
        warnings=Counter(one.name for one in heard.warnings),
        **found.model_dump(exclude={"outcome", "num_segments"}),
    )
    return _Read(rows, outcome, failure)


def count_uncaptioned(out: Where) -> dict[str, int]:
    """Rows without a caption, by granularity.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    layout, counts = RunLayout(out), Counter[str]()
    for commit in read_commits(layout):
        for granularity in ("global", "fine"):
            name = f"{granularity}_captions"
            column = read_unit_columns(layout, commit, "data", [name])[name]
            counts[granularity] += pc.sum(pc.equal(pc.list_value_length(column), 0)).as_py() or 0
    return dict(counts)
