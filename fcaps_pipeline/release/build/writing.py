"""Writes a shard of `data` and, beside it, the `candidates` of the same rows.

Enters: where the rows lie. Leaves: files in the release, and what the record says of them. Rows are read row group by
row group; captions are chosen again by the same rules that the selection counted with.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.records.base import Record
from fcaps_pipeline.release.build.captions import LeftOut, left_out_candidates
from fcaps_pipeline.release.build.inputs import Inputs
from fcaps_pipeline.release.build.loading import PlacedPart
from fcaps_pipeline.release.build.revision import Revision
from fcaps_pipeline.release.build.shard_file import ShardFileWriter, released_schema
from fcaps_pipeline.release.build.shard_plan import PlannedShard, RowGroupRows, ShardRows
from fcaps_pipeline.release.build.sound import files_of, with_sound
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseShard
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import Row, with_all_columns
from fcaps_pipeline.storage.path import StorePath

_GROUP_ROWS = 1000
_GROUP_BYTES = 50_000_000
"""By the estimate; the viewer of the Hub wants row groups below 300 MB, readers at random much less."""
_CANDIDATES_PER_GROUP = 4000


class WrittenShard(Record):
    """What became of a planned shard."""

    data: ReleaseShard
    candidates: ReleaseShard | None
    """None where nothing was answered about its rows, or the release has none."""
    num_global_captions: int
    num_fine_captions: int

    @property
    def files(self) -> tuple[ReleaseShard, ...]:
        """As the record lists them."""
        return (self.data,) if self.candidates is None else (self.data, self.candidates)


@dataclass
class _Passed:
    """What is learnt of the rows of a part while they pass by."""

    segments: list[str] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=dict)


@dataclass
class _Counts:
    """Of a shard."""

    num_global: int = 0
    num_fine: int = 0
    corrected: list[Row] = field(default_factory=list)
    """Rows of `candidates` for texts by people."""
    left_out: LeftOut = field(default_factory=dict)
    """Of Segments that people corrected."""


class ShardWriter:
    """Writes shards of one release; may be used by several threads."""

    def __init__(
        self, layout: ReleaseLayout, scratch: Path, inputs: Inputs, parts: list[PlacedPart], revision: Revision
    ) -> None:
        self._layout = layout
        self._scratch = scratch
        self._inputs = inputs
        self._parts = parts
        self._revision = revision
        self._files_of = [files_of(dataset) for dataset in inputs.datasets]
        self._schema = released_schema("data", frozenset(inputs.recipe.without_columns))

    def write(self, shard: PlannedShard, rows: ShardRows) -> WrittenShard:
        """Writes the files of a shard.

        Raises:
            CorruptRunError: a file of a source is damaged.
            OutputError: the release cannot be written.
        """
        counts = _Counts()
        candidates = self._begun("candidates", shard)
        sizes = _group_sizes(rows.num_bytes)
        with (
            self._file(data := self._begun("data", shard), self._schema, sizes) as data_file,
            self._file(candidates, released_schema("candidates"), repeat(_CANDIDATES_PER_GROUP)) as candidates_file,
        ):
            for part, places in groupby(rows.places, key=lambda place: place.part):
                passed = _Passed()
                for table in self._rows(shard, places, passed, counts):
                    data_file.add(table)
                if self._inputs.recipe.candidates:
                    for table in self._candidates(part, passed):
                        candidates_file.add(table)
            if self._inputs.recipe.candidates and counts.corrected:
                texts = pa.Table.from_pylist(counts.corrected, released_schema("candidates"))
                candidates_file.add(left_out_candidates(texts, counts.left_out))
            written = data_file.finish(data)
            assert written is not None, "a shard is planned for rows"
            return WrittenShard(
                data=written,
                candidates=candidates_file.finish(candidates),
                num_global_captions=counts.num_global,
                num_fine_captions=counts.num_fine,
            )

    def _begun(self, table: Table, shard: PlannedShard) -> ReleaseShard:
        name = self._layout.shard_name(table, shard.split, shard.number)
        return ReleaseShard(table=table, path=name, num_rows=0, num_bytes=0, sha256="", split=shard.split)

    def _file(self, begun: ReleaseShard, schema: pa.Schema, sizes: Iterable[int]) -> ShardFileWriter:
        return ShardFileWriter(self._layout.shard(begun), self._scratch, schema, sizes)

    def _rows(
        self, shard: PlannedShard, places: Iterable[RowGroupRows], passed: _Passed, counts: _Counts
    ) -> Iterator[pa.Table]:
        """Rows of a part as the release has them."""
        is_embedded = self._inputs.recipe.audio == "embed"
        wanted = [name for name in self._schema.names if is_embedded or name != "audio"]
        for place in places:
            found = with_all_columns("data", self._read(place, "data", wanted), self._schema.names)
            revised = self._revision.apply(found)
            chosen = revised.rows
            passed.segments += chosen["segment_id"].to_pylist()
            passed.left_out |= revised.left_out
            counts.num_global += pc.sum(pc.list_value_length(chosen["global_captions"])).as_py() or 0
            counts.num_fine += pc.sum(pc.list_value_length(chosen["fine_captions"])).as_py() or 0
            for row, override in revised.corrected:
                warnings = chosen["warnings"][row].as_py() if "warnings" in chosen.column_names else None
                counts.corrected.append(override.candidate_row(warnings))
            if revised.corrected:
                counts.left_out |= revised.left_out
            split = pa.array([shard.split] * len(chosen), pa.string())
            divided = chosen.set_column(chosen.schema.get_field_index("split"), "split", split)
            if is_embedded:
                sounding = with_sound(divided, self._files_of[self._parts[place.part].dataset])
                yield from map(_without_paths, sounding)
            else:
                yield divided

    def _read(self, place: RowGroupRows, table: Table, columns: list[str]) -> pa.Table:
        path = self._path(place.part, table)
        assert path is not None
        with reading(path, place.row_group), open_parquet(path) as parquet:
            group = parquet.read_row_group(place.row_group, columns=columns, use_threads=False)
            return group if len(place.rows) == len(group) else group.take(pa.array(place.rows))

    def _path(self, part: int, table: Table) -> StorePath | None:
        placed = self._parts[part]
        file = placed.part.files.get(table)
        return None if file is None else self._inputs.datasets[placed.dataset].root / file.path

    def _candidates(self, part: int, passed: _Passed) -> Iterator[pa.Table]:
        """Answers about the rows of a part that passed by, in its order."""
        path = self._path(part, "candidates")
        if path is None:
            return
        wanted = pa.array(passed.segments, pa.string())
        with reading(path):
            parquet = open_parquet(path)
        with parquet:
            for group in range(parquet.num_row_groups):
                with reading(path, group):
                    ids = parquet.read_row_group(group, columns=["segment_id"], use_threads=False)
                    mask = pc.is_in(ids["segment_id"], wanted)
                    if not pc.any(mask).as_py():
                        continue
                    found = parquet.read_row_group(group, use_threads=False).filter(mask)
                yield left_out_candidates(with_all_columns("candidates", found), passed.left_out)


def _without_paths(rows: pa.Table) -> pa.Table:
    """Rows with their samples need no file of the machine that annotated them: its paths say who worked where."""
    if not {"location", "source"} <= set(rows.column_names):
        return rows
    is_here = pc.or_(pc.starts_with(rows["location"], "/"), pc.starts_with(rows["location"], "file:"))
    location = pc.if_else(is_here, rows["source"], rows["location"])
    return rows.set_column(rows.schema.get_field_index("location"), rows.schema.field("location"), location)


def _group_sizes(num_bytes_N: npt.NDArray[np.int64]) -> list[int]:
    """Rows of each row group: as many as fit by bytes and by number."""
    sizes = [0]
    total = 0
    for num_bytes in num_bytes_N.tolist():
        if sizes[-1] and (total + num_bytes > _GROUP_BYTES or sizes[-1] == _GROUP_ROWS):
            sizes.append(0)
            total = 0
        sizes[-1] += 1
        total += num_bytes
    return sizes
