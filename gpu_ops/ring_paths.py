"""Rings along paths: scatter-gather over intermediaries, and cycles."""

import math
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.ring_candidate import Candidate, Found, amount_surprise, balance
from gpu_ops.ring_edges import UnusualEdges
from gpu_ops.ring_fans import Side
from gpu_ops.ring_params import RingParams


def scatter_gathers(
    edges: UnusualEdges, receiving: Side, paying: Side, params: RingParams
) -> Found:
    """Return pairs of accounts between which money went over several intermediaries."""
    found = Found()
    paths = _two_step_paths(edges, receiving, paying, params, found)
    for group in paths.partition_by("source", "sink", maintain_order=True):
        candidate = _scatter_gather(edges, group, receiving, paying, params)
        if candidate is not None and candidate.surprise >= params.min_surprise:
            found.candidates.append(candidate)
    return found


def _two_step_paths(
    edges: UnusualEdges, receiving: Side, paying: Side, params: RingParams, found: Found
) -> pl.DataFrame:
    """Return source, sink, middle and both edges of paths that may be part of a scatter-gather."""
    n_in, n_out = np.diff(receiving.offset), np.diff(paying.offset)
    cost = n_in * n_out
    middle = np.flatnonzero((cost > 0) & (np.maximum(n_in, n_out) <= params.hub_counterparties))
    found.cut["scatter_gather_hubs"] = int((cost > 0).sum()) - middle.size
    # The cheapest first: what a budget leaves out is then the fewest accounts.
    middle = middle[np.argsort(cost[middle], kind="stable")]
    within = np.cumsum(cost[middle]) <= params.two_step_paths
    found.cut["two_step_paths"] = int(middle.size - within.sum())
    allowed = np.zeros(n_in.size, dtype=np.bool_)
    allowed[middle[within]] = True
    proving = ~edges.habitual
    into = np.flatnonzero(
        proving & allowed[edges.target] & (n_out[edges.source] >= params.min_side)
    )
    out_of = np.flatnonzero(
        proving & allowed[edges.source] & (n_in[edges.target] >= params.min_side)
    )
    first = pl.DataFrame(
        {
            "middle": edges.target[into],
            "source": edges.source[into],
            "first": into,
            "first_at": edges.at[into],
        }
    )
    second = pl.DataFrame(
        {
            "middle": edges.source[out_of],
            "sink": edges.target[out_of],
            "second": out_of,
            "second_at": edges.at[out_of],
        }
    )
    horizon = params.horizon // timedelta(microseconds=1)
    return (
        first.lazy()
        .join(second.lazy(), on="middle")
        .filter(
            pl.col("source") != pl.col("sink"),
            pl.col("second_at") >= pl.col("first_at"),
            pl.col("second_at") - pl.col("first_at") <= horizon,
        )
        .filter(pl.col("middle").n_unique().over("source", "sink") >= params.min_side)
        .sort("source", "sink", "first", "second")
        .collect()
    )


def _scatter_gather(
    edges: UnusualEdges,
    paths: pl.DataFrame,
    receiving: Side,
    paying: Side,
    params: RingParams,
) -> Candidate | None:
    """Return the window of the horizon in which one source reaches one sink over most accounts.

    Its surprise is that of the scattering's time, and, the scattering given, that of so many of the
    accounts paying on to one sink.
    """
    n_in, n_out = np.diff(receiving.offset), np.diff(paying.offset)
    from gpu_ops.ring_kernels import poisson_surprise

    horizon = params.horizon // timedelta(microseconds=1)
    best, most = None, params.min_side - 1
    for start in paths["first_at"].unique(maintain_order=True):
        inside = paths.filter(pl.col("first_at") >= start, pl.col("second_at") <= start + horizon)
        n = inside["middle"].n_unique()
        if n > most:
            best, most = inside, n
    if best is None:
        return None
    # An intermediary's earliest way through; further ones prove nothing more.
    best = best.unique("middle", keep="first", maintain_order=True)
    scatter, gather = best["first"].to_numpy(), best["second"].to_numpy()
    source, sink = int(paths["source"][0]), int(paths["sink"][0])
    members = np.unique(np.concatenate([scatter, gather]))
    share = edges.share(int(members[0]), int(members[-1]))
    proving = ~edges.habitual
    reached = _number_between(proving & (edges.source == source), members)
    drawn = _number_between(proving & (edges.target == sink), members)
    n_edges = int(proving.sum())
    middles = best["middle"].to_numpy()
    onward = float((n_out[middles] - 1 + n_edges / edges.n_accounts).mean()) * share
    expected = reached * onward * float(n_in[sink]) / n_edges
    scattered = edges.share(int(scatter.min()), int(scatter.max())) * (
        int(n_out[source]) - most + paying.prior
    )
    found = poisson_surprise(most, scattered) / paying.dispersion
    found += poisson_surprise(most, expected)
    ratios = [
        balance(float(edges.amount[a]), float(edges.amount[b]))
        for a, b in zip(scatter, gather, strict=True)
    ]
    return Candidate(
        pattern="scatter_gather",
        edges=members,
        accounts=(source, sink, *middles.tolist()),
        centre=-1,
        surprise=found - math.log(edges.n_accounts) + _passed_on(edges, scatter, gather),
        shape=most / max(reached, drawn),
        coherence=float(np.mean(ratios)),
    )


