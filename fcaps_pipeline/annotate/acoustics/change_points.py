"""Divides a track where its course changes: the cheapest pieces, each a level or a line, for a price per piece.

Enters: values. Leaves: where pieces begin. The outcome is the best there is, found by dynamic programming.

Source: Jackson et al. (2005), An algorithm for optimal partitioning of data on an interval.

Shape suffixes: V values, I and J the borders where pieces begin and end.
"""

import numpy as np

from fcaps_pipeline.annotate.acoustics.frames import BoolArray, FloatArray, IntArray


def level_pieces(values_V: FloatArray, price: float, may_begin_V: BoolArray) -> list[int]:
    """First value of each piece of constant level.

    Args:
        values_V: the track.
        price: of one more piece, as a sum of squared distances.
        may_begin_V: where a piece may begin; one always begins with the first value.
    """
    borders_J = np.union1d([0, len(values_V)], np.flatnonzero(may_begin_V))
    counts_IJ = _counts(borders_J)
    sums_IJ, squares_IJ = (_sums(term, borders_J) for term in (values_V, np.square(values_V)))
    return _cheapest(borders_J, squares_IJ - sums_IJ**2 / counts_IJ, price)


def line_pieces(at_V: FloatArray, values_V: FloatArray, price: float, shortest: float) -> list[int]:
    """First value of each piece that a straight line runs through.

    Args:
        at_V: where the values lie, ascending.
        values_V: the track.
        price: of one more piece, as a sum of squared distances.
        shortest: way from the first value of a piece to its last, at least; the whole is a piece of any length.
    """
    borders_J = np.arange(len(values_V) + 1)
    counts_IJ = _counts(borders_J)
    terms = (at_V, np.square(at_V), values_V, np.square(values_V), at_V * values_V)
    at_IJ, at_squares_IJ, sums_IJ, squares_IJ, products_IJ = (_sums(term, borders_J) for term in terms)
    spread_IJ = np.maximum(at_squares_IJ - at_IJ**2 / counts_IJ, 1e-9)
    joint_IJ = products_IJ - at_IJ * sums_IJ / counts_IJ
    cost_IJ = squares_IJ - sums_IJ**2 / counts_IJ - joint_IJ**2 / spread_IJ
    at_I, last_J = np.append(at_V, np.inf), np.insert(at_V, 0, -np.inf)
    is_piece_IJ = last_J[None, :] - at_I[:, None] >= shortest
    is_piece_IJ[0, -1] = True
    cost_IJ = np.where(is_piece_IJ, cost_IJ, np.inf)
    return _cheapest(borders_J, cost_IJ, price)


def _counts(borders_J: IntArray) -> FloatArray:
    """Values between two borders; 1 where there are none, which no piece is made of."""
    return np.asarray(np.maximum(borders_J[None, :] - borders_J[:, None], 1), dtype=np.float64)


def _sums(terms_V: FloatArray, borders_J: IntArray) -> FloatArray:
    sums_J = np.concatenate([[0.0], np.cumsum(terms_V)])[borders_J]
    return np.asarray(sums_J[None, :] - sums_J[:, None])


def _cheapest(borders_J: IntArray, cost_IJ: FloatArray, price: float) -> list[int]:
    """Where the pieces begin that cost least together, given what a piece from one border to another costs."""
    best_J = np.zeros(len(borders_J))
    begin_J = np.zeros(len(borders_J), dtype=np.int64)
    for place in range(1, len(borders_J)):
        total_I = best_J[:place] + cost_IJ[:place, place]
        begin_J[place] = total_I.argmin()
        best_J[place] = total_I[begin_J[place]] + price
    begins: list[int] = []
    place = len(borders_J) - 1
    while place > 0:
        place = int(begin_J[place])
        begins.append(int(borders_J[place]))
    return begins[::-1]
