"""Compiled tests of what an account does out of habit; import inside functions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled

_NEAR = 4
"""Of how many days of payments before and after one the interval is tried."""

_MOST_BY_CHANCE = (0.5, 0.25)
"""Where every second day would do, or every fourth with slack, an interval is no rhythm."""

_MONTH = 28
"""Days from which on an interval may vary: months do."""


class Rhythm(NamedTuple):
    """What a rhythm is.

    Attributes:
        beats: days in step.
        slack: a beat may be early or late by the interval over this.
    """

    beats: int
    slack: int


@compiled
def rhythmic(
    offset: NDArray[np.int64],
    day: NDArray[np.int64],
    count: NDArray[np.int64],
    asked: NDArray[np.int64],
    rule: Rhythm,
) -> NDArray[np.bool_]:
    """Return which days of payers are part of a long row of days at one interval.

    A day with more payments than the others of the row, and more to those rarely paid, is not
    explained by it.

    Args:
        offset: Int64, (accounts + 1,): where each payer's days start.
        day: Int64: days on which it paid, ascending and distinct within each payer.
        count: Int64, (2, days): payments on each of them, and deeds to those rarely paid.
        asked: Int64, (n,): places in `day`, those of a payer one after the other.
        rule: what a rhythm is.
    """
    found = np.zeros(asked.size, dtype=np.bool_)
    paid = np.zeros(2, dtype=np.int64)
    row = np.empty(rule.beats, dtype=np.int64)
    for number in range(asked.size):
        place = asked[number]
        account = account_at(offset, place)
        low, high = offset[account], offset[account + 1]
        if high - low < rule.beats:
            continue
        for other in range(max(low, place - _NEAR), min(high, place + _NEAR + 1)):
            gap = abs(day[place] - day[other])
            shortest = (rule.beats - 1) * (gap - slack_of(gap, rule.slack))
            if gap == 0 or shortest > day[high - 1] - day[low]:
                continue
            paid[:] = 0
            before, first, _ = beats_back(day, count, low, place, gap, rule, paid, row)
            after, last = _beats_on(day, count, high, place, gap, rule, paid)
            if (
                before + after - 1 >= rule.beats
                and is_usual(count, place, before + after - 2, paid)
                and is_selective(day, first, last, gap, rule)
            ):
                found[number] = True
                break
    return found


@compiled
def rhythmic_since(
    offset: NDArray[np.int64],
    day: NDArray[np.int64],
    count: NDArray[np.int64],
    asked: NDArray[np.int64],
    rule: Rhythm,
) -> NDArray[np.int64]:
    """Return the day from which on a payment was to be expected by those before it.

    Args:
        offset: see `rhythmic`.
        day: see `rhythmic`.
        count: see `rhythmic`.
        asked: see `rhythmic`.
        rule: what a rhythm is; so many beats make it known.
    """
    since = np.full(asked.size, np.iinfo(np.int64).max)
    paid = np.zeros(2, dtype=np.int64)
    row = np.empty(rule.beats, dtype=np.int64)
    for number in range(asked.size):
        place = asked[number]
        low = offset[account_at(offset, place)]
        for other in range(max(low, place - _NEAR), place):
            gap = day[place] - day[other]
            paid[:] = 0
            beats, first, known = beats_back(day, count, low, place, gap, rule, paid, row)
            if (
                beats > rule.beats
                and is_usual(count, place, beats - 1, paid)
                and is_selective(day, first, place, gap, rule)
            ):
                since[number] = min(since[number], day[known])
    return since


@compiled
def account_at(offset: NDArray[np.int64], place: int) -> int:
    """Return the account whose group a place lies in."""
    low, high = 0, offset.size - 1
    while low < high:
        middle = (low + high) // 2
        if offset[middle + 1] <= place:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def is_usual(count: NDArray[np.int64], place: int, others: int, paid: NDArray[np.int64]) -> bool:
    """Return whether a day's payments, or those to the rarely paid, are as many as on others."""
    all_of_them = 2 * others * count[0, place] <= 2 * paid[0] + others
    to_rare = 2 * others * count[1, place] <= 2 * paid[1] + others
    usual: bool = all_of_them or to_rare
    return usual


@compiled
def is_selective(day: NDArray[np.int64], first: int, last: int, gap: int, rule: Rhythm) -> bool:
    """Return whether days at random would seldom fall into step: else no row proves a rhythm."""
    days = day[last] - day[first] + 1
    slack = slack_of(gap, rule.slack)
    chance = (last - first + 1) * (2 * slack + 1) / days
    selective: bool = chance <= _MOST_BY_CHANCE[0 if slack == 0 else 1]
    return selective


@compiled
def slack_of(gap: int, slack: int) -> int:
    """Return by how many days a beat may be early or late."""
    return gap // slack if gap >= _MONTH else 0


