"""Captions of rows are those that `candidates` says were kept, and both forms of a row's captions agree.

Enters: a release. Leaves: findings. A file of `data` is held against that of `candidates` with its name; of captions
and answers only hashes are kept, until something is amiss.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.records.captions import Granularity
from fcaps_pipeline.release.check.findings import Faults, Finding
from fcaps_pipeline.release.columns import read_columns
from fcaps_pipeline.release.layout import ReleaseLayout, ReleaseRecord, ReleaseShard
from fcaps_pipeline.release.statistics import CAPTION_COLUMNS
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes

_CAPTIONS = ("segment_id", "captions")
_ANSWERS = ("segment_id", "granularity", "text", "candidate_id", "kept")
_FIELDS = ("granularity", "text", "candidate_id")
_SEPARATOR = "\x1f"


class CaptionFormCheck:
    """`global_captions` and `fine_captions` are the texts of `captions`, in the same order."""

    columns: tuple[str, ...] = ("segment_id", "captions", *CAPTION_COLUMNS.values())

    def __init__(self) -> None:
        self._faults = Faults()

    def add(self, shard: ReleaseShard, table: pa.Table) -> None:
        """See `RowCheck`."""
        for granularity, name in CAPTION_COLUMNS.items():
            if not _are_same(table["captions"].combine_chunks(), table[name].combine_chunks(), granularity):
                for row in table.select(["segment_id", "captions", name]).to_pylist():
                    texts = [one["text"] for one in row["captions"] or () if one["granularity"] == granularity.value]
                    if texts != (row[name] or []):
                        self._faults.add([f"{row['segment_id']}: {name}"])

    def findings(self) -> Iterator[Finding]:
        """Any difference is a defect."""
        yield self._faults.finding("rows whose columns of captions disagree", is_hard=True)


def check_answers(layout: ReleaseLayout, record: ReleaseRecord) -> Iterator[Finding]:
    """Each caption is a kept candidate of its row, and each kept candidate is a caption.

    Raises:
        CorruptRunError: a file is damaged.
    """
    orphans, unused = Faults(), Faults()
    answers = {shard.path.partition("/")[2]: shard for shard in record.shards if shard.table == "candidates"}
    for shard in record.shards:
        if shard.table != "data" or not answers:
            continue
        beside = answers.get(shard.path.partition("/")[2])
        captions = _hashes(layout, shard, _kept_captions, _CAPTIONS)
        kept = np.empty(0, np.uint64) if beside is None else _hashes(layout, beside, _kept_answers, _ANSWERS)
        for faults, ours, theirs, of, read, columns in (
            (orphans, captions, kept, shard, _kept_captions, _CAPTIONS),
            (unused, kept, captions, beside, _kept_answers, _ANSWERS),
        ):
            lone = np.setdiff1d(ours, theirs)
            if len(lone) and of is not None:
                faults.add(_named(layout, of, read, columns, lone), len(lone))
    yield orphans.finding("captions that are no kept candidate", is_hard=True)
    yield unused.finding("kept candidates that are no caption", is_hard=True)


def _are_same(captions: pa.Array, texts: pa.Array, granularity: Granularity) -> bool:
    """Whether texts of one granularity are the same ones in the same rows, without a look at single rows."""
    flat = pc.list_flatten(captions)
    chosen = pc.equal(pc.struct_field(flat, "granularity"), granularity.value)
    rows = pc.list_parent_indices(captions).filter(chosen)
    same_rows = rows.equals(pc.list_parent_indices(texts))
    return bool(same_rows and pc.struct_field(flat, "text").filter(chosen).equals(pc.list_flatten(texts)))


def _kept_captions(table: pa.Table) -> pa.Table:
    """Captions of rows, one a row: Segment, granularity, text, id."""
    captions = table["captions"].combine_chunks()
    flat = pc.list_flatten(captions)
    owners = table["segment_id"].take(pc.list_parent_indices(captions))
    return pa.table({"segment_id": owners, **{name: pc.struct_field(flat, name) for name in _FIELDS}})


def _kept_answers(table: pa.Table) -> pa.Table:
    """Kept candidates, in the same form."""
    return table.filter(table["kept"]).select(["segment_id", *_FIELDS])


def _keys(captions: pa.Table) -> pa.ChunkedArray:
    texts = [pc.fill_null(captions[name], "") for name in ("segment_id", *_FIELDS)]
    return pc.binary_join_element_wise(*texts, _SEPARATOR)


def _hashes(
    layout: ReleaseLayout, shard: ReleaseShard, read: Callable[[pa.Table], pa.Table], columns: tuple[str, ...]
) -> Hashes:
    found = [id_hashes(_keys(read(table))) for table in read_columns(layout, shard, columns)]
    return np.concatenate([*found, np.empty(0, np.uint64)])


def _named(
    layout: ReleaseLayout,
    shard: ReleaseShard,
    read: Callable[[pa.Table], pa.Table],
    columns: tuple[str, ...],
    hashes: Hashes,
) -> Iterator[str]:
    """Where captions with these hashes stand."""
    for table in read_columns(layout, shard, columns):
        captions = read(table)
        lone = captions.filter(pa.array(np.isin(id_hashes(_keys(captions)), hashes)))
        yield from (f"{one['segment_id']}: {one['candidate_id']}" for one in lone.to_pylist())
