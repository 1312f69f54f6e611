"""Makes shards of a corpus that has captions: Lhotse cuts as FCaps publishes them, with audio by reference.

Enters: JSONL of cuts, or folders of Shar. Leaves: a folder that is read as a run, with a row per cut. Some thousand
cuts are a unit, committed as a run commits; the same command goes on after a kill. Recordings that cannot be read are
Failures, named and counted, up to a bound.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import pyarrow.compute as pc

from fcaps_pipeline.annotate.run.border import failure_of
from fcaps_pipeline.annotate.run.unit_soundness import side_by_side
from fcaps_pipeline.annotate.segmentation.cuts import cut_out
from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.report import SegmentationTally
from fcaps_pipeline.annotate.sources.listing import Listing, list_recordings
from fcaps_pipeline.annotate.sources.passed_over import PassedOver
from fcaps_pipeline.errors import FcapsError, MissingFileError, RecordingError, SourceError, StorageError, UsageError
from fcaps_pipeline.jobs.annotate_job import ShardConfig
from fcaps_pipeline.jobs.sources import LhotseSource
from fcaps_pipeline.records.annotations import Failure
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.pack.rows import packed_rows
from fcaps_pipeline.shards.index import index_lines, write_index
from fcaps_pipeline.shards.layout import RecordingOutcome, RunLayout, Totals, UnitCommit
from fcaps_pipeline.shards.reader import read_commits, read_index, read_json, read_unit_columns
from fcaps_pipeline.shards.schema import Row
from fcaps_pipeline.shards.sums import total
from fcaps_pipeline.shards.writer import UnitWriter
from fcaps_pipeline.storage.job_folder import refuse_strangers, require_same_job
from fcaps_pipeline.storage.lease import held
from fcaps_pipeline.storage.path import Where

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
    layout = RunLayout(out)
    identity = {"pack": settings.model_dump(mode="json")}
    with held(layout.root, "packing into"):
        stored = read_json(layout.job)
        if stored is None:
            refuse_strangers(layout.root, layout.job, kind="a folder of `fcaps pack`")
            layout.job.put(json.dumps(identity, indent=1))
        else:
            require_same_job(stored, identity, layout.job)
        if layout.index.exists():
            return read_index(layout).totals
        commits = list(read_commits(layout))
        try:
            for commit in _pack_rest(layout, settings, commits, max_missing, on_missing):
                commits.append(commit)
                on_unit(commit)
        except FcapsError:
            # What was refused before it began leaves the folder to other settings.
            if not commits:
                layout.job.delete()
            raise
        totals = total(commits)
        job_sha256 = hashlib.sha256(layout.job.read()).hexdigest()
        lines = (line for commit in commits for line in index_lines(commit))
        write_index(layout, totals, lines, job_sha256=job_sha256, plan_sha256=hashlib.sha256(b"").hexdigest())
        return totals


def _pack_rest(
    layout: RunLayout,
    settings: PackSettings,
    done: Iterable[UnitCommit],
    max_missing: int,
    on_missing: Callable[[str], None],
) -> Iterator[UnitCommit]:
    """Commits the units that are not done."""
    before = list(done)
    num_missing = sum(commit.num_recording_failures for commit in before)
    left = islice(_listed(settings), sum(commit.num_recordings for commit in before), None)
    for unit_index, recordings in enumerate(_units(left), len(before)):
        began_s = time.monotonic()
        outcomes: list[RecordingOutcome] = []
        with UnitWriter(layout, unit_index, row_group_bytes=ShardConfig().row_group_bytes) as writer:
            for read in side_by_side(lambda one: _read(one, settings), recordings):
                outcomes.append(read.outcome)
                if read.failure is not None:
                    num_missing += 1
                    _refuse_more(read.failure, num_missing, max_missing, on_missing)
                    writer.add_recording_failure(read.failure)
                for row, candidates in read.rows:
                    writer.carry("data", row)
                    for candidate in candidates:
                        writer.carry("candidates", candidate)
            num_rows = sum(one.num_segments for one in outcomes)
            commit = writer.commit(tuple(outcomes), num_rows, time.monotonic() - began_s)
        yield commit


def _listed(settings: PackSettings) -> Iterator[Recording]:
    """The Recordings of all sources, no two with one id."""
    sources = [
        LhotseSource(kind="lhotse", path=path, audio_root=settings.audio_root, license=settings.license)
        for path in settings.sources
    ]
    listings = [list_recordings(source) for source in sources]

    def again() -> Iterator[object]:
        return chain.from_iterable(list_recordings(source).entries for source in sources)

    entries = chain.from_iterable(one.entries for one in listings)
    yield from Listing(entries, PassedOver(), settings.corpus, reopen=again)  # type: ignore[arg-type]


def _units(recordings: Iterator[Recording]) -> Iterator[list[Recording]]:
    """Some thousand cuts each, by the order of the sources alone."""
    unit: list[Recording] = []
    num_cuts = 0
    for recording in recordings:
        if recording.cuts is None:
            raise SourceError(
                f"recording {recording.recording_id} ({recording.source}) has no cuts, and so no captions; give cuts "
                "with `short_captions` or `long_captions`, or let `fcaps annotate` caption the recordings"
            )
        unit.append(recording)
        num_cuts += len(recording.cuts)
        if num_cuts >= _CUTS_OF_UNIT:
            yield unit
            unit, num_cuts = [], 0
    if unit:
        yield unit


def _read(recording: Recording, settings: PackSettings) -> _Read:
    tally = SegmentationTally()
    rows: list[tuple[Row, list[Row]]] = []
    failure = None
    try:
        for cut in cut_out(recording, _ANY_LENGTH, tally, open_recording, _MAX_DAMAGED_SHARE):
            heard = tally.as_heard(cut.recording, cut.segment)
            _check_reference(heard, cut.segment.channel, settings)
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


def _check_reference(heard: Recording, channel: object, settings: PackSettings) -> None:
    """Rows alone tell where a clip lies only where its file has one channel."""
    if settings.by_reference and (heard.files is not None or (heard.num_channels, channel) != (1, 0)):
        raise UsageError(
            f"recording {heard.recording_id} ({heard.location}) has several channels, which rows that refer to their "
            "audio cannot tell apart; pack without --by-reference"
        )


def _refuse_more(failure: Failure, num_missing: int, max_missing: int, on_missing: Callable[[str], None]) -> None:
    on_missing(f"{failure.recording.recording_id}: {failure.message}")
    if num_missing > max_missing:
        raise StorageError(
            f"recording {failure.recording.recording_id} cannot be read: {failure.message}; bring it back, say where "
            f"relative paths start with --audio-root, or let up to N fail with --max-missing (now {max_missing})"
        )


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
