"""Fans: many accounts that pay one, or are paid by one, in a burst, slowly or on a schedule."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpu_ops.pattern_candidate import (
    FROM_AMOUNTS,
    Candidate,
    Found,
    alike_nats,
    alikeness,
    most_from_amounts,
)
from gpu_ops.pattern_deeds import MICROSECOND
from gpu_ops.pattern_ordinary import View
from gpu_ops.ring_params import Horizon, Pattern, RingParams

if TYPE_CHECKING:
    from datetime import timedelta

    from gpu_ops.pattern_windows import Scan, Side


def fans_in(view: View, params: RingParams, begin: int) -> Found:
    """Return fans around one payee; see `fans_out`."""
    return _fans(view, view.receiving, params, begin)


def fans_out(view: View, params: RingParams, begin: int) -> Found:
    """Return fans around one payer whose last deed is not earlier than `begin` (microseconds).

    A fan is an account with more new counterparties inside a window than its habit and its peers
    explain: Altman et al., Realistic Synthetic Financial Transactions for Anti-Money Laundering
    Models (2023), name the shape. The burst horizon holds what comes at once, the slow one what
    takes months; a slow fan may also show by its interval, the same between all its deeds.
    """
    return _fans(view, view.paying, params, begin)


def _fans(view: View, side: "Side", params: RingParams, begin: int) -> Found:
    found = Found()
    found.add(_windows(view, side, params, begin, "burst"))
    found.add(_windows(view, side, params, begin, "slow"))
    found.add(_schedules(view, side, params, begin))
    return found


def scan_of(
    view: View,
    params: RingParams,
    begin: int,
    horizon: Horizon,
    fewest: int,
    least: float = 0.0,
) -> "Scan":
    """Return the bounds of a search for the kernels; `least` as in `Scan`."""
    from gpu_ops.pattern_windows import Scan

    length: timedelta = params.horizon if horizon == "burst" else params.slow_horizon
    return Scan(
        known=view.known,
        begin=begin,
        horizon=length // MICROSECOND,
        fewest=fewest,
        hub=params.hub_counterparties,
        least=least,
    )


def searched(view: View, closing: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the nats that a choice costs: any deed of the feed so far may open a window."""
    if view.known:
        nats: NDArray[np.float64] = np.log(view.flow.number[closing] + 1.0)
        return nats
    return np.full(closing.size, float(np.log(max(1, view.deeds.at.size))))


def _fewest_nats(view: View, begin: int, least: float) -> float:
    """Return the nats below which no window that ends from a moment on is promising."""
    first = np.searchsorted(view.deeds.at, [begin])
    if first[0] == view.deeds.at.size:
        return 0.0
    return max(0.0, least - FROM_AMOUNTS + float(searched(view, first)[0]))


def _windows(view: View, side: "Side", params: RingParams, begin: int, horizon: Horizon) -> Found:
    from gpu_ops.pattern_fan_kernels import fan_windows

    fewest = params.min_fan if horizon == "burst" else params.min_slow_fan
    least = params.min_surprise if horizon == "burst" else params.min_slow_surprise
    scan = scan_of(view, params, begin, horizon, fewest, _fewest_nats(view, begin, least))
    first, nats, hubs = fan_windows(view.flow, side, scan)
    found = Found()
    found.cut[f"{horizon}_hubs"] += hubs
    closing = side.deeds
    evidence = nats - searched(view, closing)
    found_any = np.flatnonzero(first >= 0)
    enough = evidence[found_any] + most_from_amounts(found_any - first[found_any] + 1) >= least
    promising = found_any[enough]
    for last in _chosen(view, side, first, evidence, promising):
        deeds = side.deeds[first[last] : last + 1]
        proves = view.flow.since[deeds] >= view.deeds.at[deeds[0]]
        if side.end == 0:
            proves &= ~view.flow.began[deeds]
        proving = np.sort(deeds[proves])
        if view.flow.day[proving[-1]] < view.flow.day[side.deeds[last]]:
            # What closes it proves nothing: without it, this was told on an earlier day.
            continue
        of_habit = float(evidence[last])
        if _is_enough(view, proving, of_habit + alike_nats(view, proving), params):
            found.candidates.append(_fan(view, side, proving, horizon, of_habit, 0.0))
    return found