def _number_between(mask: NDArray[np.bool_], members: NDArray[np.int64]) -> int:
    """Return how many of the masked payments lie in the members' time."""
    return int(mask[members[0] : members[-1] + 1].sum())


def cycles(edges: UnusualEdges, params: RingParams) -> Found:
    """Return the strongest simple cycle from each payment on, within the horizon.

    One payment of it may be habitual: whoever is drawn into a cycle keeps their habits.
    """
    from gpu_ops.cycle_kernel import CycleEdges, CycleLimits, cycles_from_each_edge

    kept = _on_cycles(edges)
    if kept.size == 0:
        return Found()
    accounts, ends = np.unique(
        np.concatenate([edges.source[kept], edges.target[kept]]), return_inverse=True
    )
    source, target = ends[: kept.size].astype(np.int32), ends[kept.size :].astype(np.int32)
    paying = Side.of(source, accounts.size, edges.n_traffic, np.ones(kept.size, dtype=np.bool_))
    everywhere = np.bincount(edges.source, minlength=edges.n_accounts)
    by_chance = (~edges.habitual).sum() / edges.n_accounts
    shortest, longest = params.cycle_accounts
    paths, lengths, surprise, cut = cycles_from_each_edge(
        CycleEdges(
            source=source,
            target=target,
            at=edges.at[kept],
            before=edges.before[kept],
            through=edges.through[kept],
            habitual=edges.habitual[kept],
            offset=paying.offset,
            leaving=paying.edges,
            rate=everywhere[accounts] - 1 + by_chance,
        ),
        CycleLimits(
            finest=edges.finest,
            horizon=params.horizon // timedelta(microseconds=1),
            shortest=shortest,
            longest=longest,
            steps_each=params.cycle_steps,
            steps_total=params.cycle_steps_total,
        ),
    )
    found = Found(cut={"cycle_steps": cut})
    for k in np.flatnonzero(lengths).tolist():
        path = kept[paths[k, : lengths[k]]]
        evidence = float(surprise[k]) + _passed_on(edges, path[:-1], path[1:])
        if evidence < params.min_surprise:
            continue
        at, amount = edges.at[path], edges.amount[path]
        found.candidates.append(
            Candidate(
                pattern="cycle",
                edges=np.sort(path),
                accounts=tuple(edges.source[path].tolist()),
                centre=-1,
                surprise=evidence,
                shape=float((at[1:] >= at[:-1]).mean()),
                coherence=float(np.mean([balance(a, b) for a, b in pairwise(amount.tolist())])),
            )
        )
    return found


def _passed_on(edges: UnusualEdges, into: NDArray[np.int64], out_of: NDArray[np.int64]) -> float:
    """Return the evidence in amounts that go out as they came in, in nats."""
    kept_back = edges.log_amount(out_of) - edges.log_amount(into)
    return amount_surprise(
        kept_back.size, float((kept_back**2).mean()), 2.0 * edges.amount_variance
    )


def _on_cycles(edges: UnusualEdges) -> NDArray[np.int64]:
    """Return the edges whose ends lie in one strongly connected component."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    kept = np.arange(edges.at.size)
    n = edges.n_accounts
    while kept.size:
        # Money must come from somewhere and go somewhere: cheap rounds thin most graphs out.
        pays = np.bincount(edges.source[kept], minlength=n) > 0
        receives = np.bincount(edges.target[kept], minlength=n) > 0
        inner = receives[edges.source[kept]] & pays[edges.target[kept]]
        shrunk = kept[inner]
        if shrunk.size > 0.9 * kept.size:
            kept = shrunk
            break
        kept = shrunk
    if kept.size == 0:
        return kept
    ones = np.ones(kept.size, dtype=np.int8)
    graph = csr_array((ones, (edges.source[kept], edges.target[kept])), shape=(n, n))
    _, component = connected_components(graph, directed=True, connection="strong")
    together: NDArray[np.int64] = kept[
        component[edges.source[kept]] == component[edges.target[kept]]
    ]
    return together
