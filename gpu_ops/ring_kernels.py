"""Compiled searches over unusual payments; import inside functions, since numba is slow to load."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_MOST_TRAFFIC = 0.5
"""A fan over more of the feed's traffic than this leaves too little to tell it from a habit."""


@njit(cache=True)
def poisson_surprise(found: float, expected: float) -> float:
    """Return how far `found` events exceed `expected`, as a log-likelihood ratio in nats.

    The scan statistic of Kulldorff, A spatial scan statistic (1997), for a Poisson rate; 0 where
    there are fewer than expected.
    """
    if found <= expected:
        return 0.0
    return found * np.log(found / expected) - (found - expected)


@njit(cache=True)
def fan_windows(
    offset: NDArray[np.int64],
    other: NDArray[np.int32],
    at: NDArray[np.int64],
    before: NDArray[np.float64],
    through: NDArray[np.float64],
    prior: float,
    finest: float,
    horizon: int,
    min_fan: int,
    hub_counterparties: int,
    threshold: float,
    n_accounts: int,
) -> tuple[NDArray[np.int32], NDArray[np.float64], int]:
    """Find for each centre the windows in which it has surprisingly many counterparties.

    The events of centre c are offset[c]..offset[c + 1], ascending in time. The expectation of a
    window is its share of traffic times what the centre does outside of it and a prior. The
    strongest window is taken out and the search repeated while the evidence suffices.

    Returns:
        window: number of the window that each event is part of, -1 for none.
        surprise: nats, one a window.
        hubs: centres left out as hubs.
    """
    window = np.full(other.size, -1, dtype=np.int32)
    surprise = np.empty(other.size // max(1, min_fan) + 1)
    seen = np.full(n_accounts, -1, dtype=np.int64)
    token = np.int64(0)
    n_windows, hubs = 0, 0
    for centre in range(offset.size - 1):
        low, high = offset[centre], offset[centre + 1]
        remaining = high - low
        if remaining < min_fan:
            continue
        if _is_hub(other, at, low, high, horizon, hub_counterparties):
            hubs += 1
            continue
        while remaining >= min_fan:
            best, best_first, best_last = 0.0, low, low
            for first in range(low, high):
                if window[first] >= 0:
                    continue
                token += 1
                distinct, events = 0, 0
                for last in range(first, high):
                    if at[last] - at[first] > horizon:
                        break
                    if window[last] >= 0:
                        continue
                    events += 1
                    if seen[other[last]] != token:
                        seen[other[last]] = token
                        distinct += 1
                    if distinct < min_fan:
                        continue
                    share = max(through[last] - before[first], finest)
                    if share > _MOST_TRAFFIC:
                        break
                    found = poisson_surprise(distinct, share * (remaining - events + prior))
                    if found > best:
                        best, best_first, best_last = found, first, last
            if best < threshold:
                break
            for event in range(best_first, best_last + 1):
                if window[event] < 0:
                    window[event] = n_windows
                    remaining -= 1
            surprise[n_windows] = best
            n_windows += 1
    return window, surprise[:n_windows], hubs


@njit(cache=True)
def _is_hub(
    other: NDArray[np.int32],
    at: NDArray[np.int64],
    low: int,
    high: int,
    horizon: int,
    hub_counterparties: int,
) -> bool:
    """Return whether any window of the horizon holds too many events.

    Events stand for counterparties here, which they hardly outnumber: pairs are rare.
    """
    first = low
    for last in range(low, high):
        while at[last] - at[first] > horizon:
            first += 1
        if last - first + 1 > hub_counterparties:
            return True
    return False


@njit(cache=True)
def gather_scatter_windows(
    in_offset: NDArray[np.int64],
    in_at: NDArray[np.int64],
    in_before: NDArray[np.float64],
    in_through: NDArray[np.float64],
    out_offset: NDArray[np.int64],
    out_at: NDArray[np.int64],
    out_before: NDArray[np.float64],
    out_through: NDArray[np.float64],
    in_prior: float,
    out_prior: float,
    in_dispersion: float,
    out_dispersion: float,
    finest: float,
    horizon: int,
    min_side: int,
    hub_counterparties: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find for each centre its strongest gathering that is followed by a scattering.

    Returns:
        bounds: (centres, 4): first and last gathering event, first and last scattering event.
        surprise: nats of both sides together, (centres,); 0 where there is none.
    """
    n_centres = in_offset.size - 1
    bounds = np.zeros((n_centres, 4), dtype=np.int64)
    surprise = np.zeros(n_centres)
    for centre in range(n_centres):
        in_low, in_high = in_offset[centre], in_offset[centre + 1]
        out_low, out_high = out_offset[centre], out_offset[centre + 1]
        n_in, n_out = in_high - in_low, out_high - out_low
        if n_in < min_side or n_out < min_side:
            continue
        if n_in > 2 * hub_counterparties or n_out > 2 * hub_counterparties:
            continue
        for first in range(in_low, in_high):
            start = out_low
            for split in range(first + min_side - 1, in_high):
                if in_at[split] - in_at[first] > horizon:
                    break
                while start < out_high and out_at[start] < in_at[split]:
                    start += 1
                gathered = split - first + 1
                share = max(in_through[split] - in_before[first], finest)
                evidence = (
                    poisson_surprise(gathered, share * (n_in - gathered + in_prior)) / in_dispersion
                )
                for last in range(start + min_side - 1, out_high):
                    if out_at[last] - in_at[first] > horizon:
                        break
                    scattered = last - start + 1
                    share = max(out_through[last] - out_before[start], finest)
                    found = evidence + (
                        poisson_surprise(scattered, share * (n_out - scattered + out_prior))
                        / out_dispersion
                    )
                    if found > surprise[centre]:
                        surprise[centre] = found
                        bounds[centre, 0], bounds[centre, 1] = first, split
                        bounds[centre, 2], bounds[centre, 3] = start, last
    return bounds, surprise


@njit(cache=True)
def cycles_from_each_edge(
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    at: NDArray[np.int64],
    before: NDArray[np.float64],
    through: NDArray[np.float64],
    habitual: NDArray[np.bool_],
    offset: NDArray[np.int64],
    leaving: NDArray[np.int64],
    rate: NDArray[np.float64],
    finest: float,
    horizon: int,
    shortest: int,
    longest: int,
    steps_each: int,
    steps_total: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], int]:
    """Find for each edge the strongest simple cycle of which it is the earliest edge.

    Depth-first over edges later than the first and within the horizon, in any order of time: the
    share of steps that follow the one before is part of the choice. Chance would lead from account
    v on with expectation rate[v] x share of traffic; the product over the accounts is the number of
    such cycles to be expected, once for every start.

    Args:
        source: payer of each edge; edges ascend in time.
        target: payee of each edge.
        at: microseconds of each edge.
        before: share of traffic before each edge.
        through: share of traffic up to and with each edge.
        habitual: edges of which a cycle may hold at most one.
        offset: of `leaving`, by account.
        leaving: edges that leave an account, ascending.
        rate: unusual payments to be expected of each account in all.
        finest: smallest share of traffic of a window.
        horizon: microseconds.
        shortest: fewest edges.
        longest: most edges.
        steps_each: most steps from one edge.
        steps_total: most steps in all.

    Returns:
        paths: (found, longest) edges in the order of the path.
        lengths: (found,).
        surprise: (found,) nats.
        cut: edges whose search ended early.
    """
    n_edges = source.size
    paths = np.zeros((n_edges, longest), dtype=np.int64)
    lengths = np.zeros(n_edges, dtype=np.int64)
    surprise = np.zeros(n_edges)
    on_path = np.zeros(rate.size, dtype=np.bool_)
    path = np.zeros(longest, dtype=np.int64)
    cursor = np.zeros(longest, dtype=np.int64)
    spent, cut = 0, 0
    for start in range(n_edges):
        if spent >= steps_total:
            cut += n_edges - start
            break
        root, deadline, steps = source[start], at[start] + horizon, 0
        path[0] = start
        depth = 1
        habits = 1 if habitual[start] else 0
        on_path[root] = True
        on_path[target[start]] = True
        cursor[0] = _first_after(leaving, offset, target[start], start)
        best = -np.inf
        while depth > 0:
            here = target[path[depth - 1]]
            position = cursor[depth - 1]
            if steps >= steps_each:
                position = offset[here + 1]
            if position >= offset[here + 1]:
                on_path[here] = False
                depth -= 1
                if habitual[path[depth]]:
                    habits -= 1
                continue
            cursor[depth - 1] += 1
            edge = leaving[position]
            if at[edge] > deadline:
                cursor[depth - 1] = offset[here + 1]
                continue
            steps += 1
            if habitual[edge] and habits > 0:
                continue
            if target[edge] == root:
                if depth + 1 < shortest:
                    continue
                path[depth] = edge
                final = start
                expected, in_order = 0.0, 0
                for k in range(depth + 1):
                    final = max(final, path[k])
                    if k > 0 and at[path[k]] >= at[path[k - 1]]:
                        in_order += 1
                share = max(through[final] - before[start], finest)
                for k in range(depth + 1):
                    expected += np.log(rate[source[path[k]]] * share)
                # Among cycles alike, the one whose money moves on in the order of time.
                value = -expected * (0.5 + 0.5 * in_order / depth)
                if value > best:
                    best = value
                    surprise[start] = -expected
                    lengths[start] = depth + 1
                    paths[start, : depth + 1] = path[: depth + 1]
            elif not on_path[target[edge]] and depth + 1 < longest:
                on_path[target[edge]] = True
                if habitual[edge]:
                    habits += 1
                path[depth] = edge
                cursor[depth] = _first_after(leaving, offset, target[edge], start)
                depth += 1
        on_path[root] = False
        spent += steps
        if steps >= steps_each:
            cut += 1
    found = np.flatnonzero(lengths > 0)
    return paths[found], lengths[found], surprise[found], cut


@njit(cache=True)
def _first_after(
    leaving: NDArray[np.int64], offset: NDArray[np.int64], account: int, edge: int
) -> int:
    """Return the place of the first edge later than `edge` that leaves the account."""
    low = offset[account]
    return low + np.searchsorted(leaving[low : offset[account + 1]], edge, side="right")
