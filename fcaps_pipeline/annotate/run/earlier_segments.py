"""Where the Segments of a file lie and what was measured in them, as earlier runs found out: by the file's checksum.

Enters: finished runs that segmented by the rules of a job, with this version of the package. Leaves: an index on disk,
and passes over Recordings that look there before a detector runs: of a file that is known, only the samples are cut
out. Files with speech on several channels are segmented anew, since the order of their Segments is not kept.
"""

import sqlite3
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fcaps_pipeline import __version__
from fcaps_pipeline.annotate.captioning.earlier_answers import writing_index
from fcaps_pipeline.annotate.run.border import Prepare
from fcaps_pipeline.annotate.segmentation.cuts import cut_out
from fcaps_pipeline.annotate.segmentation.opening import open_recording
from fcaps_pipeline.annotate.segmentation.planner import PlanRules
from fcaps_pipeline.annotate.segmentation.report import SegmentationReport, SegmentationTally
from fcaps_pipeline.annotate.segmentation.segmenter import Measure, Preparation
from fcaps_pipeline.audio.byte_source import sha256_of
from fcaps_pipeline.audio.stamp import changes_since
from fcaps_pipeline.errors import CorruptRunError, RecordingError
from fcaps_pipeline.jobs.annotate_job import Job
from fcaps_pipeline.records.audio import (
    Acoustics,
    AudioWarning,
    Channel,
    Cut,
    Event,
    Interval,
    Recording,
    SegmentAudio,
)
from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RecordingOutcome, RunLayout, UnitCommit
from fcaps_pipeline.shards.outcomes import read_outcomes
from fcaps_pipeline.shards.plan import load, load_units
from fcaps_pipeline.shards.reader import read_commits, read_json, read_unit_rows
from fcaps_pipeline.shards.schema import Row, channel_of

_OF_PLANNING = "written_again"
"""A warning that compares a file with the plan of its own run."""
_ANY_LENGTH = PlanRules(min_segment_samples=1, max_segment_samples=2**62, max_pause_samples=0, padding_samples=0)
_COLUMNS = [
    "segment_id",
    "recording_id",
    "channel",
    "start_samples",
    "end_samples",
    "source_rate_hz",
    "num_channels",
    "audio_sha256",
    "warnings",
    *Acoustics.model_fields,
]


class KnownSegment(Record):
    """One Segment of a file."""

    channel: Channel
    start_samples: int
    end_samples: int
    samples_sha256: str
    acoustics: Acoustics
    events: tuple[Event, ...] | None
    """None of a Segment that became no row, and of one that nobody looked for any in."""
    source_rate_hz: int
    num_channels: int
    warnings: tuple[AudioWarning, ...]


class KnownFile(Record):
    """What a pass over a file found."""

    report: SegmentationReport
    warnings: dict[str, int]
    """How often each was given, over the whole file."""
    segments: tuple[KnownSegment, ...]


def build_segments(path: Path, runs: Sequence[RunLayout], job: Job) -> None:
    """Indexes the files of finished runs whose Segments the job would find again.

    Args:
        path: of the index; written anew.
        runs: finished ones.
        job: whose rules of segmentation count.

    Raises:
        CorruptRunError: a run is damaged.
        OutputError: the index cannot be written.
    """
    with writing_index(path) as database:
        database.execute("CREATE TABLE files (sha256 BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID")
        database.execute("BEGIN")
        for run in runs:
            if _segmented_alike(run, job):
                found = (
                    (bytes.fromhex(key), zlib.compress(one.model_dump_json().encode())) for key, one in _files(run)
                )
                database.executemany("INSERT OR IGNORE INTO files VALUES (?, ?)", found)
        database.execute("COMMIT")


def _segmented_alike(run: RunLayout, job: Job) -> bool:
    stored = read_json(run.job)
    return isinstance(stored, dict) and stored.get("segmentation") == job.segmentation.model_dump(mode="json")


