"""Compiled grouping of whole numbers without sorting; import inside functions."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_FEW = 1024
"""Numbers that a table has room for at first; a power of two."""


@njit(cache=True, nogil=True)
def numbered(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number distinct keys in the order of their first appearance.

    The keys must be spread evenly over their low bits, as hashes are.

    Returns:
        Int32, (n,): each key's number; Int64: where each number appeared first.
    """
    numbers = np.empty(keys.size, dtype=np.int32)
    first = np.empty(_FEW, dtype=np.int64)
    row, count = _numbered_on(keys, 0, 0, numbers, first)
    while row < keys.size:
        more = np.empty(4 * first.size, dtype=np.int64)
        more[:count] = first[:count]
        first = more
        row, count = _numbered_on(keys, row, count, numbers, first)
    return numbers, first[:count]


@njit(cache=True)
def _numbered_on(
    keys: NDArray[np.uint64],
    row: int,
    count: int,
    numbers: NDArray[np.int32],
    first: NDArray[np.int64],
) -> tuple[int, int]:
    """Number keys from a row on until `first` is full; return how far, and how many there are."""
    # Never more than half full: a key is found in a step or two.
    held = np.empty(2 * first.size, dtype=np.uint64)
    holder = np.full(2 * first.size, -1, dtype=np.int32)
    last = np.uint64(holder.size - 1)
    one = np.uint64(1)
    for number in range(count):
        key = keys[first[number]]
        place = key & last
        while holder[place] >= 0:
            place = (place + one) & last
        held[place], holder[place] = key, number
    while row < keys.size:
        key = keys[row]
        place = key & last
        while holder[place] >= 0 and held[place] != key:
            place = (place + one) & last
        if holder[place] < 0:
            if count == first.size:
                break
            held[place], holder[place], first[count] = key, count, row
            count += 1
        numbers[row] = holder[place]
        row += 1
    return row, count


@njit(cache=True, nogil=True)
def in_groups(
    group: NDArray[np.int32], rows: NDArray[np.int64], n_groups: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order rows by group, those of a group as they came.

    Args:
        group: Int32: group 0 to `n_groups` - 1 of every row.
        rows: Int64, (n,): the rows to order.
        n_groups: number of groups, also of those without a row.

    Returns:
        Int64, (n_groups + 1,): where each group starts; Int64, (n,): the rows.
    """
    offset = np.zeros(n_groups + 1, dtype=np.int64)
    for row in rows:
        offset[group[row] + 1] += 1
    for number in range(n_groups):
        offset[number + 1] += offset[number]
    following = offset[:-1].copy()
    ordered = np.empty(rows.size, dtype=np.int64)
    for row in rows:
        ordered[following[group[row]]] = row
        following[group[row]] += 1
    return offset, ordered
