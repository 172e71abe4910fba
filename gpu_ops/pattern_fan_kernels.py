"""Compiled searches for fans around one account; import inside functions, numba is slow to load."""

import math

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled, inlined
from gpu_ops.pattern_habit_kernels import slack_of
from gpu_ops.pattern_windows import Flow, Scan, Side, crowded, ends_here, reach, window_nats


@compiled
def fan_windows(  # noqa: C901, PLR0912 - one loop; more functions cost compilation
    flow: Flow, side: Side, scan: Scan
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Find for each place the window ending there with the most surprising counterparties.

    Returns:
        first: first place of the window, -1 for none.
        nats: evidence in all but the first deed, which may be any of the feed's.
        hubs: accounts, as known with each day, of which windows were left out as a hub's.
    """
    first = np.full(side.deeds.size, -1, dtype=np.int64)
    nats = np.zeros(side.deeds.size)
    pending = np.zeros(scan.hub + 1, dtype=np.int64)
    hubs = 0
    for account in range(side.offset.size - 1):
        low, high = side.offset[account], side.offset[account + 1]
        if high - low < scan.fewest or flow.at[side.deeds[high - 1]] < scan.begin:
            continue
        is_hub = not scan.known and crowded(flow, side, scan, low, high)
        for last in range(low + scan.fewest - 1, high):
            closing = side.deeds[last]
            if is_hub and not scan.known:
                break
            if flow.at[closing] < scan.begin or not ends_here(flow, side, scan, last, high):
                continue
            earliest = reach(flow, side, scan, low, last)
            if earliest < 0:
                is_hub = True
                hubs += scan.known
                continue
            found, waiting = 0, 0
            for start in range(last, earliest - 1, -1):
                deed = side.deeds[start]
                counts = side.end == 1 or not flow.began[deed]
                if counts and flow.again[deed] > flow.at[closing]:
                    pending[waiting] = flow.since[deed]
                    waiting += 1
                if start > earliest and flow.at[side.deeds[start - 1]] == flow.at[deed]:
                    continue
                # What became ordinary inside of the window was not so before it.
                position = 0
                while position < waiting:
                    if pending[position] >= flow.at[deed]:
                        found += 1
                        waiting -= 1
                        pending[position] = pending[waiting]
                    else:
                        position += 1
                if found < scan.fewest:
                    continue
                evidence = window_nats(
                    flow, side, scan, low, high, start, last, found - 1.0,
                    max(scan.least, nats[last]),
                )  # fmt: skip
                if evidence > nats[last]:
                    nats[last], first[last] = evidence, start
        hubs += is_hub and not scan.known
    return first, nats, hubs


@compiled
def schedules(  # noqa: C901, PLR0912 - one loop; more functions cost compilation
    flow: Flow, side: Side, scan: Scan, slack: int
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
]:
    """Find for each place the deeds at one interval that end there, and how unlikely they are.

    The chance that so many of an account's deeds fall into step is that of any first two of them
    setting an interval and of each further one finding a deed where it should be.

    Args:
        flow: see `Flow`.
        side: the accounts that may keep a schedule.
        scan: see `Scan`.
        slack: a beat may be early or late by the interval over this, where intervals may vary.

    Returns:
        step: days of the interval, 0 for none.
        beats: deeds in step.
        late: days by which a beat may be early or late.
        of_habit: evidence in so many deeds.
        of_order: evidence in their being in step.
    """
    step = np.zeros(side.deeds.size, dtype=np.int64)
    beats = np.zeros(side.deeds.size, dtype=np.int64)
    late = np.zeros(side.deeds.size, dtype=np.int64)
    of_habit = np.zeros(side.deeds.size)
    of_order = np.zeros(side.deeds.size)
    day = flow.day[side.deeds]
    for account in range(side.offset.size - 1):
        low, high = side.offset[account], side.offset[account + 1]
        if high - low < scan.fewest or flow.at[side.deeds[high - 1]] < scan.begin:
            continue
        if not scan.known and crowded(flow, side, scan, low, high):
            continue
        for last in range(low + scan.fewest - 1, high):
            closing = side.deeds[last]
            if flow.at[closing] < scan.begin:
                continue
            earliest = reach(flow, side, scan, low, last)
            if earliest < 0:
                continue
            # What comes before the second must be enough.
            for second in range(last - 1, earliest + scan.fewest - 3, -1):
                gap = day[last] - day[second]
                if gap <= 0:
                    continue
                loose = slack_of(gap, slack)
                # Exactly or loosely in step, and with all beats or all but one.
                for variant in range(4 if loose > 0 else 2):
                    leeway = loose * (variant // 2)
                    count, opening, missed = beats_before(
                        day, earliest, second, gap, leeway, variant % 2
                    )
                    count += 1
                    if count < scan.fewest:
                        continue
                    inside = last - opening + 1
                    days = max(1, day[last] - day[opening])
                    hit = min(1.0, inside * (2 * leeway + 1) / days)
                    order = -math.log(inside * inside / 2.0) - (count - 2) * math.log(hit)
                    if missed > 0:
                        # Any of the beats might have been the one.
                        order -= math.log(count)
                    if order <= 0.0:
                        continue
                    best = of_habit[last] + of_order[last]
                    habit = window_nats(
                        flow, side, scan, low, high, opening, last, inside - 1.0,
                        max(scan.least, best) - order,
                    )  # fmt: skip
                    if order + habit > best:
                        of_habit[last], of_order[last] = habit, order
                        step[last], beats[last], late[last] = gap, count, leeway
    return step, beats, late, of_habit, of_order


@inlined
def beats_before(
    day: NDArray[np.int64], low: int, place: int, gap: int, slack: int, most_missed: int
) -> tuple[int, int, int]:
    """Return how many deeds keep an interval up to a place, it included.

    A beat is missing where the payment was to somebody usual.

    Returns:
        How many, the place of the first, and how many beats between them are missing, of
        `most_missed` at most.
    """
    count, reached, missed, skipped = 1, place, 0, 0
    due = day[place] - gap
    for earlier in range(place - 1, low - 1, -1):
        while day[earlier] < due - slack and skipped <= most_missed:
            due -= gap
            skipped += 1
        if skipped > most_missed:
            break
        if day[earlier] <= due + slack:
            count += 1
            reached, missed = earlier, skipped
            due = day[earlier] - gap
    return count, reached, missed
