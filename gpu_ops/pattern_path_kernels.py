"""Compiled searches along paths: cycles and chains; import inside functions."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled
from gpu_ops.pattern_windows import MOST_TRAFFIC, Flow, Scan, Side, first_at, last_at


class PathLimits(NamedTuple):
    """What bounds a search along paths.

    Attributes:
        shortest: fewest accounts of a cycle.
        longest: most accounts of a path.
        return_within: microseconds within which two accounts' return counts.
        return_ratio: smaller amount over the larger that a return needs.
    """

    shortest: int
    longest: int
    return_within: int
    return_ratio: float


class Links(NamedTuple):
    """The chain that ends with each deed.

    Attributes:
        earlier: Int64, (m,): the chain's deed before, -1 for none.
        hop: Float64, (m,): nats of its being followed by this one.
        length: Int64, (m,): deeds of the chain; one that reaches too far back holds only so many.
    """

    earlier: NDArray[np.int64]
    hop: NDArray[np.float64]
    length: NDArray[np.int64]


@compiled
def onward_nats(
    flow: Flow, paying: Side, scan: Scan, account: int, opening: int, width: float
) -> float:
    """Return the evidence in one payment of an account within a window that a deed opens.

    Args:
        flow: see `Flow`.
        paying: deeds by payer.
        scan: see `Scan`.
        account: the payer, of one deed at least from the window's opening on.
        opening: position of the earliest deed of the window.
        width: payments of the feed within the window.
    """
    if scan.known:
        outside = float(paying.before[first_at(flow, paying, account, flow.at[opening])])
        total = flow.before[opening]
    else:
        outside = paying.offset[account + 1] - paying.offset[account] - 1.0
        total = flow.through[-1]
    if width > MOST_TRAFFIC * (total + width if scan.known else total):
        return 0.0
    rate = (outside + flow.shape[0, opening]) / (total + flow.weight[0, opening])
    nats: float = -math.log(-math.expm1(-max(rate * max(width, 1.0), 1e-12)))
    return nats


@compiled
def closed_cycles(  # noqa: C901, PLR0913, PLR0915, PLR0917 - one loop shares its arrays
    flow: Flow,
    paying: Side,
    scan: Scan,
    limits: PathLimits,
    inside: NDArray[np.int64],
    component: NDArray[np.int64],
    low: int,
    amount: NDArray[np.float64],
    left: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Find for each deed the strongest simple cycle that it closes as the latest.

    Depth-first from the payee of the closing deed over earlier ones within the horizon, inside the
    strongly connected component. Cycles in the order of time win, since of all orders of `n` deeds
    chance takes this one with 1 / (n - 1)!.

    Args:
        flow: see `Flow`.
        paying: deeds by payer.
        scan: see `Scan`.
        limits: see `PathLimits`.
        inside: positions of the deeds of all components, ascending.
        component: number of the component of each deed from `low` on, up to the last that closes a
            cycle; -1 where it is part of none.
        low: the first deed that may be part of a cycle.
        amount: (m,): of the deeds.
        left: steps left to each component; counted down, below 0 where the search ended early.

    Returns:
        paths: (inside, longest): deeds in the order of the path, the closing one last.
        lengths: (inside,); 0 where there is no cycle.
        of_habit: (inside,): nats of how seldom the accounts pay.
        of_order: (inside,): nats of the order in time.
    """
    size = inside.size
    paths = np.zeros((size, limits.longest), dtype=np.int64)
    lengths = np.zeros(size, dtype=np.int64)
    of_habit, of_order = np.zeros(size), np.zeros(size)
    path = np.zeros(limits.longest, dtype=np.int64)
    cursor = np.zeros(limits.longest, dtype=np.int64)
    visited = np.zeros(paying.offset.size - 1, dtype=np.bool_)
    for number in range(size):
        closing = inside[number]
        part = component[closing - low]
        if flow.at[closing] < scan.begin or left[part] < 0:
            continue
        root, opening = flow.target[closing], flow.at[closing] - scan.horizon
        goal = flow.source[closing]
        visited[root] = True
        depth = 0
        cursor[0] = first_at(flow, paying, root, opening)
        here = root
        while depth >= 0:
            position = cursor[depth]
            if position >= paying.offset[here + 1] or left[part] < 0:
                visited[here] = False
                depth -= 1
                if depth >= 0:
                    here = flow.source[path[depth]]
                continue
            cursor[depth] += 1
            deed = paying.deeds[position]
            if deed >= closing:
                cursor[depth] = paying.offset[here + 1]
                continue
            if component[deed - low] != part:
                continue
            left[part] -= 1
            onward = flow.target[deed]
            if onward == goal:
                path[depth], path[depth + 1] = deed, closing
                length = depth + 2
                if length < limits.shortest and not _is_return(flow, limits, amount, deed, closing):
                    continue
                habit, order = _cycle_nats(flow, paying, scan, path, length)
                if habit + order > of_habit[number] + of_order[number]:
                    of_habit[number], of_order[number] = habit, order
                    lengths[number] = length
                    for step in range(length):
                        paths[number, step] = path[step]
            elif not visited[onward] and depth + 3 <= limits.longest:
                path[depth] = deed
                visited[onward] = True
                depth += 1
                here = onward
                cursor[depth] = first_at(flow, paying, onward, opening)
        visited[root] = False
    return paths, lengths, of_habit, of_order


