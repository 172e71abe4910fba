"""Money gathered and scattered by one account, or scattered by one and gathered by another."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpu_ops.pattern_candidate import (
    FROM_AMOUNTS,
    Candidate,
    Found,
    alike_nats,
    balance,
    passed_on_nats,
)
from gpu_ops.pattern_fans import scan_of, searched
from gpu_ops.pattern_ordinary import View
from gpu_ops.ring_params import RingParams

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Scan, Side


def gather_scatters(view: View, params: RingParams, begin: int) -> Found:
    """Return accounts that gather from many and then pay out to many, within the burst horizon."""
    from gpu_ops.pattern_flow_kernels import gather_scatters as search

    scan = scan_of(view, params, begin, "burst", params.min_side)
    paying, receiving = view.unusual_paying, view.unusual_receiving
    bounds, nats, hubs = search(view.flow, paying, receiving, scan)
    found = Found()
    found.cut["gather_scatter_hubs"] += hubs
    evidence = nats - searched(view, paying.deeds)
    promising = np.flatnonzero((nats > 0) & (evidence + FROM_AMOUNTS >= params.min_surprise))
    for last in promising.tolist():
        first, split, start = bounds[last].tolist()
        gathered = receiving.deeds[first : split + 1]
        scattered = paying.deeds[start : last + 1]
        # Any first deed and any end of either side might have been chosen.
        choice = float(np.log(gathered.size * scattered.size))
        candidate = _gather_scatter(view, gathered, scattered, float(evidence[last]) - choice)
        flow = view.flow
        sides = (np.unique(flow.source[gathered]).size, np.unique(flow.target[scattered]).size)
        if min(sides) >= params.min_side and candidate.surprise >= params.min_surprise:
            found.candidates.append(candidate)
    return found


def _gather_scatter(
    view: View, gathered: NDArray[np.int64], scattered: NDArray[np.int64], of_habit: float
) -> Candidate:
    amount = view.deeds.amount
    centre = int(view.flow.source[scattered[0]])
    payers = dict.fromkeys(view.flow.source[gathered].tolist())
    payees = dict.fromkeys(view.flow.target[scattered].tolist())
    return Candidate(
        pattern="gather_scatter",
        horizon="burst",
        deeds=np.sort(np.concatenate([gathered, scattered])),
        accounts=(centre, *dict.fromkeys([*payers, *payees])),
        centre=centre,
        of_habit=of_habit,
        of_order=0.0,
        of_amounts=min(FROM_AMOUNTS, alike_nats(view, gathered) + alike_nats(view, scattered)),
        shape=balance(len(payers), len(payees)),
        coherence=balance(float(amount[gathered].sum()), float(amount[scattered].sum())),
        inflow=np.sort(gathered),
    )


def scatter_gathers(view: View, params: RingParams, begin: int) -> Found:
    """Return pairs of accounts between which money went over several intermediaries."""
    from gpu_ops.pattern_flow_kernels import scatter_gathers as search

    scan = scan_of(view, params, begin, "burst", params.min_side)
    paying, receiving = view.unusual_paying, view.unusual_receiving
    source, nats, hubs, cut = search(view.flow, paying, receiving, scan, params.two_step_paths)
    found = Found()
    found.cut.update({"scatter_gather_hubs": hubs, "two_step_paths": cut})
    evidence = nats - searched(view, receiving.deeds)
    promising = np.flatnonzero((source >= 0) & (evidence + FROM_AMOUNTS >= params.min_surprise))
    for last in promising.tolist():
        candidate = _scatter_gather(
            view, receiving, last, int(source[last]), float(evidence[last]), scan
        )
        closed = view.flow.day[receiving.deeds[last]]
        if view.known and view.flow.day[candidate.deeds[-1]] < closed:
            # What closes it is no part of it: what was known of it was told on an earlier day.
            continue
        n_middles = len(candidate.accounts) - 2
        if n_middles >= params.min_side and candidate.surprise >= params.min_surprise:
            found.candidates.append(candidate)
    return found


def _scatter_gather(
    view: View, receiving: "Side", last: int, source: int, of_habit: float, scan: "Scan"
) -> Candidate:
    """Return the deeds over all intermediaries between a source and a sink, one path each."""
    flow = view.flow
    closing = receiving.deeds[last]
    sink, opening = int(flow.target[closing]), int(flow.at[closing]) - scan.horizon
    scatter: dict[int, int] = {}
    gather: dict[int, int] = {}
    for place in range(last, int(receiving.offset[sink]) - 1, -1):
        deed = int(receiving.deeds[place])
        if flow.at[deed] < opening:
            break
        middle = int(flow.source[deed])
        into = receiving.deeds[receiving.offset[middle] : receiving.offset[middle + 1]]
        leading = into[
            (flow.source[into] == source) & (flow.at[into] >= opening)
            & (flow.at[into] <= flow.at[deed])
        ]  # fmt: skip
        if leading.size:
            scatter[middle], gather[middle] = int(leading[0]), deed
    out, into = np.array(list(scatter.values())), np.array(list(gather.values()))
    amount = view.deeds.amount
    paid = view.paying.deeds[view.paying.offset[source] : view.paying.offset[source + 1]]
    meanwhile = (flow.at[paid] >= opening) & (flow.at[paid] <= flow.at[closing])
    ratios = [balance(float(a), float(b)) for a, b in zip(amount[out], amount[into], strict=True)]
    return Candidate(
        pattern="scatter_gather",
        horizon="burst",
        deeds=np.unique(np.concatenate([out, into])),
        accounts=(source, sink, *sorted(scatter)),
        centre=-1,
        of_habit=of_habit,
        of_order=0.0,
        of_amounts=passed_on_nats(view, out, into),
        shape=len(scatter) / max(int(meanwhile.sum()), len(scatter)),
        coherence=float(np.mean(ratios)),
        inflow=np.sort(out),
    )
