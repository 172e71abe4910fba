"""Money along paths: cycles, and chains of payments passed on."""

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpu_ops.pattern_candidate import Candidate, Found, balance, passed_on_nats
from gpu_ops.pattern_deeds import DAY, MICROSECOND, NEVER
from gpu_ops.pattern_fans import scan_of
from gpu_ops.pattern_ordinary import View
from gpu_ops.read_only import read_only
from gpu_ops.ring_params import RingParams

if TYPE_CHECKING:
    from gpu_ops.pattern_path_kernels import PathLimits


def cycles(view: View, params: RingParams, begin: int) -> Found:
    """Return cycles within the burst horizon, each found with the deed that closes it.

    As known, each day is searched with the 30 days before it; in hindsight whole horizons at once.
    """
    found = Found()
    at = view.deeds.at
    if at.size == 0:
        return found
    horizon = params.horizon // MICROSECOND
    stride = DAY if view.known else horizon
    closes = at[at >= begin]
    for number in np.unique(closes // stride).tolist():
        start = max(int(number) * stride, begin)
        stop = (int(number) + 1) * stride
        low = int(np.searchsorted(at, int(number) * stride - horizon, "left"))
        high = int(np.searchsorted(at, stop, "left"))
        found.add(_cycles_between(view, params, low, high, start))
    return found


def _cycles_between(view: View, params: RingParams, low: int, high: int, begin: int) -> Found:
    """Return the cycles among the deeds `low` to `high` that close at `begin` or later."""
    from gpu_ops.pattern_path_kernels import closed_cycles

    found = Found()
    inside = np.arange(low, high)
    inside = inside[view.flow.since[inside] == NEVER]
    part = _components(view, inside)
    inside, part = inside[part >= 0], part[part >= 0]
    # A component is searched only where something closes.
    if inside.size == 0 or view.deeds.at[inside[-1]] < begin:
        return found
    component = np.full(high - low, -1, dtype=np.int64)
    component[inside - low] = part
    steps = np.full(int(part.max()) + 1, params.component_steps, dtype=np.int64)
    scan = scan_of(view, params, begin, "burst", 0)
    paths, lengths, nats, ordered = closed_cycles(
        view.flow, view.paying, scan, _limits(params), inside, component, low,
        read_only(view.deeds.amount), steps,
    )  # fmt: skip
    for number in np.flatnonzero(steps < 0).tolist():
        members = inside[part == number]
        found.cut["dense_components"] += 1
        found.dense.append(
            np.unique(np.concatenate([view.flow.source[members], view.flow.target[members]]))
        )
    for k in np.flatnonzero(lengths).tolist():
        candidate = _path(view, paths[k, : lengths[k]], float(nats[k]), float(ordered[k]))
        if candidate.surprise >= params.min_surprise:
            found.candidates.append(candidate)
    return found


def _path(
    view: View, path: NDArray[np.int64], of_habit: float, of_order: float, *, closed: bool = True
) -> Candidate:
    """Return a cycle, its path from the earliest deed on, or a chain."""
    if closed:
        path = np.roll(path, -int(np.argmin(path)))
    at, amount = view.deeds.at[path], view.deeds.amount[path]
    accounts = view.flow.source[path].tolist()
    if not closed:
        accounts.append(int(view.flow.target[path[-1]]))
    ratios = [balance(a, b) for a, b in pairwise(amount.tolist())]
    return Candidate(
        pattern="cycle" if closed else "chain",
        horizon="burst",
        deeds=np.sort(path),
        accounts=tuple(accounts),
        centre=-1,
        of_habit=of_habit,
        of_order=of_order,
        of_amounts=passed_on_nats(view, path[:-1], path[1:]),
        shape=float((at[1:] >= at[:-1]).mean()),
        coherence=float(np.mean(ratios)),
        inflow=np.zeros(0, dtype=np.int64),
    )


def _limits(params: RingParams) -> "PathLimits":
    from gpu_ops.pattern_path_kernels import PathLimits

    return PathLimits(
        shortest=params.cycle_accounts[0],
        longest=params.cycle_accounts[1],
        return_within=params.return_within // MICROSECOND,
        return_ratio=params.return_ratio,
    )


def _components(view: View, inside: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each deed's strongly connected component, -1 where it is in none."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    component = np.full(inside.size, -1, dtype=np.int64)
    kept = np.arange(inside.size)
    source, target = view.flow.source[inside], view.flow.target[inside]
    n = view.deeds.n_accounts
    while kept.size:
        # Money must come from somewhere and go somewhere: cheap rounds thin most graphs out.
        pays = np.bincount(source[kept], minlength=n) > 0
        receives = np.bincount(target[kept], minlength=n) > 0
        inner = receives[source[kept]] & pays[target[kept]]
        if inner.all():
            break
        kept = kept[inner]
    if kept.size == 0:
        return component
    nodes, ends = np.unique(np.concatenate([source[kept], target[kept]]), return_inverse=True)
    start, stop = ends[: kept.size], ends[kept.size :]
    ones = np.ones(kept.size, dtype=np.int8)
    graph = csr_array((ones, (start, stop)), shape=(nodes.size, nodes.size))
    _, label = connected_components(graph, directed=True, connection="strong")
    together = label[start] == label[stop]
    component[kept[together]] = label[start[together]]
    return component


def chains(view: View, params: RingParams, begin: int) -> Found:
    """Return chains along which money was passed on in the order of time.

    Pass-through chains are the "stack" and "random walk" shapes of laundering simulators. Their
    habit alone must be surprising enough: amounts that match are no evidence of one, since whoever
    forwards a rent or a salary passes on what came in.
    """
    from gpu_ops.pattern_path_kernels import chains as search

    scan = scan_of(view, params, begin, "burst", 0)
    shortest, longest = params.chain_accounts
    nats, hubs = search(
        view.flow, view.unusual_paying, view.unusual_receiving, scan, longest - 1, view.links
    )
    earlier, lengths = view.links.earlier, view.links.length
    found = Found(cut=Counter(chain_hubs=hubs))
    ends = np.flatnonzero(
        (lengths + 1 >= shortest) & (nats >= params.min_surprise) & (view.deeds.at >= begin)
    )
    for last in ends.tolist():
        path = [last]
        while len(path) < lengths[last]:
            path.append(int(earlier[path[-1]]))
        candidate = _path(
            view, np.array(path[::-1], dtype=np.int64), float(nats[last]), 0.0, closed=False
        )
        if len(set(candidate.accounts)) == len(candidate.accounts):
            found.candidates.append(candidate)
    return found