def _files(run: RunLayout) -> Iterator[tuple[str, KnownFile]]:
    load(run)  # a damaged plan is told as one
    commits = {one.unit_index: one for one in read_commits(run) if one.fcaps_version == __version__}
    for unit in load_units(run, only=commits.keys()):
        detected = {one.recording_id for one in unit.recordings if _is_detected(one)}
        yield from _files_of(run, commits[unit.unit_index], detected)


def _files_of(run: RunLayout, commit: UnitCommit, recording_ids: set[str]) -> Iterator[tuple[str, KnownFile]]:
    rows: dict[str, list[Row]] = {}
    for table in OUTCOME_TABLES:
        columns = [*_COLUMNS, "events"] if table == "data" else _COLUMNS
        for row in read_unit_rows(run, commit, table, columns):
            if row["segment_id"] is not None and row["recording_id"] in recording_ids:
                rows.setdefault(row["recording_id"], []).append(row)
    for one in read_outcomes(run, commit):
        found = rows.get(one.recording_id, [])
        is_one_channel = len({row["channel"] for row in found}) <= 1
        if one.sha256 and one.outcome != "failed" and one.recording_id in recording_ids and is_one_channel:
            yield one.sha256, _known_file(one, sorted(found, key=lambda row: row["end_samples"]))


def _known_file(outcome: RecordingOutcome, rows: list[Row]) -> KnownFile:
    told = outcome.model_dump(include=set(SegmentationReport.model_fields))
    return KnownFile(
        report=SegmentationReport.model_validate(told),
        warnings={name: number for name, number in outcome.warnings.items() if name != _OF_PLANNING},
        segments=tuple(map(_known_segment, rows)),
    )


def _known_segment(row: Row) -> KnownSegment:
    events = row.get("events")
    told = (AudioWarning.model_validate(one) for one in row["warnings"] or ())
    return KnownSegment(
        channel=channel_of(row),
        start_samples=row["start_samples"],
        end_samples=row["end_samples"],
        samples_sha256=row["audio_sha256"],
        acoustics=Acoustics(**{name: row[name] for name in Acoustics.model_fields}),
        events=None if events is None else tuple(map(Event.model_validate, events)),
        source_rate_hz=row["source_rate_hz"],
        num_channels=row["num_channels"],
        warnings=tuple(one for one in told if one.name != _OF_PLANNING),
    )


def _is_detected(recording: Recording) -> bool:
    """Whether a detector finds its Segments, in one file."""
    return recording.cuts is None and recording.files is None


@dataclass
class _KnownTally(SegmentationTally):
    """What an earlier pass counted, with what happened to the file since this run was planned."""

    known: KnownFile | None = None

    def as_heard(
        self, recording: Recording, interval: Interval | None = None, own: tuple[AudioWarning, ...] = ()
    ) -> Recording:
        """See `SegmentationTally`; of single Segments `_Pass` knows more."""
        assert self.known is not None
        names = [name for name, number in self.known.warnings.items() for _ in range(number)]
        warnings = (*self.since_planning, *(AudioWarning(name=name, detail="") for name in names))
        return recording.model_copy(update={"cuts": None, "sha256": self.sha256, "warnings": warnings})

    def report(self, recording_id: str) -> SegmentationReport:
        """As it was, under the id of this Recording."""
        assert self.known is not None
        return self.known.report.model_copy(update={"recording_id": recording_id})


