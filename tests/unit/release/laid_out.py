"""Lays out release folders by hand, row by row, so that a test can plant what a build would never write."""

import hashlib
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fcaps_pipeline.release.layout import (
    EXCLUDED_SCHEMA,
    ReleaseFile,
    ReleaseLayout,
    ReleaseRecord,
    ReleaseShard,
    ReleaseSource,
    SplitSums,
)
from fcaps_pipeline.release.recipe import Recipe
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.schema import SCHEMA_VERSIONS, Row, table_schema
from fcaps_pipeline.shards.table_writer import writer_options
from tests.unit.learn.training.written_runs import RunWriter, Spoken

SPLIT_OF = {"s0": "train", "s1": "train", "s2": "validation", "s3": "test", None: "train"}
SPOKEN = [Spoken(f"r{index}", f"s{index % 4}", 4000 + 800 * index) for index in range(12)]
"""Twelve Recordings of four speakers; those of s0 and s1 go into train."""
Rows = dict[Table, list[Row]]
_WRITTEN: dict[tuple[Spoken, ...], Rows] = {}
EXCLUDED = [
    {
        "segment_id": "x-0-0-1",
        "recording_id": "x",
        "source": "x.wav",
        "reason": "license",
        "detail": "all rights reserved",
    },
    {"segment_id": "y-0-0-1", "recording_id": "y", "source": "y.wav", "reason": "rejected", "detail": "fine: absence"},
]


@dataclass(frozen=True)
class LaidOut:
    """A release without `release.json`: what a build has before it describes what it made."""

    layout: ReleaseLayout
    recipe: Recipe
    draft: ReleaseRecord

    def finish(self, files: Iterable[ReleaseFile]) -> ReleaseRecord:
        """Writes `release.json`."""
        record = self.draft.model_copy(update={"files": (*self.draft.files, *files)})
        self.layout.record.put(record.model_dump_json(indent=1))
        return record


def rows_of(writer: RunWriter, root: Path, spoken: Iterable[Spoken] = SPOKEN) -> Rows:
    """Rows of a run with everything that a card speaks of: profile, language, license, transcript.

    The run is written once for all tests that ask for the same rows.
    """
    key = tuple(spoken)
    if key not in _WRITTEN:
        _WRITTEN[key] = _described(writer.write(root, key))
    return deepcopy(_WRITTEN[key])


def _described(run: Path) -> Rows:
    tables: tuple[Table, ...] = ("data", "candidates")
    rows: Rows = {
        table: [row for file in sorted((run / table).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
        for table in tables
    }
    for index, row in enumerate(rows["data"]):
        row.update(
            split=SPLIT_OF[row["speaker"]],
            gender=("female", "male")[index % 2],
            pitch="low",
            language="en-GB",
            license="CC-BY-4.0",
            corpus="tales",
            transcript="the tower of Pisa leans over the square and everybody takes a picture",
            f0_median_hz=110.0 + 10 * index,
        )
    return rows


def lay_out(
    root: Path,
    rows: dict[Table, list[Row]],
    *,
    row_group_rows: int = 5,
    without_columns: tuple[str, ...] = (),
    card: dict[str, Any] | None = None,
) -> LaidOut:
    """Writes the files of a release; rows go where their `split` says."""
    layout = ReleaseLayout(root)
    split_of = {row["segment_id"]: row["split"] for row in rows["data"]}
    shards = []
    for split in dict.fromkeys(row["split"] for row in rows["data"]):
        for table in rows:
            chosen = [row for row in rows[table] if split_of.get(row["segment_id"]) == split]
            shards.append(_write(layout, table, split, chosen, row_group_rows, without_columns))
    recipe = Recipe.model_validate({"name": "tales", "version": "1.0.0", "runs": ["run"], "card": card or {}})
    draft = ReleaseRecord(
        name=recipe.name,
        version=recipe.version,
        fcaps_version="0.1.0",
        schema_versions={table: SCHEMA_VERSIONS[table] for table in rows},
        parent=None,
        recipe=recipe.model_dump(mode="json"),
        sources=(
            ReleaseSource(where="run", kind="run", index_sha256="1" * 64, job_sha256="2" * 64, fcaps_version="0.1.0"),
        ),
        splits={shard.split: _sums(rows["data"], shard.split) for shard in shards},
        num_excluded={"license": 1, "rejected": 1},
        removals=(),
        tombstones_sha256=None,
        shards=tuple(shards),
        files=(_excluded(layout),),
    )
    return LaidOut(layout, recipe, draft)


def with_shard(made: LaidOut, path: str, change: Callable[[pa.Table], pa.Table]) -> LaidOut:
    """The release with another content of one file, and with a record that agrees."""
    file = made.layout.root.on_disk() / path
    pq.write_table(change(pq.read_table(file)), file)
    shards = [
        shard if shard.path != path else _recorded(made.layout, shard.table, shard.split, path, shard.num_rows)
        for shard in made.draft.shards
    ]
    return replace(made, draft=made.draft.model_copy(update={"shards": tuple(shards)}))


def _write(
    layout: ReleaseLayout, table: Table, split: str, rows: list[Row], row_group_rows: int, without: tuple[str, ...]
) -> ReleaseShard:
    name = layout.shard_name(table, split, 0)
    path = layout.root.on_disk() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = table_schema(table)
    content = pa.Table.from_pylist(rows, schema=schema).drop_columns([one for one in without if one in schema.names])
    pq.write_table(content, path, row_group_size=row_group_rows, **writer_options(content.schema))
    return _recorded(layout, table, split, name, len(rows))


def _recorded(layout: ReleaseLayout, table: Table, split: str, name: str, num_rows: int) -> ReleaseShard:
    content = (layout.root / name).read()
    return ReleaseShard(
        table=table,
        split=split,
        path=name,
        num_rows=num_rows,
        num_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _excluded(layout: ReleaseLayout) -> ReleaseFile:
    name = layout.excluded_name(0)
    path = layout.root.on_disk() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(EXCLUDED, schema=EXCLUDED_SCHEMA), path)
    content = path.read_bytes()
    return ReleaseFile(path=name, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _sums(rows: list[Row], split: str) -> SplitSums:
    chosen = [row for row in rows if row["split"] == split]
    return SplitSums(
        num_rows=len(chosen),
        num_recordings=len({row["recording_id"] for row in chosen}),
        num_speakers=len({row["speaker"] for row in chosen} - {None}),
        duration_s=round(sum(row["duration_s"] for row in chosen), 3),
        num_global_captions=sum(len(row["global_captions"]) for row in chosen),
        num_fine_captions=sum(len(row["fine_captions"]) for row in chosen),
    )
