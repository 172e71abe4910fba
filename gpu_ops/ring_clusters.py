"""Rings without a named shape: dense knots of unusual payments close in time."""

import math
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from gpu_ops.ring_candidate import Candidate, Found, alikeness
from gpu_ops.ring_edges import UnusualEdges
from gpu_ops.ring_params import RingParams


def clusters(
    edges: UnusualEdges, free: NDArray[np.int64], dispersion: float, params: RingParams
) -> Found:
    """Return knots of the free payments: connected, close in time, with loops to spare.

    Payments of one account that follow each other within `params.cluster_gap` belong together. A
    tree of such payments is ordinary; each payment beyond a tree's closes a loop, which in sparse
    unusual traffic chance seldom does.

    Args:
        edges: all unusual payments of the feed.
        free: positions of those that are part of no other ring, ascending.
        dispersion: by which evidence is divided, see `Side`.
        params: see `RingParams`.
    """
    from gpu_ops.graph_kernels import smallest_members

    found = Found(cut={"cluster_accounts": 0})
    free = _without_ends(edges, free)
    if free.size == 0:
        return found
    earlier, later = _neighbours(edges, free, params)
    label = smallest_members(earlier, later, free.size)
    order = np.argsort(label, kind="stable")
    bounds = np.flatnonzero(np.r_[True, np.diff(label[order]) > 0, True])
    fewest, most = params.cluster_accounts
    sizes = np.diff(bounds)
    for group in np.flatnonzero(sizes > fewest).tolist():
        members = free[np.sort(order[bounds[group] : bounds[group + 1]])]
        accounts = dict.fromkeys(
            np.column_stack([edges.source[members], edges.target[members]]).ravel().tolist()
        )
        loops = members.size - len(accounts) + 1
        if loops < 2 or len(accounts) < fewest:  # noqa: PLR2004 - one loop is a cycle's matter
            continue
        span = edges.at[members[-1]] - edges.at[members[0]]
        if len(accounts) > most or span > params.horizon // timedelta(microseconds=1):
            found.cut["cluster_accounts"] += 1
            continue
        expected = members.size * len(accounts) / edges.n_accounts
        surprise = (loops * math.log(loops / expected) - (loops - expected)) / dispersion
        surprise -= math.log(edges.n_accounts)
        if loops > expected and surprise >= params.min_surprise:
            found.candidates.append(
                Candidate(
                    pattern="cluster",
                    edges=members,
                    accounts=tuple(accounts),
                    centre=-1,
                    surprise=surprise,
                    shape=loops / members.size,
                    coherence=alikeness(edges.amount[members]),
                )
            )
    return found


def _without_ends(edges: UnusualEdges, free: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop payments to or from accounts that have only one, again and again: they close no loop."""
    while free.size:
        degree = np.bincount(edges.source[free], minlength=edges.n_accounts)
        degree += np.bincount(edges.target[free], minlength=edges.n_accounts)
        inner = (degree[edges.source[free]] > 1) & (degree[edges.target[free]] > 1)
        if inner.all():
            break
        free = free[inner]
    return free


def _neighbours(
    edges: UnusualEdges, free: NDArray[np.int64], params: RingParams
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return pairs of positions in `free`: payments of one account that follow each other soon."""
    account = np.concatenate([edges.source[free], edges.target[free]])
    position = np.concatenate([np.arange(free.size), np.arange(free.size)])
    order = np.lexsort((position, account))
    account, position = account[order], position[order]
    at = edges.at[free][position]
    gap = params.cluster_gap // timedelta(microseconds=1)
    close = (account[1:] == account[:-1]) & (at[1:] - at[:-1] <= gap)
    return position[:-1][close].astype(np.int32), position[1:][close].astype(np.int32)