@compiled
def beats_back(  # noqa: PLR0913, PLR0917 - a compiled helper without a heap object
    day: NDArray[np.int64],
    count: NDArray[np.int64],
    low: int,
    place: int,
    gap: int,
    rule: Rhythm,
    paid: NDArray[np.int64],
    row: NDArray[np.int64],
) -> tuple[int, int, int]:
    """Return how many days keep an interval up to a place, the first one, and which made it known.

    Known is the interval with the earliest `rule.beats` of them. What was paid on those before the
    place is added to `paid`; `row` is room for `rule.beats` places.
    """
    slack = slack_of(gap, rule.slack)
    beats, first, due = 1, place, day[place] - gap
    row[0] = place
    for earlier in range(place - 1, low - 1, -1):
        if day[earlier] < due - slack:
            break
        if day[earlier] <= due + slack:
            row[beats % rule.beats] = earlier
            beats += 1
            first = earlier
            paid[0] += count[0, earlier]
            paid[1] += count[1, earlier]
            due = day[earlier] - gap
    # The row was filled backwards: its oldest entry is the latest of the earliest days.
    return beats, first, row[beats % rule.beats] if beats >= rule.beats else -1


@compiled
def _beats_on(  # noqa: PLR0917 - a compiled helper without a heap object
    day: NDArray[np.int64],
    count: NDArray[np.int64],
    high: int,
    place: int,
    gap: int,
    rule: Rhythm,
    paid: NDArray[np.int64],
) -> tuple[int, int]:
    """Return how many days keep an interval from a place on, it included, and the last one."""
    slack = slack_of(gap, rule.slack)
    beats, last, due = 1, place, day[place] + gap
    for later in range(place + 1, high):
        if day[later] > due + slack:
            break
        if day[later] >= due - slack:
            beats += 1
            last = later
            paid[0] += count[0, later]
            paid[1] += count[1, later]
            due = day[later] + gap
    return beats, last


@compiled
def habitual_since(  # noqa: PLR0913, PLR0917 - what is kept is carried on in place
    account: NDArray[np.int32],
    at: NDArray[np.int64],
    ordinary: NDArray[np.int64],
    new: int,
    begin: int,
    horizon: int,
    limit: float,
    count: NDArray[np.int64],
    first: NDArray[np.int64],
    known: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return from when on each payment was known to be of a habit or a rhythm, whichever is first.

    A habit takes payments to new counterparties out of rhythm over two horizons or more, and more
    than `limit` of them a horizon. The last horizon does not count: a burst is no habit of itself.

    Args:
        account: Int32, (m,): payers, in the order of time: those of the horizon before the new
            payments, or more, then those of the new ones.
        at: Int64, (m,): microseconds.
        ordinary: Int64, (m,): from when on each was known to be of a rhythm; of those before the
            new ones, what was returned.
        new: how many were there before.
        begin: from when on payments are looked at.
        horizon: microseconds.
        limit: new counterparties a horizon.
        count: Int64, (accounts,): payments out of rhythm and habit so far, carried on.
        first: Int64, (accounts,): when the first of them was, carried on.
        known: Int64, (accounts,): when a habit became known, the largest integer if none did;
            carried on.

    Returns:
        Of the new ones: from when on, and how many of `count` there were before. Int64, (m - new,).
    """
    never = np.iinfo(np.int64).max
    since, before = np.empty((2, at.size - new), dtype=np.int64)
    following = np.full(at.size, -1, dtype=np.int64)
    oldest = np.full(count.size, -1, dtype=np.int64)
    latest = np.full(count.size, -1, dtype=np.int64)
    inside = np.zeros(count.size, dtype=np.int64)
    unusual = ordinary == never
    for place in range(at.size):
        one, now = account[place], at[place]
        if place >= new:
            while oldest[one] >= 0 and at[oldest[one]] <= now - horizon:
                inside[one] -= unusual[oldest[one]]
                oldest[one] = following[oldest[one]]
            away = count[one] - inside[one]
            often = away > limit * max(1.0, (now - horizon - begin) / horizon)
            since[place - new] = min(ordinary[place], known[one])
            if known[one] == never and often and now - first[one] >= 2 * horizon:
                known[one] = now
            before[place - new] = count[one]
            unusual[place] = since[place - new] == never
            if unusual[place]:
                if count[one] == 0:
                    first[one] = now
                count[one] += 1
        inside[one] += unusual[place]
        if oldest[one] < 0:
            oldest[one] = place
        else:
            following[latest[one]] = place
        latest[one] = place
    return since, before


@compiled
def near_counts(offset: NDArray[np.int64], at: NDArray[np.int64], within: int) -> NDArray[np.int64]:
    """Return how many of its group, itself too, lie within a time before or after each.

    Args:
        offset: Int64, (n_groups + 1,): where each group starts.
        at: Int64: ascending within each group.
        within: in the unit of `at`.
    """
    near = np.empty(at.size, dtype=np.int64)
    for group in range(offset.size - 1):
        low = high = offset[group]
        for place in range(offset[group], offset[group + 1]):
            while at[place] - at[low] > within:
                low += 1
            while high < offset[group + 1] and at[high] - at[place] <= within:
                high += 1
            near[place] = high - low
    return near