@compiled
def _is_return(
    flow: Flow, limits: PathLimits, amount: NDArray[np.float64], first: int, second: int
) -> bool:
    """Return whether two deeds between two accounts are money that soon came back."""
    smaller = min(amount[first], amount[second])
    larger = max(amount[first], amount[second])
    soon = flow.at[second] - flow.at[first] <= limits.return_within
    close: bool = soon and smaller >= limits.return_ratio * larger
    return close


@compiled
def _cycle_nats(
    flow: Flow, paying: Side, scan: Scan, path: NDArray[np.int64], length: int
) -> tuple[float, float]:
    """Return the evidence of a cycle: how seldom each account pays, and how well time runs."""
    start, early = 0, path[0]
    for step in range(length):
        if path[step] < early:
            early, start = path[step], step
    final = path[length - 1]
    width = flow.through[final] - flow.before[early]
    nats = math.log(max(1.0, width) / flow.through[final if scan.known else -1])
    ordered, seldom = True, 0.0
    for step in range(length):
        deed = path[step]
        seldom += onward_nats(flow, paying, scan, flow.source[deed], early, width)
        here, following = path[(start + step) % length], path[(start + step + 1) % length]
        if step < length - 1 and flow.at[following] < flow.at[here]:
            ordered = False
    if seldom <= 0.0:
        return 0.0, 0.0
    return nats + seldom, math.lgamma(float(length)) if ordered else 0.0


@compiled
def chains(
    flow: Flow, paying: Side, receiving: Side, scan: Scan, longest: int, links: Links
) -> tuple[NDArray[np.float64], int]:
    """Find for each deed the least likely chain of payments passed on that ends with it.

    Each account on the way pays on soon after it was paid; the chance of that is its rate times the
    deeds that happened in between. The first deed may be any of those so far. Of a chain that would
    grow too long, in deeds or in time, the latest part is carried on. A deed that was to be
    expected is part of none.

    Args:
        flow: see `Flow`.
        paying: unusual deeds by payer.
        receiving: unusual deeds by payee.
        scan: see `Scan`.
        longest: most deeds of a chain.
        links: filled in for the deeds from `scan.begin` on; those before must have theirs.

    Returns:
        nats: evidence of the chain, the choice of its start deducted; 0 before `scan.begin`.
        hubs: deeds of accounts that so many paid before within the horizon that only the latest
            `scan.hub` were followed.
    """
    size = flow.at.size
    hubs = 0
    nats = np.zeros(size)
    never = np.iinfo(np.int64).max
    for deed in range(size):
        if flow.at[deed] < scan.begin or flow.since[deed] < never:
            continue
        opening = flow.at[deed] - scan.horizon
        account = flow.source[deed]
        into, end = receiving.offset[account], receiving.offset[account + 1]
        latest = last_at(flow, receiving, into, end, flow.at[deed])
        total = 0.0
        for place in range(latest, into - 1, -1):
            arriving = receiving.deeds[place]
            if flow.at[arriving] < opening:
                break
            if latest - place >= scan.hub:
                hubs += 1
                break
            # Of one instant, only what stands before it has its chain already.
            if arriving >= deed or flow.source[arriving] == flow.target[deed]:
                continue
            width = flow.through[deed] - flow.before[arriving]
            hop = onward_nats(flow, paying, scan, account, arriving, width)
            found, length, first = hop, 2, arriving
            while length < min(links.length[arriving] + 1, longest):
                before = links.earlier[first]
                if before < 0 or flow.at[before] < opening:
                    break
                found += links.hop[first]
                first = before
                length += 1
            if found > total:
                total, links.hop[deed], links.earlier[deed] = found, hop, arriving
                links.length[deed] = length
        nats[deed] = total - math.log(flow.number[deed] + 1.0 if scan.known else float(size))
    return nats, hubs