class _Pass(Preparation):
    """A pass that is chosen when the first Segment is asked for."""

    def __init__(
        self, recording: Recording, prepare: Prepare, measure: Measure, find: Callable[[str], KnownFile | None]
    ) -> None:
        self._recording = recording
        self._measure = measure
        self._fresh = prepare
        self._find = find
        self._chosen = Preparation(recording, iter(()), SegmentationTally())

    def __iter__(self) -> Iterator[SegmentAudio]:
        """Yields the Segments; those of a file whose samples are not what they were are found anew."""
        sha256 = sha256_of(self._recording.location)
        known = self._find(sha256)
        if known is not None:
            tally = _KnownTally(sha256=sha256, known=known, since_planning=_since_planning(self._recording))
            self._chosen = Preparation(self._recording, iter(()), tally)
            is_same = yield from _cut_again(self._recording, known, tally, self._measure)
            if is_same:
                return
        self._chosen = self._fresh(self._recording)
        yield from self._chosen

    @property
    def recording(self) -> Recording:
        """See `Preparation`."""
        return self._chosen.recording

    @property
    def report(self) -> SegmentationReport:
        """See `Preparation`."""
        return self._chosen.report


def _cut_again(
    recording: Recording, known: KnownFile, tally: _KnownTally, measure: Measure
) -> Generator[SegmentAudio, None, bool]:
    """Yields Segments with their samples; False where the first one's are others, as with another decoder.

    Events that are not known are looked for.
    """
    of_place = {(one.channel, one.start_samples, one.end_samples): one for one in known.segments}
    cuts = tuple(Cut(start_samples=start, end_samples=end, channel=channel) for channel, start, end in of_place)
    marked = recording.model_copy(update={"cuts": cuts, "stamp": None})
    again = SegmentationTally(sha256=tally.sha256)
    for place, cut in enumerate(cut_out(marked, _ANY_LENGTH, again, open_recording, max_damaged_share=1.0)):
        segment = cut.segment
        one = of_place[segment.channel, segment.start_samples, segment.end_samples]
        heard = recording.model_copy(
            update={
                "cuts": None,
                "sha256": tally.sha256,
                "source_rate_hz": one.source_rate_hz,
                "num_channels": one.num_channels,
                "warnings": (*tally.since_planning, *one.warnings),
            }
        )
        audio = SegmentAudio(heard, segment, one.acoustics, cut.pcm_T, one.events)
        if audio.samples_sha256 != one.samples_sha256:
            if place:
                raise RecordingError(
                    f"{recording.location}: sample {one.start_samples} on sounds otherwise than to the reused run, and "
                    "what lies before does not; annotate it without --reuse"
                )
            return False
        if audio.events is None:
            found = measure(cut.pcm_T)
            audio = replace(audio, events=found.events, tracks=found.tracks)
        yield audio
    return True


def _since_planning(recording: Recording) -> tuple[AudioWarning, ...]:
    return () if recording.stamp is None else changes_since(recording.stamp, recording.location)


class KnownSegments:
    """Starts passes over Recordings; see `Segmenter.prepare`."""

    def __init__(self, path: Path, prepare: Prepare, measure: Measure) -> None:
        """Opens the index.

        Args:
            path: of the index; nothing may write to it meanwhile.
            prepare: what is done with a file that is not known.
            measure: of a Segment whose events are not known.

        Raises:
            CorruptRunError: it cannot be opened.
        """
        self._path = path
        self._prepare = prepare
        self._measure = measure
        # An actor is made in one thread and works in another, one Recording at a time.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        try:
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def prepare(self, recording: Recording) -> Preparation:
        """Starts a pass over one Recording; nothing is opened before the first Segment is asked for."""
        if not _is_detected(recording):
            return self._prepare(recording)
        return _Pass(recording, self._prepare, self._measure, self._find)

    def _find(self, sha256: str) -> KnownFile | None:
        try:
            found = self._database.execute(
                "SELECT content FROM files WHERE sha256 = ?", (bytes.fromhex(sha256),)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        return None if found is None else KnownFile.model_validate_json(zlib.decompress(found[0]))

    def _damaged(self, error: sqlite3.Error) -> CorruptRunError:
        return CorruptRunError(
            f"the index of earlier segments {self._path} cannot be read ({error}); remove {self._path.parent} and run "
            "annotate again"
        )
