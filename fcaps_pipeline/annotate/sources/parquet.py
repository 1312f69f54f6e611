"""Recordings in rows of Parquet files, as datasets of the Hugging Face hub are published.

Enters: a ParquetSource. Leaves: Recordings that lie in their rows, or in the files that rows without bytes name. The
other columns describe them; the bytes of the sound are not read here. Rows that cannot be read stay a Recording, which
fails by name; a row that says what cannot be is a mistake of the list.
"""

import math
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from fcaps_pipeline.annotate.sources.archives import Archives, find_archives
from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.ids import id_from_path
from fcaps_pipeline.annotate.sources.jsonl import explained
from fcaps_pipeline.annotate.sources.located import Located, Place, locate, place_of
from fcaps_pipeline.annotate.sources.recording_line import Description, recording_from, with_defaults
from fcaps_pipeline.annotate.sources.source_path import SourcePath, resolved
from fcaps_pipeline.audio.byte_source import open_file
from fcaps_pipeline.audio.location import ParquetRow, RefusedPart, location_in, shown_name
from fcaps_pipeline.audio.parquet_rows import (
    BATCH_ROWS,
    DAMAGE,
    OpenParquet,
    can_hold_sound,
    opened_parquet,
    sound_columns,
)
from fcaps_pipeline.errors import RecordingError, SourceError
from fcaps_pipeline.jobs.sources import ParquetSource
from fcaps_pipeline.records.audio import Recording

PARQUET_SUFFIXES = (".parquet",)
_BATCH_ROWS = 1_024
_Row = dict[str, Any]


def list_parquet(source: ParquetSource) -> Iterator[Located]:
    """Yields the rows of one Parquet file or of many.

    Raises:
        SourceError: there is no such file, none of its columns is sound, or a row says what cannot be.
        StorageError: the storage fails.
    """
    archives = find_archives(source.path, PARQUET_SUFFIXES, "Parquet file")
    fields, num_found = FieldNames(source.fields), 0
    for file in archives.files:
        for located in _File(file, archives, source, fields).located():
            num_found += 1
            yield located
    if not num_found:
        raise SourceError(f"{source.path} has no row; expected one recording per row")


