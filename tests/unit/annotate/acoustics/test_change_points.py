import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcaps_pipeline.annotate.acoustics.change_points import level_pieces, line_pieces

VALUES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 2)), min_size=1, max_size=8)


def _level_cost(piece: np.ndarray) -> float:
    return float(np.sum((piece - piece.mean()) ** 2))


def _line_cost(piece: np.ndarray) -> float:
    at = np.arange(len(piece))
    return float(np.sum((piece - np.polyval(np.polyfit(at, piece, 1), at)) ** 2)) if len(piece) > 2 else 0.0


def _splits(count: int) -> list[list[int]]:
    inner = range(1, count)
    return [[0, *chosen] for size in range(count) for chosen in itertools.combinations(inner, size)]


def _total(values: np.ndarray, begins: list[int], price: float, cost: Callable[[np.ndarray], float]) -> float:
    pieces = [values[a:b] for a, b in itertools.pairwise([*begins, len(values)])]
    return sum(map(cost, pieces)) + price * len(pieces)


@given(VALUES, st.floats(0.1, 10))
def test_no_division_into_levels_is_cheaper(values: list[float], price: float) -> None:
    track = np.array(values)
    begins = level_pieces(track, price, np.ones(len(track), np.bool_))
    best = min(_total(track, one, price, _level_cost) for one in _splits(len(track)))
    assert begins[0] == 0
    assert _total(track, begins, price, _level_cost) == pytest.approx(best, abs=1e-6)


@given(VALUES, st.floats(0.1, 10))
def test_no_division_into_lines_is_cheaper(values: list[float], price: float) -> None:
    track = np.array(values)
    begins = line_pieces(np.arange(len(track), dtype=np.float64), track, price, shortest=0)
    best = min(_total(track, one, price, _line_cost) for one in _splits(len(track)))
    assert _total(track, begins, price, _line_cost) == pytest.approx(best, abs=1e-6)


def test_pieces_begin_only_where_they_may() -> None:
    track = np.repeat([0.0, 9.0], 6)
    may_begin = np.zeros(12, np.bool_)
    may_begin[7] = True
    assert level_pieces(track, 1.0, may_begin) == [0, 7]
    assert level_pieces(np.zeros(0), 1.0, np.zeros(0, np.bool_)) == []


def test_short_pieces_are_none() -> None:
    at = np.arange(60, dtype=np.float64)
    track = np.concatenate([np.zeros(20), np.linspace(0, 30, 20), np.full(20, 30.0)])
    begins = line_pieces(at, track, 5.0, shortest=6)
    assert begins == [0, pytest.approx(20, abs=1), pytest.approx(40, abs=1)]
    noise = np.random.default_rng(0).normal(0, 9, 40)
    assert np.diff([*line_pieces(at[:40], noise, 1.0, shortest=6), 40]).min() > 6
    assert line_pieces(at[:4], noise[:4], 1.0, shortest=6) == [0]
    assert line_pieces(at[:0], noise[:0], 1.0, shortest=6) == []
