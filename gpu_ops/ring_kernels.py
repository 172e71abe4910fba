"""Compiled searches around one account; import inside functions, since numba is slow to load."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MOST_TRAFFIC = 0.5
"""A fan over more of the feed's traffic than this leaves too little to tell it from a habit."""


class Events(NamedTuple):
    """Payments at one end, grouped by the account there, ascending in time within each group.

    Attributes:
        offset: Int64, (accounts + 1,): where each account's group starts.
        at: Int64: microseconds.
        before: Float64: share of the feed's traffic before each payment.
        through: Float64: share of the feed's traffic up to and with each payment.
        prior: payments to be expected besides an account's own.
        dispersion: by which evidence is divided.
    """

    offset: NDArray[np.int64]
    at: NDArray[np.int64]
    before: NDArray[np.float64]
    through: NDArray[np.float64]
    prior: float
    dispersion: float


class Limits(NamedTuple):
    """What bounds a search around one account.

    Attributes:
        finest: smallest share of traffic that a window counts as.
        horizon: microseconds.
        fewest: fewest counterparties on a side.
        hub_counterparties: most payments of one account within a horizon.
    """

    finest: float
    horizon: int
    fewest: int
    hub_counterparties: int


@njit(cache=True)
def poisson_surprise(found: float, expected: float) -> float:
    """Return how far `found` events exceed `expected`, as a log-likelihood ratio in nats.

    The scan statistic of Kulldorff, A spatial scan statistic (1997), for a Poisson rate; 0 where
    there are no more than expected.
    """
    if found <= expected:
        return 0.0
    nats: float = found * np.log(found / expected) - (found - expected)
    return nats


@njit(cache=True)
def fan_windows(
    events: Events,
    other: NDArray[np.int32],
    n_accounts: int,
    limits: Limits,
    threshold: float,
) -> tuple[NDArray[np.int32], NDArray[np.float64], int]:
    """Find for each centre the windows in which it has surprisingly many counterparties.

    The expectation of a window is its share of traffic times what the centre does outside of it
    and a prior. The strongest window is taken out and the search repeated while the evidence
    suffices.

    Returns:
        window: number of the window that each event is part of, -1 for none.
        surprise: nats over the dispersion, one a window.
        hubs: centres left out as hubs.
    """
    window = np.full(other.size, -1, dtype=np.int32)
    surprise = np.empty(other.size // limits.fewest + 1)
    seen = np.full(n_accounts, -1, dtype=np.int64)
    n_windows, hubs = 0, 0
    for centre in range(events.offset.size - 1):
        low, high = events.offset[centre], events.offset[centre + 1]
        remaining = high - low
        if remaining < limits.fewest:
            continue
        if _is_hub(events.at, low, high, limits):
            hubs += 1
            continue
        while remaining >= limits.fewest:
            best, first, last = _strongest(
                events, other, window, seen, low, high, remaining, limits
            )
            if best <= 0.0 or best < threshold:
                break
            for event in range(first, last + 1):
                if window[event] < 0:
                    window[event] = n_windows
                    remaining -= 1
            surprise[n_windows] = best
            n_windows += 1
    return window, surprise[:n_windows], hubs


@njit(cache=True)
def _strongest(  # noqa: C901, PLR0913, PLR0917 - a compiled loop shares its arrays, not a heap object
    events: Events,
    other: NDArray[np.int32],
    window: NDArray[np.int32],
    seen: NDArray[np.int64],
    low: int,
    high: int,
    remaining: int,
    limits: Limits,
) -> tuple[float, int, int]:
    """Return the surprise, first and last event of the strongest window of one centre.

    `seen` remembers for each account the first event of the last window that met it, so that it
    need not be cleared: no two windows of a search start at the same event.
    """
    best, best_first, best_last = 0.0, low, low
    for event in range(low, high):
        # A search before this one may have left marks of the same starts.
        seen[other[event]] = -1
    for first in range(low, high):
        if window[first] >= 0:
            continue
        distinct, inside = 0, 0
        for last in range(first, high):
            if events.at[last] - events.at[first] > limits.horizon:
                break
            if window[last] >= 0:
                continue
            inside += 1
            if seen[other[last]] != first:
                seen[other[last]] = first
                distinct += 1
            if distinct < limits.fewest:
                continue
            share = max(events.through[last] - events.before[first], limits.finest)
            if share > _MOST_TRAFFIC:
                break
            expected = share * (remaining - inside + events.prior)
            found = poisson_surprise(distinct, expected) / events.dispersion
            if found > best:
                best, best_first, best_last = found, first, last
    return best, best_first, best_last


@njit(cache=True)
def _is_hub(at: NDArray[np.int64], low: int, high: int, limits: Limits) -> bool:
    """Return whether any window of the horizon holds too many events.

    Events stand for counterparties here, which they hardly outnumber: pairs are rare.
    """
    first = low
    for last in range(low, high):
        while at[last] - at[first] > limits.horizon:
            first += 1
        if last - first + 1 > limits.hub_counterparties:
            return True
    return False


@njit(cache=True)
def gather_scatter_windows(  # noqa: C901 - one loop; more functions cost compilation
    gather: Events, scatter: Events, limits: Limits
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Find for each centre its strongest gathering that is followed by a scattering.

    Returns:
        bounds: (centres, 4): first and last gathering event, first and last scattering event.
        surprise: nats over the dispersion of both sides, (centres,); 0 where there is none.
        hubs: centres left out as hubs.
    """
    n_centres = gather.offset.size - 1
    bounds = np.zeros((n_centres, 4), dtype=np.int64)
    surprise = np.zeros(n_centres)
    hubs = 0
    for centre in range(n_centres):
        low, high = gather.offset[centre], gather.offset[centre + 1]
        out_low, out_high = scatter.offset[centre], scatter.offset[centre + 1]
        if high - low < limits.fewest or out_high - out_low < limits.fewest:
            continue
        if _is_hub(gather.at, low, high, limits) or _is_hub(scatter.at, out_low, out_high, limits):
            hubs += 1
            continue
        for first in range(low, high):
            start = out_low
            for split in range(first + limits.fewest - 1, high):
                if gather.at[split] - gather.at[first] > limits.horizon:
                    break
                while start < out_high and scatter.at[start] < gather.at[split]:
                    start += 1
                gathered = _side_surprise(gather, first, split, high - low, limits)
                deadline = gather.at[first] + limits.horizon
                for last in range(start + limits.fewest - 1, out_high):
                    if scatter.at[last] > deadline:
                        break
                    found = gathered + _side_surprise(
                        scatter, start, last, out_high - out_low, limits
                    )
                    if found > surprise[centre]:
                        surprise[centre] = found
                        bounds[centre, 0], bounds[centre, 1] = first, split
                        bounds[centre, 2], bounds[centre, 3] = start, last
    return bounds, surprise, hubs


@njit(cache=True)
def _side_surprise(events: Events, first: int, last: int, total: int, limits: Limits) -> float:
    """Return the surprise of a run of events of a centre that has `total` of them."""
    inside = last - first + 1
    share = max(events.through[last] - events.before[first], limits.finest)
    nats: float = poisson_surprise(inside, share * (total - inside + events.prior))
    return nats / events.dispersion
