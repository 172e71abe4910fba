"""The compiled search for cycles; import inside functions, since numba is slow to load."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class CycleEdges(NamedTuple):
    """Payments between accounts 0..n-1, ascending in time, and the same by payer.

    Attributes:
        source: Int32, (m,): payer.
        target: Int32, (m,): payee.
        at: Int64, (m,): microseconds.
        before: Float64, (m,): share of the feed's traffic before each payment.
        through: Float64, (m,): share of the feed's traffic up to and with each payment.
        habitual: Boolean, (m,): of these a cycle may hold at most one.
        offset: Int64, (n + 1,): where each account's part of `leaving` starts.
        leaving: Int64, (m,): payments by payer, ascending within each.
        rate: Float64, (n,): payments to be expected of each account in all the time.
    """

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    at: NDArray[np.int64]
    before: NDArray[np.float64]
    through: NDArray[np.float64]
    habitual: NDArray[np.bool_]
    offset: NDArray[np.int64]
    leaving: NDArray[np.int64]
    rate: NDArray[np.float64]


class CycleLimits(NamedTuple):
    """What bounds the search.

    Attributes:
        finest: smallest share of traffic that a window counts as.
        horizon: microseconds.
        shortest: fewest payments of a cycle.
        longest: most payments of a cycle.
        steps_each: most steps from one payment.
        steps_total: most steps in all.
    """

    finest: float
    horizon: int
    shortest: int
    longest: int
    steps_each: int
    steps_total: int


@njit(cache=True)
def cycles_from_each_edge(  # noqa: C901 - one loop; more functions cost seconds of compilation
    edges: CycleEdges, limits: CycleLimits
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], int]:
    """Find for each payment the strongest simple cycle of which it is the earliest.

    Depth-first over payments later than the first and within the horizon, in any order of time;
    how well that order is kept is part of the choice.

    Returns:
        paths: (m, longest): payments in the order of the path.
        lengths: (m,); 0 where there is no cycle.
        surprise: (m,) nats.
        cut: payments whose search ended early.
    """
    n_edges = edges.source.size
    paths = np.zeros((n_edges, limits.longest), dtype=np.int64)
    lengths = np.zeros(n_edges, dtype=np.int64)
    surprise = np.zeros(n_edges)
    on_path = np.zeros(edges.rate.size, dtype=np.bool_)
    path = np.zeros(limits.longest, dtype=np.int64)
    cursor = np.zeros(limits.longest, dtype=np.int64)
    spent, cut = 0, 0
    for start in range(n_edges):
        if spent >= limits.steps_total:
            cut += n_edges - start
            break
        best, steps = -np.inf, 0
        root = edges.source[start]
        on_path[root] = True
        depth = _step_onto(edges, start, start, 0, path, cursor, on_path)
        habits = 1 if edges.habitual[start] else 0
        while depth > 0:
            here = edges.target[path[depth - 1]]
            edge = _next_edge(edges, limits, here, start, depth, cursor)
            if edge < 0 or steps >= limits.steps_each:
                on_path[here] = False
                depth -= 1
                habits -= 1 if edges.habitual[path[depth]] else 0
                continue
            steps += 1
            if edges.habitual[edge] and habits > 0:
                continue
            onward = edges.target[edge]
            if onward == root and depth + 1 >= limits.shortest:
                path[depth] = edge
                nats, ordered = _evidence(edges, limits, path, depth + 1)
                # Among cycles alike, the one whose money moves on in the order of time.
                if nats * (0.5 + 0.5 * ordered) > best:
                    best = nats * (0.5 + 0.5 * ordered)
                    surprise[start], lengths[start] = nats, depth + 1
                    for k in range(depth + 1):
                        paths[start, k] = path[k]
            elif not on_path[onward] and depth + 1 < limits.longest:
                habits += 1 if edges.habitual[edge] else 0
                depth = _step_onto(edges, edge, start, depth, path, cursor, on_path)
        on_path[root] = False
        spent += steps
        if steps >= limits.steps_each:
            cut += 1
    return paths, lengths, surprise, cut


@njit(cache=True)
def _step_onto(  # noqa: PLR0917 - a compiled loop shares its arrays, not a heap object
    edges: CycleEdges,
    edge: int,
    start: int,
    depth: int,
    path: NDArray[np.int64],
    cursor: NDArray[np.int64],
    on_path: NDArray[np.bool_],
) -> int:
    """Put a payment on the path and its payee's first payment after `start` under the cursor."""
    account = edges.target[edge]
    path[depth] = edge
    on_path[account] = True
    low, high = edges.offset[account], edges.offset[account + 1]
    while low < high:
        middle = (low + high) // 2
        if edges.leaving[middle] <= start:
            low = middle + 1
        else:
            high = middle
    cursor[depth] = low
    return depth + 1


@njit(cache=True)
def _next_edge(
    edges: CycleEdges,
    limits: CycleLimits,
    here: int,
    start: int,
    depth: int,
    cursor: NDArray[np.int64],
) -> int:
    """Return the next payment that leaves the path's end within the horizon, -1 for none."""
    position = cursor[depth - 1]
    if position >= edges.offset[here + 1]:
        return -1
    edge = edges.leaving[position]
    if edges.at[edge] - edges.at[start] > limits.horizon:
        return -1
    cursor[depth - 1] += 1
    found: int = edge
    return found


@njit(cache=True)
def _evidence(
    edges: CycleEdges, limits: CycleLimits, path: NDArray[np.int64], length: int
) -> tuple[float, float]:
    """Return the nats of a cycle and the share of its steps that follow the one before.

    Chance leads from an account on with expectation rate x share of traffic; the product over the
    accounts is the number of such cycles to be expected from all starts together.
    """
    final, ordered = path[0], 0
    for k in range(1, length):
        final = max(final, path[k])
        if edges.at[path[k]] >= edges.at[path[k - 1]]:
            ordered += 1
    share = max(edges.through[final] - edges.before[path[0]], limits.finest)
    nats = 0.0
    for k in range(length):
        nats -= np.log(edges.rate[edges.source[path[k]]] * share)
    return nats, ordered / (length - 1)
