"""Reads back what a run committed: records, totals and checked files."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from fcaps_pipeline.errors import AccountingError, CorruptRunError
from fcaps_pipeline.shards.layout import DatasetIndex, RunLayout, ShardFile, Table, Totals, UnitCommit
from fcaps_pipeline.shards.schema import FAILURE_SCHEMA, REJECTION_SCHEMA, SCHEMA_VERSION, Row, data_schema


def read_commits(layout: RunLayout) -> list[UnitCommit]:
    """Commit records in unit order.

    Raises:
        CorruptRunError: a record is unreadable, or a file it names is missing or of another size.
    """
    commits = []
    for path in sorted(layout.commits.glob("*.json")):
        try:
            commit = UnitCommit.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise CorruptRunError(
                f"commit record {path} is unreadable ({error.error_count()} mistakes); delete it to redo its unit"
            ) from error
        for file in commit.files:
            _check_size(layout, file, path)
        commits.append(commit)
    return commits


def total(commits: list[UnitCommit]) -> Totals:
    """Sums over commit records.

    Raises:
        AccountingError: the Segments of a unit are not what its outcomes add up to.
    """
    for commit in commits:
        outcomes = commit.num_annotations + commit.num_rejections + commit.num_segment_failures
        if outcomes != commit.num_segments:
            raise AccountingError(
                f"unit {commit.unit_index}: {commit.num_segments} Segments, but {outcomes} outcomes; "
                f"delete commits/{commit.unit_index:05d}.json to redo the unit, and report this defect"
            )
    recordings = [one for commit in commits for one in commit.recordings]
    by_outcome = Counter(one.outcome for one in recordings)
    return Totals(
        num_recordings=len(recordings),
        num_recordings_no_speech=by_outcome["no_speech"],
        num_recordings_too_short=by_outcome["too_short"],
        num_recordings_too_long=by_outcome["too_long"],
        num_recordings_failed=sum(commit.num_recording_failures for commit in commits),
        num_segments=sum(commit.num_segments for commit in commits),
        num_annotations=sum(commit.num_annotations for commit in commits),
        num_rejections=sum(commit.num_rejections for commit in commits),
        num_segment_failures=sum(commit.num_segment_failures for commit in commits),
        audio_hours=sum(one.duration_s for one in recordings) / 3600,
        speech_hours=sum(one.speech_s for one in recordings) / 3600,
        annotated_hours=sum(commit.annotated_s for commit in commits) / 3600,
        num_discarded=sum(one.num_discarded for one in recordings),
        discarded_hours=sum(one.discarded_s for one in recordings) / 3600,
        num_output_tokens=sum(commit.num_output_tokens for commit in commits),
    )


def read_index(layout: RunLayout) -> DatasetIndex:
    """The index of a finished run.

    Raises:
        CorruptRunError: there is none, or it is of another schema version.
    """
    try:
        index = DatasetIndex.model_validate_json(layout.index.read_bytes())
    except FileNotFoundError:
        raise CorruptRunError(
            f"{layout.root} has no index.json: the run is not finished; run its annotate command again to finish it"
        ) from None
    except ValidationError as error:
        raise CorruptRunError(
            f"{layout.index} is not an index of this version ({error.error_count()} mistakes)"
        ) from error
    if index.schema_version != SCHEMA_VERSION:
        raise CorruptRunError(
            f"{layout.index} has schema version {index.schema_version}, expected {SCHEMA_VERSION}; "
            "read it with the version of this package that wrote it"
        )
    return index


def check_file(layout: RunLayout, file: ShardFile) -> None:
    """Reads one committed file whole and compares it with its record.

    Raises:
        CorruptRunError: checksum, schema, number of rows or ids are not as recorded.
    """
    path = layout.root / file.path
    _check_size(layout, file, layout.index)
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != file.sha256:
        raise CorruptRunError(f"{path} was changed: sha256 {digest[:12]}…, recorded {file.sha256[:12]}…; restore it")
    parquet = pq.ParquetFile(path)
    if not any(parquet.schema_arrow.equals(schema) for schema in _schemas(file.table)):
        raise CorruptRunError(f"{path} has columns of another version; expected schema version {SCHEMA_VERSION}")
    if parquet.metadata.num_rows != file.num_rows:
        raise CorruptRunError(f"{path} has {parquet.metadata.num_rows} rows, recorded {file.num_rows}")


def read_rows(layout: RunLayout, table: Table, columns: list[str] | None = None) -> Iterator[Row]:
    """Rows of one table over all committed units, one row group in memory at a time.

    Raises:
        CorruptRunError: a file is missing or damaged.
    """
    files = (file for commit in read_commits(layout) for file in commit.files if file.table == table)
    for file in files:
        path = layout.root / file.path
        with reading(path):
            parquet = pq.ParquetFile(path)
        for group in range(parquet.num_row_groups):
            with reading(path, group):
                rows: pa.Table = parquet.read_row_group(group, columns=columns)
            yield from rows.to_pylist()


@contextmanager
def reading(shard: Path, row_group: int | None = None) -> Iterator[None]:
    """Turns what Arrow raises on damaged files into one clear line.

    Args:
        shard: a file in a table's folder of a run.
        row_group: the row group that is read; None for the footer.

    Raises:
        CorruptRunError: naming the file, the row group and what to do.
    """
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        where = "footer" if row_group is None else f"row group {row_group}"
        cause = " ".join(str(error).split())
        raise CorruptRunError(
            f"{shard}: {where} cannot be read ({cause}); `fcaps verify {shard.parents[1]}` checks every file of the "
            "run; restore this one, or delete its commit record and run annotate again"
        ) from error


def read_json(path: Path) -> object:
    """Content of a JSON file of the run, or None where it does not exist."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise CorruptRunError(f"{path} is not JSON: {error}; restore it from a copy") from error


def _schemas(table: Table) -> tuple[pa.Schema, ...]:
    """Those that a file of a table may have."""
    if table == "data":
        return data_schema(), data_schema(timed=True)
    return ({"rejections": REJECTION_SCHEMA, "failures": FAILURE_SCHEMA}[table],)


def _check_size(layout: RunLayout, file: ShardFile, record: Path) -> None:
    path = layout.root / file.path
    found = path.stat().st_size if path.is_file() else None
    if found != file.num_bytes:
        state = "is missing" if found is None else f"has {found} bytes"
        raise CorruptRunError(
            f"{path} {state}, but {record.name} records {file.num_bytes} bytes; "
            "restore the file, or delete its commit record and run annotate again"
        )
