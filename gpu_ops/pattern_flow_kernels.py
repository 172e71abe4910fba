"""Compiled searches for money that is gathered, scattered or both; import inside functions."""

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled
from gpu_ops.pattern_evidence import poisson_nats
from gpu_ops.pattern_windows import (
    Flow,
    Scan,
    Side,
    ends_here,
    last_at,
    reach,
    window_nats,
)


@compiled
def gather_scatters(  # noqa: C901, PLR0912 - one loop; more functions cost compilation
    flow: Flow, paying: Side, receiving: Side, scan: Scan
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Find for each payment out the strongest gathering and scattering that it completes.

    Returns:
        bounds: (places of `paying`, 3): first gathering, last gathering and first scattering place.
        nats: evidence of both sides.
        hubs: accounts, as known with each day, of which windows were left out as a hub's.
    """
    bounds = np.full((paying.deeds.size, 3), -1, dtype=np.int64)
    nats = np.zeros(paying.deeds.size)
    hubs = 0
    for account in range(paying.offset.size - 1):
        low, high = paying.offset[account], paying.offset[account + 1]
        into, end = receiving.offset[account], receiving.offset[account + 1]
        if high - low < scan.fewest or end - into < scan.fewest:
            continue
        if flow.at[paying.deeds[high - 1]] < scan.begin:
            continue
        is_hub = False
        for last in range(low + scan.fewest - 1, high):
            closing = paying.deeds[last]
            if flow.at[closing] < scan.begin or not ends_here(flow, paying, scan, last, high):
                continue
            earliest = reach(flow, paying, scan, low, last)
            if earliest < 0:
                is_hub = True
                hubs += scan.known
                continue
            start_of_all = flow.at[closing] - scan.horizon
            is_cut = False
            for start in range(last - scan.fewest + 1, earliest - 1, -1):
                opening = flow.at[paying.deeds[start]]
                if start > low and flow.at[paying.deeds[start - 1]] == opening:
                    continue
                split = last_at(flow, receiving, into, end, opening)
                if split - scan.fewest + 1 < into:
                    continue
                scattered = window_nats(
                    flow, paying, scan, low, high, start, last, float(last - start + 1), 0.0
                )
                if scattered <= 0.0:
                    continue
                for first in range(split, into - 1, -1):
                    if flow.at[receiving.deeds[first]] < start_of_all:
                        break
                    if split - first >= scan.hub:
                        is_cut = True
                        break
                    if split - first + 1 < scan.fewest:
                        continue
                    gathered = window_nats(
                        flow, receiving, scan, into, end, first, split,
                        float(split - first + 1), 0.0,
                    )  # fmt: skip
                    if gathered > 0.0 and gathered + scattered > nats[last]:
                        nats[last] = gathered + scattered
                        bounds[last, 0], bounds[last, 1], bounds[last, 2] = first, split, start
            is_hub |= is_cut
            hubs += is_cut and scan.known
        hubs += is_hub and not scan.known
    return bounds, nats, hubs


@compiled
def scatter_gathers(  # noqa: C901, PLR0912, PLR0915 - one loop; more functions cost compilation
    flow: Flow, paying: Side, receiving: Side, scan: Scan, most_paths: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], int, int]:
    """Find for each payment into a sink the source that reaches it over most intermediaries.

    That so many of those whom the source paid went on to pay this sink has, by chance, a
    Poisson number with the mean (paid by source) x (payers of sink) / (accounts).

    Returns:
        source: account, one for each place of `receiving`, -1 for none.
        nats: evidence.
        hubs: sinks, as known with each day, left out as hubs.
        cut: intermediaries of which not all paths were followed, for their number.
    """
    size = receiving.deeds.size
    source = np.full(size, -1, dtype=np.int64)
    nats = np.zeros(size)
    n_accounts = receiving.offset.size - 1
    reached = np.zeros(n_accounts, dtype=np.int64)
    by_middle = np.full(n_accounts, -1, dtype=np.int64)
    followed = np.full(n_accounts, -1, dtype=np.int64)
    touched = np.zeros(most_paths, dtype=np.int64)
    hubs, cut = 0, 0
    for sink in range(n_accounts):
        low, high = receiving.offset[sink], receiving.offset[sink + 1]
        if high - low < scan.fewest or flow.at[receiving.deeds[high - 1]] < scan.begin:
            continue
        is_hub = False
        for last in range(low + scan.fewest - 1, high):
            closing = receiving.deeds[last]
            if flow.at[closing] < scan.begin:
                continue
            if not ends_here(flow, receiving, scan, last, high):
                continue
            earliest = reach(flow, receiving, scan, low, last)
            if earliest < 0:
                is_hub = True
                hubs += scan.known
                continue
            if last - earliest + 1 < scan.fewest:
                continue
            opening = flow.at[closing] - scan.horizon
            paths = 0
            # Backwards: a middle's latest deed may follow all that the earlier ones may.
            for place in range(last, earliest - 1, -1):
                deed = receiving.deeds[place]
                middle = flow.source[deed]
                if followed[middle] == last:
                    continue
                followed[middle] = last
                into, end = receiving.offset[middle], receiving.offset[middle + 1]
                final = last_at(flow, receiving, into, end, flow.at[deed])
                for before in range(final, into - 1, -1):
                    arriving = receiving.deeds[before]
                    if flow.at[arriving] < opening:
                        break
                    if final - before >= scan.hub or paths >= most_paths:
                        cut += 1
                        break
                    origin = flow.source[arriving]
                    # A source that paid a middle several times reached it once.
                    if origin == sink or by_middle[origin] == middle:
                        continue
                    by_middle[origin] = middle
                    touched[paths] = origin
                    paths += 1
                    reached[origin] += 1
            gathered = window_nats(
                flow, receiving, scan, low, high, earliest, last, float(last - earliest + 1), 0.0
            )
            for step in range(paths):
                origin = touched[step]
                if reached[origin] >= scan.fewest:
                    start = paying.offset[origin]
                    stop = last_at(flow, paying, start, paying.offset[origin + 1], flow.at[closing])
                    begin = last_at(flow, paying, start, stop + 1, opening - 1)
                    expected = (stop - begin) * (last - earliest + 1) / flow.accounts[closing]
                    scattered = window_nats(
                        flow, paying, scan, start, paying.offset[origin + 1], begin + 1,
                        stop, float(stop - begin), 0.0,
                    )  # fmt: skip
                    evidence = poisson_nats(float(reached[origin]), expected)
                    evidence += gathered + scattered
                    if gathered > 0.0 and scattered > 0.0 and evidence > nats[last]:
                        nats[last], source[last] = evidence, origin
                reached[origin] = 0
                by_middle[origin] = -1
        hubs += is_hub and not scan.known
    return source, nats, hubs, cut
