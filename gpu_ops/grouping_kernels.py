"""Compiled grouping of whole numbers without sorting; import inside functions."""

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled

_FEW = 1024
"""Numbers that a table has room for at first; a power of two."""


@compiled
def numbered(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number distinct keys in the order of their first appearance.

    The keys must be spread evenly over their low bits, as hashes are.

    Returns:
        Int32, (n,): each key's number; Int64: where each number appeared first.
    """
    numbers = np.empty(keys.size, dtype=np.int32)
    first = np.empty(_FEW, dtype=np.int64)
    row = count = 0
    while row < keys.size:
        if count == first.size:
            more = np.empty(4 * count, dtype=np.int64)
            more[:count] = first
            first = more
        row, count = _numbered_on(keys, row, count, numbers, first)
    return numbers, first[:count]


@compiled
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


@compiled
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


@compiled
def runs(
    offset: NDArray[np.int64], value: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Tell each value that repeats within a group once.

    Args:
        offset: Int64, (n_groups + 1,): where each group starts.
        value: Int64: ascending within each group.

    Returns:
        Where each group starts among what is left, the values, and how often each occurred.
    """
    starts = np.zeros_like(offset)
    told = np.empty(value.size, dtype=np.int64)
    count = np.empty(value.size, dtype=np.int64)
    size = 0
    for group in range(offset.size - 1):
        for place in range(offset[group], offset[group + 1]):
            if place > offset[group] and value[place] == value[place - 1]:
                count[size - 1] += 1
            else:
                told[size], count[size] = value[place], 1
                size += 1
        starts[group + 1] = size
    return starts, told[:size], count[:size]


@compiled
def places(
    offset: NDArray[np.int64],
    value: NDArray[np.int64],
    group: NDArray[np.int32],
    wanted: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return where values stand within groups that hold them, ascending."""
    found = np.empty(wanted.size, dtype=np.int64)
    for number in range(wanted.size):
        low, high = offset[group[number]], offset[group[number] + 1]
        while low < high:
            middle = (low + high) // 2
            if value[middle] < wanted[number]:
                low = middle + 1
            else:
                high = middle
        found[number] = low
    return found


@compiled
def deeds_of(  # noqa: PLR0917 - columns of one table
    offset: NDArray[np.int64],
    rows: NDArray[np.int64],
    payee: NDArray[np.int32],
    at: NDArray[np.int64],
    amount: NDArray[np.float64],
    most: int,
    burst: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the payments of rare pairs where more than a burst lies between two.

    Args:
        offset: Int64, (n_payers + 1,): where each payer's payments start.
        rows: Int64, (n,): in the order of (payer, time).
        payee: Int32, (n,).
        at: Int64, (n,).
        amount: Float64, (n,).
        most: most payments of a rare pair, unless all of them lie within a burst.
        burst: in the unit of `at`.

    Returns:
        Each part's first row, of one instant the one with the smallest amount, in the order of
        (payer, payee, time); and when the pair's next part begins, the largest integer if none
        does.
    """
    never = np.iinfo(np.int64).max
    first = np.empty(rows.size, dtype=np.int64)
    until = np.empty(rows.size, dtype=np.int64)
    largest = (offset[1:] - offset[:-1]).max() if offset.size > 1 else 0
    key, when = np.empty(largest, dtype=np.int64), np.empty(largest, dtype=np.int64)
    size = 0
    for payer in range(offset.size - 1):
        start, count = offset[payer], offset[payer + 1] - offset[payer]
        for number in range(count):
            row = rows[start + number]
            key[number] = np.int64(payee[row]) << 32 | number
            when[number] = at[row]
        key[:count].sort()
        low = 0
        while low < count:
            high = low + 1
            while high < count and key[high] >> 32 == key[low] >> 32:
                high += 1
            span = when[key[high - 1] & 0xFFFFFFFF] - when[key[low] & 0xFFFFFFFF]
            if high - low <= most or span <= burst:
                opened, last = never, never
                for place in range(low, high):
                    number = key[place] & 0xFFFFFFFF
                    row, moment = rows[start + number], when[number]
                    if place == low or moment - last > burst:
                        if place > low:
                            until[size - 1] = moment
                        first[size], until[size], opened = row, never, moment
                        size += 1
                    elif moment == opened and amount[row] < amount[first[size - 1]]:
                        first[size - 1] = row
                    last = moment
            low = high
    return first[:size], until[:size]
