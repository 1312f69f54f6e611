"""Where the files of a release are, and what `release.json` says of them.

A release folder: `data/<split>-NNNNN.parquet`, `candidates/<split>-NNNNN.parquet` with the answers about the rows of
the file of the same name, `excluded/NNNNN.parquet` with what the runs had and the release has not, and why,
`README.md`, `CHANGES.md`, `statistics.json`, `croissant.json`, `figures/`, `tombstones.json` and `release.json`. A
version is done when `release.json` exists; it is written last, once, and nothing is changed after it.
"""

from typing import Any, Literal

import pyarrow as pa
from pydantic import Field

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.shards.layout import ShardFile, Table
from fcaps_pipeline.storage.path import StorePath, Where, store_path

RELEASED_TABLES: tuple[Table, ...] = ("data", "candidates")
"""Tables of runs that a release has too, with the same columns."""

EXCLUDED_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.string(), nullable=False),
        pa.field("recording_id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),
    ]
)
"""Of `excluded`: `reason` is `rejected` or `failed` for what a run could not annotate, else a rule of the release:
`license`, `language`, `attribute`, `caption`, `duplicate`, `decontamination`, `override`;
`detail` says what exactly. Of a Recording that failed as a whole, `segment_id` is its own id."""


class ReleaseShard(ShardFile):
    """One Parquet file of a split."""

    split: str


class ReleaseFile(Record):
    """Any other file of a release."""

    path: str
    """Relative to the release folder."""
    num_bytes: int
    sha256: str


class ReleaseSource(Record):
    """A run, or another release, that rows were taken from."""

    where: str
    """As the recipe names it."""
    kind: Literal["run", "release"]
    index_sha256: str
    """Of its `index.json` or `release.json`."""
    job_sha256: str | None
    """Of the job of a run."""
    fcaps_version: str


class ParentRelease(Record):
    """The version before."""

    name: str
    version: str
    release_sha256: str
    """Of its `release.json`."""


class SplitSums(Record):
    """What a split holds."""

    num_rows: int
    num_recordings: int
    num_speakers: int
    """Distinct ones; rows without a speaker count for none."""
    duration_s: float
    num_global_captions: int
    num_fine_captions: int


class Removal(Record):
    """What was taken back in a version; the values themselves are only in `tombstones.json`, as keyed hashes."""

    version: str
    """Of the release that was first without it."""
    what: str
    """`speaker`, `recording`, `segment`, `source` or `license`."""
    num_rows: int
    reason: str


class Writer(Record):
    """Who wrote kept captions: a model that was asked in one way."""

    granularity: str
    engine: str
    engine_version: str
    model: str
    model_revision: str
    engine_args: str | None
    prompt_name: str
    prompt_version: int
    prompt_sha256: str
    sampling: str
    """As used, as JSON."""
    num_captions: int
    """Kept ones."""


class ReleaseRecord(Record):
    """Content of `release.json`."""

    format: Literal[1] = 1
    name: str
    version: str
    fcaps_version: str
    schema_versions: dict[Table, int]
    parent: ParentRelease | None
    recipe: dict[str, Any]
    """RELEASE.yaml with all defaults, as JSON."""
    sources: tuple[ReleaseSource, ...]
    lists_sha256: dict[str, str] = Field(default_factory=dict)
    """Of each list and table that the recipe names, by its name there."""
    splits: dict[str, SplitSums]
    num_excluded: dict[str, int]
    """Rows of `excluded` by reason."""
    removals: tuple[Removal, ...]
    """Of this version and those before."""
    tombstones_sha256: str | None
    """Of `tombstones.json`, which stays with the maintainers; None where nothing was taken back."""
    writers: tuple[Writer, ...] = ()
    """Who wrote the captions, where the release has no candidates to say so."""
    shards: tuple[ReleaseShard, ...]
    """Ordered by split, number and table; a file of `candidates` follows that of `data` with its name."""
    files: tuple[ReleaseFile, ...]
    """All others but `release.json` and `tombstones.json`."""


class ReleaseLayout:
    """Paths inside a release folder."""

    def __init__(self, where: Where) -> None:
        """Takes a path, a URI, or what they name."""
        self.root = root = store_path(where)
        self.record = root / "release.json"
        self.card = root / "README.md"
        self.changes = root / "CHANGES.md"
        self.croissant = root / "croissant.json"
        self.statistics = root / "statistics.json"
        self.figures = root / "figures"
        self.tombstones = root / "tombstones.json"

    def shard_name(self, table: Table, split: str, number: int) -> str:
        """Name of a file of a split, relative to the release; numbers count from 0."""
        return f"{table}/{split}-{number:05d}.parquet"

    def excluded_name(self, number: int) -> str:
        """Name of a file of `excluded`, relative to the release."""
        return f"excluded/{number:05d}.parquet"

    def shard(self, file: ShardFile) -> StorePath:
        """Where a shard is."""
        return self.root / file.path
