"""Recordings of a manifest in a file: one JSON object per line, or one row of Parquet, fields as in `ManifestLine`.

Enters: a ManifestSource with its resolved path. Leaves: Recordings, in columns where lines are plain, one by one where
they are not.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.jsonl import LineBlock, explained, line_blocks, parsed
from fcaps_pipeline.annotate.sources.located import Block, Located
from fcaps_pipeline.annotate.sources.manifest import ManifestLine, ManifestLines, root_of
from fcaps_pipeline.annotate.sources.manifest_columns import plain_lines, plain_rows
from fcaps_pipeline.annotate.sources.parquet import PARQUET_SUFFIXES, plain_values
from fcaps_pipeline.annotate.sources.source_path import SourcePath, opened
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import ManifestSource

_BATCH_ROWS = 65_536


class _Lines(NamedTuple):
    """Neighbouring lines, as columns or one by one."""

    first_number: int
    in_columns: Callable[[SourcePath], pa.Table | None]
    """The Recordings of plain lines, given the folder that paths start from."""
    one_by_one: Callable[[], Iterator[tuple[int, ManifestLine]]]


def list_manifest(source: ManifestSource, path: SourcePath) -> Iterator[Located | Block]:
    """Yields one Recording per line, or per run of lines that are segments of one file.

    Raises:
        SourceError: a line is not a ManifestLine, or the manifest is empty.
    """
    fields, root = FieldNames(source.fields), root_of(source.audio_root, path)
    manifest = ManifestLines(root, path)
    is_parquet = path.name.lower().endswith(PARQUET_SUFFIXES)
    for lines in _rows(path, fields) if is_parquet else _json_lines(path, fields):
        table = None if source.fields else lines.in_columns(root)
        if table is None:
            for number, line in lines.one_by_one():
                yield from manifest.take(number, line)
        else:
            yield from manifest.take_others()
            yield Block(table, partial(_where, path, lines.first_number))
    yield from manifest.end()
    fields.check_met(str(path))


def _json_lines(path: SourcePath, fields: FieldNames) -> Iterator[_Lines]:
    for block in line_blocks(path):
        yield _Lines(
            block.first_number, partial(plain_lines, block.content), partial(_line_by_line, block, path, fields)
        )


def _line_by_line(block: LineBlock, path: SourcePath, fields: FieldNames) -> Iterator[tuple[int, ManifestLine]]:
    return parsed(block.lines(), path, ManifestLine, fields)


def _rows(path: SourcePath, fields: FieldNames) -> Iterator[_Lines]:
    number = 1
    try:
        with opened(path) as content, pq.ParquetFile(content) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                rows = pa.Table.from_batches([batch])
                if len(rows):
                    yield _Lines(number, partial(plain_rows, rows), partial(row_by_row, rows, number, path, fields))
                number += len(rows)
    except (pa.ArrowException, OSError) as error:
        cause = " ".join(str(error).split())
        raise SourceError(f"{path} cannot be read as Parquet from row {number} on ({cause}); copy it again") from error


def row_by_row(rows: pa.Table, number: int, path: SourcePath, fields: FieldNames) -> Iterator[tuple[int, ManifestLine]]:
    """Lines of rows with their numbers, of which the first is given.

    Raises:
        SourceError: a row is not a ManifestLine.
    """
    for place, row in enumerate(rows.to_pylist(), number):
        try:
            yield place, ManifestLine.model_validate(plain_values(row), context=fields)
        except ValidationError as error:
            raise SourceError(f"{path}:{place}: {explained(error, ManifestLine)}") from None


def _where(path: SourcePath, first_number: int, row: int) -> str:
    return f"{path}:{first_number + row}"