class _File:
    """One file on its way to Recordings."""

    def __init__(self, path: SourcePath, archives: Archives, source: ParquetSource, fields: FieldNames) -> None:
        self._path = path
        self._root = archives.root
        self._place = place_of(self._path, self._root)
        self._source = source
        self._fields = fields
        self._names: set[str] = set()

    @cached_property
    def _roots(self) -> list[SourcePath]:
        """Where relative paths of rows without bytes may start."""
        if self._source.audio_root:
            return [resolved(self._source.audio_root)]
        return [self._path.parent, self._root]

    def located(self) -> Iterator[Located]:
        """Yields a Recording per row.

        Raises:
            SourceError: as `list_parquet`.
        """
        try:
            with closing(open_file(self._place.location)) as source, opened_parquet(source) as opened:
                column = self._column(opened.file.schema_arrow)
                for group in range(opened.file.num_row_groups):
                    yield from self._of_group(opened, column, group)
        except RecordingError as error:  # it stands for its rows, and fails by name
            yield self._refused("every row", f"is lost: {error}")

    def _column(self, schema: pa.Schema) -> str:
        self._fields.check_columns(schema.names, f"{self._path} has")
        wanted, found = self._source.column, sound_columns(schema)
        if wanted is None and len(found) == 1:
            return found[0]
        if wanted is None:
            what = f"several columns of sound ({', '.join(found)})" if found else "no column of bytes and path"
            raise SourceError(f"{self._path} has {what}, but {', '.join(schema.names)}; name one with source.column")
        if wanted not in schema.names:
            raise SourceError(f"{self._path} has no column {wanted!r}, found {', '.join(schema.names)}")
        if not can_hold_sound(schema.field(wanted).type) and not _is_text(schema.field(wanted).type):
            raise SourceError(
                f"{self._path}: column {wanted!r} is {schema.field(wanted).type}, expected bytes, paths or both"
            )
        return wanted

    def _of_group(self, opened: OpenParquet, column: str, group: int) -> Iterator[Located]:
        row = 0
        try:
            has_bytes = _has_bytes(opened.file, column, group)
            leaves = _leaves(opened.file, column)
            for batch in opened.file.iter_batches(_BATCH_ROWS, [group], leaves, use_threads=False):
                for content in batch.to_pylist():
                    yield self._row(content, column, group, row, has_bytes=next(has_bytes))
                    row += 1
        except DAMAGE as error:
            if opened.view.error is not None:
                raise
            cause = " ".join(str(error).split())
            yield self._refused(f"row group {group} from row {row} on", f"cannot be read ({cause}); copy it again")

    def _row(self, content: _Row, column: str, group: int, row: int, *, has_bytes: bool) -> Located:
        where = f"{self._path}, row {row} of row group {group}"
        told = content.pop(column, None)
        path = told.get("path") if isinstance(told, dict) else told
        try:
            line = Description.model_validate(plain_values(content), context=self._fields)
        except ValidationError as error:
            raise SourceError(f"{where}: {explained(error, Description)}") from None
        place = self._place_of_row(path if isinstance(path, str) else "", column, group, row, has_bytes=has_bytes)
        return Located(with_defaults(recording_from(line, place), self._source), where)

    def _place_of_row(self, path: str, column: str, group: int, row: int, *, has_bytes: bool) -> Place:
        if path and not has_bytes:
            return locate(path.replace("\0", ""), self._roots)
        name = path if path and path not in self._names else f"{group}-{row}"
        self._names.add(path)
        shown = f"{self._place.shown}/{shown_name(name)}"
        location = location_in(ParquetRow(self._place.location, column, group, row))
        return Place(location, shown, id_from_path(f"{self._place.shown}/{name}"))

    def _refused(self, name: str, reason: str) -> Located:
        """A Recording that fails by name when it is opened."""
        shown = f"{self._place.shown}/{name}"
        location = location_in(RefusedPart(self._place.location, name, reason))
        recording = Recording(recording_id=id_from_path(shown), location=location, source=shown)
        return Located(recording, f"{name} in {self._path}")


def _has_bytes(parquet: pq.ParquetFile, column: str, group: int) -> Iterator[bool]:
    """For each row, whether it holds its sound; the sound is only read where the file does not tell."""
    leaf = next((one for one in _leaf_paths(parquet) if one in {column, f"{column}.bytes"}), None)
    if leaf is None or _is_text(parquet.schema_arrow.field(column).type):
        return iter(lambda: False, None)
    statistics = parquet.metadata.row_group(group).column(_leaf_paths(parquet).index(leaf)).statistics
    if statistics is not None and statistics.has_null_count:
        if statistics.null_count == 0:
            return iter(lambda: True, None)
        if statistics.null_count == parquet.metadata.row_group(group).num_rows:
            return iter(lambda: False, None)
    return _nullness(parquet, leaf, group)


def _nullness(parquet: pq.ParquetFile, leaf: str, group: int) -> Iterator[bool]:
    for batch in parquet.iter_batches(BATCH_ROWS, [group], [leaf], use_threads=False):
        values = batch.column(0)
        if pa.types.is_struct(values.type):
            values = values.field(0)
        yield from values.is_valid().to_pylist()


def _leaves(parquet: pq.ParquetFile, column: str) -> list[str]:
    """All columns but bytes: of the sound, the path."""
    schema = parquet.schema
    return [
        path
        for place, path in enumerate(_leaf_paths(parquet))
        if schema.column(place).physical_type not in {"BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}
        or schema.column(place).logical_type.type != "NONE"
        or path == f"{column}.path"
    ]


def _leaf_paths(parquet: pq.ParquetFile) -> list[str]:
    return [parquet.schema.column(place).path for place in range(len(parquet.schema))]


def plain_values(content: _Row) -> _Row:
    """Values as JSON has them; what is no number is absent, as pandas means it."""
    given = {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in content.items()}
    plain: _Row = to_jsonable_python(given, fallback=str)
    return plain


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
