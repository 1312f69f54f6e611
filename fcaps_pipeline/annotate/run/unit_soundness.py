"""Whether one unit is what its commit record says: every file whole, every candidate and caption of a Segment it has.

Enters: a commit record. Leaves: hashes of the ids of its Segments, by which doubled ones are found over a whole run
without keeping the ids. Several units are checked at once: reading and hashing leave the interpreter free.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from fcaps_pipeline.errors import AccountingError
from fcaps_pipeline.machine import num_cores
from fcaps_pipeline.shards.layout import OUTCOME_TABLES, RunLayout, UnitCommit
from fcaps_pipeline.shards.outcomes import outcome_sums, read_outcomes
from fcaps_pipeline.shards.reader import check_file, read_unit_columns
from fcaps_pipeline.shards.recording_table import Hashes, id_hashes

_ItemT = TypeVar("_ItemT")
_FoundT = TypeVar("_FoundT")
_WAITING_PER_CORE = 4
_BETWEEN = "\n"
"""Stands in no id."""


def side_by_side(check: Callable[[_ItemT], _FoundT], items: Iterable[_ItemT]) -> Iterator[_FoundT]:
    """What a check finds of each item, in their order, with as many at work as there are cores and few waiting."""
    waiting: deque[Future[_FoundT]] = deque()
    with ThreadPoolExecutor(num_cores()) as pool:
        for item in items:
            waiting.append(pool.submit(check, item))
            if len(waiting) > _WAITING_PER_CORE * num_cores():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def check_unit(layout: RunLayout, commit: UnitCommit) -> Hashes:
    """Reads every file of a unit whole; hashes of the ids of its Segments.

    Raises:
        CorruptRunError: a file is missing, changed or of another schema.
        AccountingError: its tables contradict each other, or its record.
    """
    for file in commit.files:
        check_file(layout, file)
    segments = segment_ids(layout, commit)
    if len(segments) != commit.num_segments:
        raise AccountingError(
            f"{layout.root}, unit {commit.unit_index}: {commit.num_segments} Segments recorded, {len(segments)} found "
            "in the tables; report this defect"
        )
    _check_candidates(layout, commit, segments)
    _check_recordings(layout, commit)
    return id_hashes(segments)


def segment_ids(layout: RunLayout, commit: UnitCommit) -> pa.Array:
    """Ids of the Segments of a unit, whatever became of them."""
    found = [read_unit_columns(layout, commit, table, ["segment_id"])["segment_id"] for table in OUTCOME_TABLES]
    return pc.drop_null(pa.chunked_array([chunk for column in found for chunk in column.chunks], pa.string()))


def _check_candidates(layout: RunLayout, commit: UnitCommit, segments: pa.Array) -> None:
    """Every candidate belongs to a Segment of its unit, and the captions of the rows are those that were kept."""
    candidates = read_unit_columns(layout, commit, "candidates", ["segment_id", "candidate_id"])
    rows = read_unit_columns(layout, commit, "data", ["segment_id", "captions"]).combine_chunks()
    owners = rows["segment_id"].take(pc.list_parent_indices(rows["captions"]))
    captions = _keys(owners, pc.struct_field(pc.list_flatten(rows["captions"]), "candidate_id"))
    found = _keys(candidates["segment_id"], candidates["candidate_id"])
    counts = pc.value_counts(found)
    doubled = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    of_nobody = found.filter(pc.invert(pc.is_in(candidates["segment_id"], value_set=segments)))
    unknown = captions.filter(pc.invert(pc.is_in(captions, value_set=found)))
    faults = [
        *(f"candidate {one} of Segment {key} stands twice" for key, one in _split(doubled)),
        *(f"candidate {one} is of Segment {key}, which is in no table" for key, one in _split(of_nobody)),
        *(f"caption {one} of Segment {key} is no candidate" for key, one in sorted(_split(unknown))),
    ]
    if faults:
        raise AccountingError(f"{layout.root}, unit {commit.unit_index}: {faults[0]}; report this defect")


def _keys(segment_ids: pa.ChunkedArray, candidate_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(segment_ids, candidate_ids, _BETWEEN)


def _split(keys: pa.Array) -> list[list[str]]:
    return [key.split(_BETWEEN) for key in keys.to_pylist()]


def _check_recordings(layout: RunLayout, commit: UnitCommit) -> None:
    """What became of the Recordings of a unit is what its record sums up."""
    sums = outcome_sums(list(read_outcomes(layout, commit)))
    recorded = commit.model_dump(include=set(sums))
    for name, found in sums.items():
        if found != recorded[name]:
            raise AccountingError(
                f"{layout.root}, unit {commit.unit_index}: {name} is {recorded[name]} in its record and {found} in its "
                "table of Recordings; report this defect"
            )