def _is_enough(view: View, deeds: NDArray[np.int64], surprise: float, params: RingParams) -> bool:
    """Return whether the evidence is enough: what is over in a burst's time is no slow fan."""
    span = int(view.deeds.at[deeds[-1]] - view.deeds.at[deeds[0]])
    is_slow = span > params.horizon // MICROSECOND
    return surprise >= (params.min_slow_surprise if is_slow else params.min_surprise)


def _chosen(
    view: View,
    side: "Side",
    first: NDArray[np.int64],
    evidence: NDArray[np.float64],
    places: NDArray[np.int64],
) -> list[int]:
    """Return the windows to report: as known each, in hindsight the strongest without overlap."""
    if view.known:
        return [int(place) for place in places]
    taken: NDArray[np.bool_] = np.zeros(side.deeds.size, dtype=np.bool_)
    kept = []
    for last in places[np.lexsort((places, -evidence[places]))].tolist():
        if not taken[first[last] : last + 1].any():
            taken[first[last] : last + 1] = True
            kept.append(last)
    return kept


def _schedules(view: View, side: "Side", params: RingParams, begin: int) -> Found:
    from gpu_ops.pattern_fan_kernels import schedules

    unusual = view.unusual_receiving if side.end == 1 else view.unusual_paying
    least = _fewest_nats(view, begin, params.min_slow_surprise)
    scan = scan_of(view, params, begin, "slow", params.min_slow_fan, least)
    step, beats, late, of_habit, of_order = schedules(view.flow, unusual, scan, params.rhythm_slack)
    search = searched(view, unusual.deeds)
    day = view.flow.day[unusual.deeds]
    found = Found()
    promising = np.flatnonzero(
        (step > 0)
        & (of_habit + of_order - search + most_from_amounts(beats) >= params.min_slow_surprise)
    )
    taken: NDArray[np.bool_] = np.zeros(unusual.deeds.size, dtype=np.bool_)
    for last in promising[np.lexsort((promising, -(of_habit + of_order)[promising]))].tolist():
        places = _beats(day, last, int(step[last]), int(beats[last]), int(late[last]))
        if not view.known:
            if taken[places].any():
                continue
            taken[places] = True
        deeds = np.sort(unusual.deeds[places])
        habit, order = float(of_habit[last] - search[last]), float(of_order[last])
        if _is_enough(view, deeds, habit + order + alike_nats(view, deeds), params):
            found.candidates.append(_fan(view, side, deeds, "slow", habit, order))
    return found


def _beats(
    day: NDArray[np.int64], last: int, step: int, beats: int, slack: int
) -> NDArray[np.int64]:
    """Return the places of the deeds in step that end at one, as `schedules` counted them."""
    second = last - 1
    while day[second] != day[last] - step:
        second -= 1
    places, due, place = [last, second], int(day[second]) - step, second
    while len(places) < beats:
        place -= 1
        while day[place] < due - slack:
            due -= step
        if day[place] <= due + slack:
            places.append(place)
            due = int(day[place]) - step
    return np.array(places[::-1], dtype=np.int64)


def _fan(
    view: View,
    side: "Side",
    deeds: NDArray[np.int64],
    horizon: Horizon,
    of_habit: float,
    of_order: float,
) -> Candidate:
    inward = side.end == 1
    centres, others = view.flow.target, view.flow.source
    if not inward:
        centres, others = others, centres
    centre = int(centres[deeds[0]])
    spokes = tuple(dict.fromkeys(others[deeds].tolist()))
    pattern: Pattern = "fan_in" if inward else "fan_out"
    return Candidate(
        pattern=pattern,
        horizon=horizon,
        deeds=deeds,
        accounts=(centre, *spokes),
        centre=centre,
        of_habit=of_habit,
        of_order=of_order,
        of_amounts=alike_nats(view, deeds),
        shape=1.0 - 1.0 / len(spokes),
        coherence=alikeness(view.deeds.amount[deeds]),
        inflow=deeds,
    )
