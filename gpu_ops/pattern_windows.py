"""Deeds as arrays for compiled searches, and the evidence in a window of one account's deeds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import inlined
from gpu_ops.pattern_evidence import excess_nats

MOST_TRAFFIC = 0.9
"""What takes more of the feed's traffic than this leaves too little to tell it from a habit."""

_OWN_PAST = 5
"""Fewest deeds outside of a window from which an account's own rate may be told."""

_UNLIKE_PEERS = 3.0
"""An account that does so many times what its peers do is judged by itself."""


class Flow(NamedTuple):
    """Deeds in the order of time, as the kernels read them.

    Attributes:
        number: Int64, (m,): deeds of the feed before, ascending.
        source: Int32, (m,): payer.
        target: Int32, (m,): payee.
        at: Int64, (m,): microseconds of the first payment.
        day: Int64, (m,): its UTC day.
        before: Float64, (m,): all payments of the feed on earlier days, the clock of rates: a week
            in which everybody pays more is no burst of any one account.
        through: Float64, (m,): all payments up to the end of the day.
        again: Int64, (m,): when the pair's next deed follows, the largest integer if never.
        began: Boolean, (m,): as known, of a day on which its payer only begins to pay: no part of a
            fan-out.
        since: Int64, (m,): from when on the deed is known to be ordinary, the largest if never.
        shape: Float64, (2, m): shape of the prior over payers' and payees' rates.
        weight: Float64, (2, m): payments of the feed in which the prior counts that many deeds.
        fresh: Float64, (2, m): share of deeds that do not just follow others of their account.
        accounts: Float64, (m,): accounts known by then.
    """

    number: NDArray[np.int64]
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    at: NDArray[np.int64]
    day: NDArray[np.int64]
    before: NDArray[np.float64]
    through: NDArray[np.float64]
    again: NDArray[np.int64]
    began: NDArray[np.bool_]
    since: NDArray[np.int64]
    shape: NDArray[np.float64]
    weight: NDArray[np.float64]
    fresh: NDArray[np.float64]
    accounts: NDArray[np.float64]


class Side(NamedTuple):
    """Deeds grouped by the account at one end, ascending in time within each group.

    Attributes:
        offset: Int64, (accounts + 1,): where each account's group starts.
        deeds: Int64: positions in `Flow`.
        end: 0 for payers, 1 for payees: which prior holds.
        before: Int64: how many deeds of its account lie before each, those not in the group, too.
    """

    offset: NDArray[np.int64]
    deeds: NDArray[np.int64]
    end: int
    before: NDArray[np.int64]


class Scan(NamedTuple):
    """What bounds a search.

    Attributes:
        known: ordinary is what was so before a window; else what is so outside of it.
        begin: microseconds; only windows that end then or later are looked at.
        horizon: microseconds.
        fewest: fewest counterparties on a side.
        hub: most deeds of one account within the horizon.
        least: nats; windows that have surely no more are passed over.
    """

    known: bool
    begin: int
    horizon: int
    fewest: int
    hub: int
    least: float


@inlined
def window_nats(  # noqa: PLR0913, PLR0917 - a compiled helper without a heap object
    flow: Flow,
    side: Side,
    scan: Scan,
    low: int,
    high: int,
    first: int,
    last: int,
    found: float,
    least: float,
) -> float:
    """Return the evidence in `found` counterparties of one account between two of its places.

    What is surely no more than `least` is told as 0.

    An account that its peers do not explain is judged by its own past alone, as limited translation
    estimators do (Efron and Morris, Limiting the risk of Bayes and empirical Bayes estimators,
    1972): else a shop among private people would always be surprising.
    """
    opening, closing = side.deeds[first], side.deeds[last]
    width = max(flow.through[closing] - flow.before[opening], 1.0)
    if scan.known:
        outside, total = side.before[first], flow.through[closing]
    else:
        outside, total = (high - low) - (last - first + 1), flow.through[-1]
    if width > MOST_TRAFFIC * total:
        return 0.0
    shape, weight = flow.shape[side.end, opening], flow.weight[side.end, opening]
    if outside >= _OWN_PAST and outside > _UNLIKE_PEERS * shape / weight * (total - width):
        shape, weight = 1.0, 0.0
    fresh = flow.fresh[side.end, opening]
    nats: float = excess_nats(
        found * fresh, outside * fresh, shape, width / (total + weight / fresh), least
    )
    return nats


@inlined
def ends_here(flow: Flow, side: Side, scan: Scan, place: int, high: int) -> bool:
    """Return whether a window may end at this place: with a day's last deed, or an instant's."""
    if place + 1 >= high:
        return True
    this, following = side.deeds[place], side.deeds[place + 1]
    when = flow.day if scan.known else flow.at
    last: bool = when[this] != when[following]
    return last


@inlined
def reach(flow: Flow, side: Side, scan: Scan, low: int, place: int) -> int:
    """Return the first place within the horizon before a place, -1 if a hub's."""
    first = place
    final = flow.at[side.deeds[place]]
    while first > low and final - flow.at[side.deeds[first - 1]] <= scan.horizon:
        first -= 1
        if place - first >= scan.hub:
            return -1
    return first


@inlined
def crowded(flow: Flow, side: Side, scan: Scan, low: int, high: int) -> bool:
    """Return whether an account ever has too many deeds within the horizon."""
    first = low
    for last in range(low, high):
        while flow.at[side.deeds[last]] - flow.at[side.deeds[first]] > scan.horizon:
            first += 1
        if last - first >= scan.hub:
            return True
    return False


@inlined
def last_at(flow: Flow, side: Side, low: int, high: int, at: int) -> int:
    """Return the last place of a group that is not later than a time; `low` - 1 for none."""
    while low < high:
        middle = (low + high) // 2
        if flow.at[side.deeds[middle]] <= at:
            low = middle + 1
        else:
            high = middle
    return low - 1


@inlined
def first_at(flow: Flow, side: Side, account: int, at: int) -> int:
    """Return an account's first place that is not earlier than a time."""
    low, high = side.offset[account], side.offset[account + 1]
    while low < high:
        middle = (low + high) // 2
        if flow.at[side.deeds[middle]] < at:
            low = middle + 1
        else:
            high = middle
    first: int = low
    return first
