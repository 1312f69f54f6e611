"""Where the files of a run are, and what its commit records and its index say.

A run folder: `job.json`, `started.json`, `plan/`, `data/`, `rejections/`, `failures/`, `candidates/`, `recordings/`,
`commits/`, `tmp/`, `engines.json`, `run.log.jsonl`, `index.json` and `report.json`, with `tombstones.json` where
something was taken back. A unit is done when its commit record exists; the dataset is done when `index.json` exists.
What is done again is a further attempt at its unit, with files and a record of its own; the last attempt counts.
"""

import hashlib
import re
import tempfile
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.storage.path import StorePath, Where, store_path

Table = Literal["data", "rejections", "failures", "candidates", "recordings"]
TABLES: tuple[Table, ...] = get_args(Table)
OUTCOME_TABLES: tuple[Table, ...] = ("data", "rejections", "failures")
"""Each Segment stands in one of them, once."""


_SHARD_NAME = re.compile(rf"(?:{'|'.join(TABLES)})/unit-\d{{5,}}-\d+-[0-9a-f]{{12}}\.parquet")


class ShardFile(Record):
    """One committed Parquet file."""

    table: Table
    path: str
    """Relative to the run folder."""
    num_rows: int
    num_bytes: int
    sha256: str


class RecordingOutcome(Record):
    """What became of one planned Recording: one row of `recordings`."""

    recording_id: str
    source: str
    outcome: Literal["segmented", "no_speech", "too_short", "too_long", "failed"]
    num_segments: int
    duration_s: float
    """Audio decoded, per channel."""
    speech_s: float
    num_discarded: int
    """Stretches of speech that no Segment could hold, because they were too short or too long."""
    discarded_s: float
    num_forced_cuts: int
    """Segments that end inside speech, because it went on without a pause."""
    notes: tuple[str, ...] = ()
    """Channels left out and why, and where speech is if not where it was looked for."""
    sha256: str | None = None
    """Of the file's bytes; None where it could not be read."""
    warnings: dict[str, int] = Field(default_factory=dict)
    """How often each warning was given."""


class ClaimCounts(Record):
    """What became of the claims about one attribute, over the captions of all candidates."""

    supported: int = 0
    contradicted: int = 0
    unverifiable: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.supported + self.contradicted + self.unverifiable

    def __add__(self, other: "ClaimCounts") -> "ClaimCounts":
        """Both together."""
        return ClaimCounts(**{name: getattr(self, name) + getattr(other, name) for name in ClaimCounts.model_fields})


class UnitCommit(Record):
    """The record whose existence says that a WorkUnit is done."""

    unit_index: int
    attempt: int = 1
    """Counted from 1; more where the unit was done again."""
    parent_sha256: str | None = None
    """Of the record of the attempt before; None for the first."""
    fcaps_version: str
    """Of the package that wrote its files."""
    num_recordings: int
    num_recordings_no_speech: int
    num_recordings_too_short: int
    num_recordings_too_long: int
    num_recording_failures: int
    num_segments: int
    num_annotations: int
    num_rejections: int
    num_segment_failures: int
    num_unasked: int = 0
    """Segments among the failures that an earlier run could not answer and nobody was asked about."""
    num_candidates: int
    num_reused: int = 0
    """Candidates of this attempt that were answered in an earlier run; not those of failures."""
    num_asked: int = 0
    """Candidates that engines answered in this attempt; these three are 0 in records older than --reuse."""
    num_output_tokens: int
    audio_s: float
    """Audio decoded, per channel."""
    speech_s: float
    annotated_s: float
    num_discarded: int
    discarded_s: float
    warnings: dict[str, int]
    """How often each warning was given, over all of its Recordings."""
    rejection_reasons: dict[str, int]
    claims: dict[str, ClaimCounts] = Field(default_factory=dict)
    """By attribute; `other` counts the clauses that were not understood."""
    failure_messages: tuple[str, ...]
    """The first thousand; all are in `failures`."""
    files: tuple[ShardFile, ...]
    duration_s: float
    """Wall-clock time the unit took."""


class Totals(Record):
    """Sums over the commit records; the conservation check compares them with the files."""

    num_recordings: int
    num_recordings_no_speech: int
    num_recordings_too_short: int
    num_recordings_too_long: int
    num_recordings_failed: int
    num_segments: int
    num_annotations: int
    num_rejections: int
    num_segment_failures: int
    num_candidates: int
    audio_hours: float
    speech_hours: float
    annotated_hours: float
    num_discarded: int
    discarded_hours: float
    num_output_tokens: int


class DatasetIndex(Record):
    """`index.json`: the shards of a finished run."""

    schema_versions: dict[Table, int]
    fcaps_version: str
    job_sha256: str
    plan_sha256: str
    totals: Totals
    shards: tuple[ShardFile, ...]


def is_shard_name(name: str) -> bool:
    """Whether a name relative to a run is one that `RunLayout.shard_name` gives."""
    return _SHARD_NAME.fullmatch(name) is not None


class RunLayout:
    """Paths inside a run folder."""

    def __init__(self, where: Where) -> None:
        """Takes a path, a URI, or what they name."""
        self.root = root = store_path(where)
        self.job = root / "job.json"
        self.started = root / "started.json"
        self.engines = root / "engines.json"
        self.plan = root / "plan" / "plan.json"
        self.former_plan = root / "plan" / "units.jsonl"
        """Versions before 2 kept the units of a plan there."""
        self.commits = root / "commits"
        self.index = root / "index.json"
        self.report = root / "report.json"
        self.answers = root / "reuse" / "answers.sqlite"
        self.segments = root / "reuse" / "segments.sqlite"
        self.answers_of = root / "reuse" / "runs.json"
        self.verified = root / "verified.json"
        self.log = root / "run.log.jsonl"
        self.tombstones = root / "tombstones.json"

    @property
    def scratch(self) -> Path:
        """Folder of this machine for files in the making: in the run where that is on a file system."""
        if self.root.local is not None:
            return self.root.local / "tmp"
        return Path(tempfile.gettempdir(), f"fcaps-{hashlib.sha256(str(self.root).encode()).hexdigest()[:16]}")

    def plan_file(self, number: int, sha256: str | None = None) -> StorePath:
        """Path of a file of the plan, counted from 1; each extension of the plan adds one.

        What is written in place of one has a name that tells its content: until the plan names it, the other counts.
        """
        content = "" if sha256 is None else f"-{sha256[:12]}"
        return self.root / "plan" / f"recordings-{number:05d}{content}.parquet"

    def plan_ids(self, number: int) -> StorePath:
        """Path of the index of the ids in a file of the plan."""
        return self.root / "plan" / f"ids-{number:05d}.bin"

    def shard_name(self, table: Table, unit_index: int, attempt: int, sha256: str) -> str:
        """Name of a unit's file of one table, relative to the run: what two writers make of a unit never collides."""
        return f"{table}/unit-{unit_index:05d}-{attempt}-{sha256[:12]}.parquet"

    def commit(self, unit_index: int, attempt: int = 1) -> StorePath:
        """Path of the commit record of one attempt at a unit."""
        return self.commits / f"{unit_index:05d}.{attempt}.json"
