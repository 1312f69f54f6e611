"""Recordings of a CSV or TSV file with a header: one recording per row, its columns as the job maps them.

Enters: a TableSource with its resolved path. Leaves: Recordings, as a manifest with the same fields would give them. An
empty cell is absent; several tags stand in one cell, with semicolons between them.
"""

import csv
from collections.abc import Iterator
from pathlib import PurePath
from typing import Annotated

from pydantic import BeforeValidator, ValidationError

from fcaps_pipeline.annotate.sources.fields import FieldNames
from fcaps_pipeline.annotate.sources.jsonl import explained, raw_lines
from fcaps_pipeline.annotate.sources.lines import Tags
from fcaps_pipeline.annotate.sources.located import Located
from fcaps_pipeline.annotate.sources.manifest import ManifestLine, list_lines
from fcaps_pipeline.annotate.sources.recording_line import with_defaults
from fcaps_pipeline.annotate.sources.source_path import SourcePath
from fcaps_pipeline.errors import SourceError
from fcaps_pipeline.jobs.sources import TableSource

TABLE_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")
_SEPARATORS = {"\t": "a tab", ";": "';'", "|": "'|'", ",": "','"}


def _split(value: object) -> object:
    return [one.strip() for one in value.split(";")] if isinstance(value, str) else value


class TableLine(ManifestLine):
    """One row."""

    tags: Annotated[Tags, BeforeValidator(_split)] = ()
    """Human tags of the style, with semicolons between them."""


def list_table(source: TableSource, path: SourcePath) -> Iterator[Located]:
    """Yields one Recording per row, or per run of rows that are segments of one file.

    Raises:
        SourceError: the file is no table with a header, or a row is not what it should be.
    """
    for located in list_lines(_lines(source, path), source.audio_root, path):
        yield located._replace(recording=with_defaults(located.recording, source))


def _lines(source: TableSource, path: SourcePath) -> Iterator[tuple[int, TableLine]]:
    rows, fields = _rows(path, source.separator or _usual_separator(path)), FieldNames(source.fields)
    _, header = next(rows, (0, None))
    if header is None:
        raise SourceError(f"{path} holds no line; expected a header and one recording per row")
    _check_header(header, fields, path)
    for number, row in rows:
        if len(row) != len(header):
            raise SourceError(
                f"{path}:{number}: {len(row)} cells, the header has {len(header)}; quote cells with commas"
            )
        given = {name: cell for name, cell in zip(header, row, strict=True) if cell}
        try:
            yield number, TableLine.model_validate(given, context=fields)
        except ValidationError as error:
            raise SourceError(f"{path}:{number}: {explained(error, TableLine)}") from None


def _rows(path: SourcePath, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and cells of every row."""
    last = 0

    def texts() -> Iterator[str]:
        nonlocal last
        for last, line in raw_lines(path):
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                raise SourceError(
                    f"{path}:{last}: no UTF-8 ({error.reason}); convert it, with iconv for example"
                ) from None

    try:
        for row in csv.reader(texts(), delimiter=separator, strict=True):
            yield last, [cell.strip() for cell in row]
    except csv.Error as error:
        raise SourceError(f"{path}:{last}: no row of a table ({error}); check its quotes") from None


def _check_header(header: list[str], fields: FieldNames, path: SourcePath) -> None:
    if len(header) == 1 and (other := next((one for one in _SEPARATORS if one in header[0]), None)):
        raise SourceError(
            f"{path}:1: one column alone, {header[0]!r:.80}; set source.separator to {_SEPARATORS[other]}"
        )
    doubled = next((name for name in header if header.count(name) > 1), None)
    if doubled is not None:
        what = f"two columns have the name {doubled!r}" if doubled else "two columns have no name"
        raise SourceError(f"{path}:1: {what}; give each its own")
    fields.check_columns(header, f"{path}:1:")


def _usual_separator(path: SourcePath) -> str:
    return "\t" if ".tsv" in PurePath(path.name).suffixes else ","
