"""What would tell of that which was taken back: its ids, checksums and words, kept in memory alone.

Enters: a run before something falls. Leaves: needles, and afterwards those of them that nothing else has: what stays
may be called alike, hold the same words, or be of the same Recording, and would be found everywhere without a fault.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.release.dataset import Dataset
from fcaps_pipeline.release.removal.columns import texts
from fcaps_pipeline.release.removal.falling import Falling
from fcaps_pipeline.release.removal.request import Request
from fcaps_pipeline.release.removal.search import Needle, Search
from fcaps_pipeline.shards.layout import TABLES, RunLayout, Table, UnitCommit
from fcaps_pipeline.shards.plan import load_tables
from fcaps_pipeline.shards.reader import open_parquet, read_commits, read_unit_columns, reading
from fcaps_pipeline.shards.recording_table import recordings_of
from fcaps_pipeline.shards.schema import COLUMNS

_WHAT = {
    "segment_id": "segment id",
    "recording_id": "recording id",
    "speaker": "speaker",
    "license": "license",
    "source": "source path",
    "location": "source path",
    "recording_sha256": "file checksum",
    "audio_sha256": "sample checksum",
    "transcript": "transcript",
    "recording_transcript": "transcript",
    "global_captions": "caption",
    "fine_captions": "caption",
    "text": "caption",
    "answer": "caption",
}
"""Columns whose values are needles."""
_NAMES = frozenset({"segment id", "recording id", "speaker", "source path", "license"})
_WORDS = frozenset({"transcript", "caption"})
_CHECKSUMS = frozenset({"file checksum", "sample checksum"})


Values = tuple[str, list[str]]
"""Name of a column, and what stands in it."""


def needle(value: str, what: str) -> Needle:
    """A value as it is looked for."""
    return Needle(value, what, "name" if what in _NAMES else "anywhere")


def of_request(request: Request) -> list[Needle]:
    """The values that were asked for."""
    what = {"recording": "recording id", "segment": "segment id", "source": "source path"}.get(
        request.what, request.what
    )
    return [needle(value, what) for value in request.values]


def of_run(layout: RunLayout, found: Falling) -> list[Needle]:
    """All that tells of what falls."""
    needles = set[Needle]()
    for table in load_tables(layout):
        touched = found.recordings | found.trimmed
        fallen = table.filter(pc.is_in(table["recording_id"], value_set=pa.array(touched, pa.string())))
        for one in recordings_of(fallen):
            cuts = [cut for cut in one.cuts or () if one.recording_id in found.recordings]
            words = [one.transcript, *(cut.transcript for cut in cuts)]
            needles.update(needle(text, "transcript") for text in words if text)
            if one.recording_id in found.recordings:
                needles.add(needle(one.recording_id, "recording id"))
                needles.update(needle(path, "source path") for path in (one.source, one.location))
    for commit in read_commits(layout):
        if unit := found.units.get(commit.unit_index):
            for table in TABLES:
                needles.update(_of_rows(_light(layout, commit, table), unit.segments, unit.recordings))
    return list(needles)


def without_shared(needles: Iterable[Needle], staying: Iterable[Values]) -> tuple[list[Needle], int]:
    """Needles that tell of nothing that is left, and how many others there were.

    A name that is part of another one is still looked for, as a whole value.

    Args:
        needles: of what was taken back.
        staying: of what is left, after all was done.
    """
    wanted = {one.value: one for one in needles}
    searches = {
        group: Search(one for one in wanted.values() if one.what in group) for group in (_NAMES, _WORDS, _CHECKSUMS)
    }
    num_wanted = len(wanted)
    for name, values in staying:
        (group,) = (one for one in searches if _WHAT[name] in one)
        for one in searches[group].whole(values):
            wanted.pop(one.value, None)
        joined = "\0".join(values).encode(errors="surrogateescape") if group is not _CHECKSUMS else b""
        for _, one in searches[group].inside(joined):
            if wanted.pop(one.value, None) is not None and group is _NAMES:
                wanted[one.value] = one._replace(how="whole")
    return list(wanted.values()), num_wanted - len(wanted)


def left_in_run(layout: RunLayout) -> Iterator[Values]:
    """Distinct values of the columns that needles come from."""
    for table in load_tables(layout):
        for name in ("recording_id", "source", "location", "speaker", "license", "transcript"):
            yield name, _distinct(table[name])
        cuts = [cut for one in recordings_of(table.filter(table["cuts"].is_valid())) for cut in one.cuts or ()]
        yield "transcript", [cut.transcript for cut in cuts if cut.transcript]
        yield "speaker", [cut.speaker for cut in cuts if cut.speaker]
    for commit in read_commits(layout):
        for name in TABLES:
            yield from _values(_light(layout, commit, name))


def of_release(dataset: Dataset, segments: set[str]) -> list[Needle]:
    """All that tells of rows of a release."""
    fallen = (_of_rows(rows, segments, set()) for rows in _tables(dataset))
    return list({needle for needles in fallen for needle in needles})


def left_in_release(dataset: Dataset) -> Iterator[Values]:
    """Distinct values of the columns that needles come from, a row group at a time."""
    return (values for rows in _tables(dataset) for values in _values(rows))


def _tables(dataset: Dataset) -> Iterator[pa.Table]:
    """Row groups of a release, without what no needle comes from."""
    for part in dataset.parts():
        for file in part.files.values():
            path = dataset.root / file.path
            with reading(path), open_parquet(path) as parquet:
                columns = [name for name in parquet.schema_arrow.names if name in _WHAT]
                for group in range(parquet.num_row_groups):
                    yield parquet.read_row_group(group, columns=columns)


def _values(rows: pa.Table) -> Iterator[Values]:
    for column in rows.column_names:
        yield column, [value for _, leaf in texts(rows[column], column) for value in _distinct(leaf)]


def _distinct(column: pa.ChunkedArray) -> list[str]:
    values: list[str] = pc.drop_null(pc.unique(column)).to_pylist()
    return values


def _light(layout: RunLayout, commit: UnitCommit, table: Table) -> pa.Table:
    columns = [column.name for column in COLUMNS[table] if column.name in _WHAT]
    return read_unit_columns(layout, commit, table, columns)


def _of_rows(rows: pa.Table, segments: set[str], recordings: set[str]) -> Iterator[Needle]:
    """Values of the rows of what falls."""
    falls = np.zeros(len(rows), bool)
    for name, ids in (("segment_id", segments), ("recording_id", recordings)):
        if name in rows.column_names:
            falls |= pc.is_in(rows[name], value_set=pa.array(ids, pa.string())).to_numpy()
    fallen = rows.filter(pa.array(falls))
    for column in fallen.column_names:
        for _, leaf in texts(fallen[column], column):
            yield from (needle(value, _WHAT[column]) for value in _distinct(leaf) if value)
