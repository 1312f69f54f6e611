"""Division of a source into WorkUnits."""

import hashlib
import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.run.division import Division, dealt
from fcaps_pipeline.annotate.run.survey import Seen
from fcaps_pipeline.jobs.annotate_job import ShardConfig
from fcaps_pipeline.records.audio import Recording
from fcaps_pipeline.shards.recording_table import recordings_of, table_of

lengths_s = st.lists(st.floats(0, 9000), max_size=40)
sizes = st.lists(st.integers(0, 900), min_size=40, max_size=40)


def _seen(lengths_s: Sequence[float], num_bytes: Sequence[int] = (), *, first: int = 0) -> Seen:
    recordings = [
        Recording(recording_id=f"r{index}", location=f"/a/{index}.wav", source=f"{index}.wav")
        for index in range(first, first + len(lengths_s))
    ]
    known = np.array([*num_bytes][: len(lengths_s)] or [0] * len(lengths_s), np.int64)
    return Seen(table_of(recordings), np.array(lengths_s, float), known)


def _slowly(lengths_s: Sequence[float], num_bytes: Sequence[int], config: ShardConfig) -> list[int]:
    """The same, one Recording after the other."""
    found: list[int] = []
    unit, seconds, taken, number = 0, 0.0, 0, 0
    for length_s, size in zip(lengths_s, num_bytes, strict=False):
        is_over = seconds + length_s > config.unit_hours * 3600 or taken + size > config.unit_bytes
        if number and (is_over or number == config.unit_recordings):
            unit, seconds, taken, number = unit + 1, 0.0, 0, 0
        found.append(unit)
        seconds, taken, number = seconds + length_s, taken + size, number + 1
    return found


@given(lengths_s, sizes, st.integers(1, 9), st.integers(1, 2000), st.integers(1, 41))
def test_units_are_those_of_a_loop_whatever_the_blocks(
    lengths_s: list[float], sizes: list[int], most: int, most_bytes: int, block: int
) -> None:
    config = ShardConfig(unit_hours=1, unit_recordings=most, unit_bytes=most_bytes)
    division, found = Division(config), list[int]()
    for start in range(0, len(lengths_s), block):
        part = slice(start, start + block)
        found += division.units_of(_seen(lengths_s[part], sizes[part], first=start)).tolist()
    assert found == _slowly(lengths_s, sizes, config)
    assert division.num_units == len(set(found))


@given(lengths_s)
def test_only_a_long_recording_makes_a_long_unit(lengths_s: list[float]) -> None:
    units = Division(ShardConfig(unit_hours=1)).units_of(_seen(lengths_s))
    for unit in set(units):
        inside = np.array(lengths_s)[units == unit]
        assert inside.sum() <= 3600 + 1e-6 or np.count_nonzero(inside) == 1


@given(lengths_s)
def test_no_two_neighbours_would_have_fitted_into_one(lengths_s: list[float]) -> None:
    units = Division(ShardConfig(unit_hours=1)).units_of(_seen(lengths_s))
    for before, after in itertools.pairwise(sorted(set(units))):
        assert np.array(lengths_s)[units == before].sum() + np.array(lengths_s)[units == after][0] > 3600 - 1e-6


def test_units_go_on_behind_those_that_there_are() -> None:
    division = Division(ShardConfig(unit_recordings=2), unit_index=7)
    assert division.num_units == 7
    assert division.units_of(_seen([1.0] * 3)).tolist() == [7, 7, 8]
    assert division.num_units == 9


def test_recordings_of_unknown_length_do_not_all_land_in_one_unit() -> None:
    units = Division(ShardConfig(unit_hours=1)).units_of(_seen([1_800] * 10))
    assert np.bincount(units).tolist() == [2] * 5


def _ids(seen: Seen) -> list[str]:
    return [one.recording_id for one in recordings_of(seen.table)]


def test_dealt_recordings_are_the_same_in_an_order_that_the_seed_decides() -> None:
    parts = [_seen([1.0] * 15, [3] * 15), _seen([2.0] * 25, [4] * 25, first=15)]
    (first,), (again,), (other,) = dealt(parts, 1), dealt(parts[::-1], 1), dealt(parts, 2)
    in_order = [name for part in parts for name in _ids(part)]
    assert _ids(first) == sorted(in_order, key=lambda name: hashlib.sha256(f"1 {name}".encode()).digest())
    assert _ids(first) == _ids(again)
    assert _ids(first) not in (_ids(other), in_order)
    assert [length_s == 1.0 for length_s in first.lengths_s] == [int(name[1:]) < 15 for name in _ids(first)]
    assert first.num_bytes.tolist() == [3 if length_s == 1.0 else 4 for length_s in first.lengths_s]
    assert list(dealt([], 1)) == []


def test_what_lies_in_one_file_is_dealt_whole_and_in_its_order() -> None:
    recordings = [
        one.model_copy(update={"location": f"file:///{place // 8}.tar#name=x&offset={place}&bytes=1"})
        for place, one in enumerate(recordings_of(_seen([1.0] * 40).table))
    ]
    (seen,) = dealt([_seen([1.0] * 40)._replace(table=table_of(recordings))], 1)
    order = [int(name[1:]) for name in _ids(seen)]
    assert order != sorted(order)
    assert all(order[at : at + 8] == list(range(order[at], order[at] + 8)) for at in range(0, 40, 8))
