"""Compiled ranks within sliding windows; import inside functions, since numba is slow to load."""

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled


@compiled
def _add(tree: NDArray[np.int64], place: int, change: int, size: int) -> None:
    """Add to a value of the binary indexed tree; places count from 0."""
    node = place + 1
    while node <= size:
        tree[node] += change
        node += node & -node


@compiled
def _below(tree: NDArray[np.int64], place: int) -> int:
    """Sum of the values before a place."""
    total = 0
    node = place
    while node > 0:
        total += tree[node]
        node -= node & -node
    return total


@compiled
def window_ranks(
    origin: NDArray[np.int64],
    key: NDArray[np.int64],
    value: NDArray[np.float64],
    length: int,
    delay: int,
) -> NDArray[np.float64]:
    """Rank each value among those of its entity in its window.

    One pass of two pointers an entity over a binary indexed tree (Fenwick 1994, A new data
    structure for cumulative frequency tables) of the entity's different values: n log n steps,
    however many rows one entity has.

    Args:
        origin: rows of one entity share it and lie side by side.
        key: time, ascending within an entity.
        value: to be ranked; NaN is no value.
        length: of the window, which starts at ``key - delay - length``.
        delay: the window ends before ``key - delay``.

    Returns:
        The share of values in the window below the row's own, with equal ones half; NaN where the
        window or the row has none.
    """
    found = np.full(key.size, np.nan)
    tree = np.zeros(key.size + 1, dtype=np.int64)
    start = 0
    while start < key.size:
        stop = start + 1
        while stop < key.size and origin[stop] == origin[start]:
            stop += 1
        mine = value[start:stop]
        different = np.unique(mine[~np.isnan(mine)])
        place = np.searchsorted(different, mine)
        size = different.size
        tree[: size + 1] = 0
        oldest = newest = start
        inside = 0
        for row in range(start, stop):
            while newest < row and key[newest] < key[row] - delay:
                if not np.isnan(value[newest]):
                    _add(tree, place[newest - start], 1, size)
                    inside += 1
                newest += 1
            while oldest < newest and key[oldest] < key[row] - delay - length:
                if not np.isnan(value[oldest]):
                    _add(tree, place[oldest - start], -1, size)
                    inside -= 1
                oldest += 1
            if inside > 0 and not np.isnan(value[row]):
                less = _below(tree, place[row - start])
                upto = _below(tree, place[row - start] + 1)
                found[row] = (less + 0.5 * (upto - less)) / inside
        start = stop
    return found
