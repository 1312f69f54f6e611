"""What a comparison reads of a dataset: Arrow tables of some thousand rows, wherever it lies.

Enters: a dataset. Leaves: all columns of `data` but the samples; of `candidates` what was decided; what is on file
about Segments that it has no row of. Captions are read once, as `global_captions` and `fine_captions`.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.release.dataset import Dataset
from fcaps_pipeline.release.layout import EXCLUDED_SCHEMA, ReleaseRecord
from fcaps_pipeline.shards.layout import Table
from fcaps_pipeline.shards.reader import open_parquet, reading
from fcaps_pipeline.shards.schema import plain_schema
from fcaps_pipeline.storage.path import StorePath

_BATCH_ROWS = 32_768
_IN_PART = {
    "audio": pa.struct([("path", pa.string())]),
    "captions": pa.list_(pa.struct([("candidate_id", pa.string())])),
}
"""Columns of which one field is enough: the others are samples, and texts that stand in two other columns."""
_FIELDS = ("path", "candidate_id")
DATA = pa.schema([pa.field(one.name, _IN_PART.get(one.name, one.type)) for one in plain_schema("data")])
CANDIDATES = pa.schema(
    [
        ("segment_id", pa.string()),
        ("candidate_id", pa.string()),
        ("kept", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
    ]
)
_REJECTIONS = pa.schema([("segment_id", pa.string()), ("reason", pa.string())])
_FAILURES = pa.schema([(name, pa.string()) for name in ("segment_id", "recording_id", "stage", "message")])
ABSENT = pa.schema([(name, pa.string()) for name in ("id", "reason", "detail")])
"""`id` is that of a Segment, or of a Recording that failed as a whole."""


class DatasetTables:
    """The tables of one dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.columns: set[str] = set()
        """Columns of `data` that its files have, `audio` where rows hold their samples; known once `data` was read."""

    @property
    def has_candidates(self) -> bool:
        """Whether its answers came along."""
        return any(file.table == "candidates" for file in self.dataset.content.shards)

    def data(self) -> Iterator[pa.Table]:
        """Rows by the columns of `DATA`; `split` is the one that they lie in, None in a run."""
        for part in self.dataset.parts():
            if file := part.files.get("data"):
                path = self.dataset.root / file.path
                for batch in _batches(path, DATA):
                    self._note_columns(batch)
                    split = pa.array([part.split] * len(batch), pa.string())
                    yield _filled(path, batch, DATA).set_column(DATA.get_field_index("split"), "split", split)

    def candidates(self) -> Iterator[pa.Table]:
        """What became of every answer, by the columns of `CANDIDATES`."""
        yield from self._of_shards("candidates", CANDIDATES)

    def absent(self) -> Iterator[pa.Table]:
        """Why Segments have no row, by the columns of `ABSENT`: those that a run could not annotate, and `excluded`."""
        content = self.dataset.content
        if isinstance(content, ReleaseRecord):
            for file in content.files:
                if file.path.startswith("excluded/"):
                    yield from map(_absent, self._rows(file.path, EXCLUDED_SCHEMA))
        yield from map(_rejected, self._of_shards("rejections", _REJECTIONS))
        yield from map(_failed, self._of_shards("failures", _FAILURES))

    def _of_shards(self, table: Table, schema: pa.Schema) -> Iterator[pa.Table]:
        for file in self.dataset.content.shards:
            if file.table == table:
                yield from self._rows(file.path, schema)

    def _rows(self, name: str, schema: pa.Schema) -> Iterator[pa.Table]:
        path = self.dataset.root / name
        return (_filled(path, batch, schema) for batch in _batches(path, schema))

    def _note_columns(self, batch: pa.RecordBatch) -> None:
        names = set(batch.schema.names)
        self.columns |= names - {"audio", "split"}
        if "audio" in names and batch["audio"].null_count < len(batch):
            self.columns.add("audio")


def _batches(path: StorePath, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The columns of the schema that a file has."""
    with reading(path):
        parquet = open_parquet(path)
        leaves = [parquet.schema.column(index).path for index in range(len(parquet.schema))]
    with parquet:
        batches = parquet.iter_batches(_BATCH_ROWS, columns=[leaf for leaf in leaves if _is_wanted(leaf, schema)])
        while True:
            with reading(path):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _is_wanted(leaf: str, schema: pa.Schema) -> bool:
    """Whether a path such as `captions.list.element.text` belongs to a column, and to the field that is read of it."""
    column, *rest = leaf.split(".")
    return column in schema.names and (column not in _IN_PART or rest[-1] in _FIELDS)


def _filled(path: StorePath, batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """With null in columns that a release left out, or that came after the file was written."""
    names = batch.schema.names
    columns = [batch[field.name] if field.name in names else pa.nulls(len(batch), field.type) for field in schema]
    with reading(path):
        return pa.table(columns, schema=schema)


def _absent(rows: pa.Table) -> pa.Table:
    return pa.table([rows["segment_id"], rows["reason"], rows["detail"]], schema=ABSENT)


def _rejected(rows: pa.Table) -> pa.Table:
    reason = pa.array(["rejected"] * len(rows), pa.string())
    return pa.table([rows["segment_id"], reason, rows["reason"]], schema=ABSENT)


def _failed(rows: pa.Table) -> pa.Table:
    reason = pa.array(["failed"] * len(rows), pa.string())
    about = pc.coalesce(rows["segment_id"], rows["recording_id"])
    return pa.table([about, reason, pc.binary_join_element_wise(rows["stage"], rows["message"], ": ")], schema=ABSENT)
