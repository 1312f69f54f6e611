"""Which rows belong together, and a draw that is the same for all of them.

Enters: hashes of what rows may have in common. Leaves: numbers of groups, and a number in [0, 1) for each row.
Rows with a speaker, a Recording or samples in common are of one group, directly or through other rows; so a Recording
of two speakers keeps both in one split.

Shape suffixes: N rows, G groups.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Hashes = npt.NDArray[np.uint64]

NO_KEY = np.uint64(0)
"""Stands for a row of which something is unknown; it has it in common with no other."""


class Groups(NamedTuple):
    """The group of each row."""

    num_groups: int
    group_N: npt.NDArray[np.int32]


def hash_text(text: str) -> int:
    """A number from 1 to 2**64 - 1 that is the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) or 1


def grouped(keys: Sequence[Hashes]) -> Groups:
    """Numbers the connected components of rows, where an edge is a key in common.

    Args:
        keys: what rows may have in common, one array of N hashes for each kind.
    """
    edges = [_edges(key_N) for key_N in keys]
    start, end = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    num_rows = len(keys[0])
    graph = coo_array((np.ones(len(start), np.bool_), (start, end)), shape=(num_rows, num_rows))
    num_groups, group_N = connected_components(graph, directed=False)
    return Groups(int(num_groups), group_N)


def drawn(groups: Groups, key_N: Hashes, seed: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) per group, from the least of its keys: it stays when groups come and go.

    Args:
        groups: of the rows.
        key_N: what tells a row's group from others, none of them `NO_KEY`.
        seed: another seed gives other numbers.
    """
    key_G = np.full(groups.num_groups, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(key_G, groups.group_N, key_N)
    return np.array([hash_text(f"{seed} {key}") / 2**64 for key in key_G.tolist()])


def _edges(key_N: Hashes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of rows that chain all rows of the same key together."""
    order = np.argsort(key_N, kind="stable")
    ordered = key_N[order]
    same = (ordered[1:] == ordered[:-1]) & (ordered[1:] != NO_KEY)
    return order[:-1][same], order[1:][same]
