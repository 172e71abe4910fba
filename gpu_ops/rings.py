"""Ring candidates: small groups of accounts whose unusual payments form a pattern."""

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.ring_candidate import Candidate, Found
from gpu_ops.ring_clusters import clusters
from gpu_ops.ring_edges import UnusualEdges, unusual_edges
from gpu_ops.ring_fans import Side, fans, gather_scatters
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from gpu_ops.ring_paths import cycles, scatter_gathers

_ID_TRANSACTIONS: Final = 3
"""How many of a ring's earliest transactions make its id."""

_HALF_SURPRISE: Final = 10.0
"""Nats of surprise that count as half of what can be had."""

_NEEDED: Final = (
    "transaction_id",
    "occurred_at",
    "feed",
    "amount",
    "payer",
    "payee",
    "fraud_probability",
)


@dataclass(frozen=True)
class RingSearch:
    """Rings, and what the limits of the search left out.

    Attributes:
        rings: a table of `RING_SCHEMA`, strongest first, ties by ring_id.
        cut: limit -> how often it applied. `hub_counterparties`: fan centres left out;
            `gather_scatter_hubs`: centres left out; `scatter_gather_hubs`, `two_step_paths`:
            intermediaries left out; `cycle_steps`: payments from which not all cycles were
            followed; `cluster_accounts`: knots too large or too long to be a ring. `unusual`:
            payments that the search ran over, not a cut.
    """

    rings: pl.DataFrame
    cut: dict[str, int]


def search_rings(
    transactions: pl.LazyFrame,
    accounts: pl.DataFrame | None = None,
    *,
    params: RingParams | None = None,
) -> RingSearch:
    """Return small groups of accounts whose unusual payments form a pattern; see `RING_SCHEMA`.

    A ring is neither a component nor a community. Only payments that are out of the ordinary for
    both sides are looked at (`unusual_edges`), and among them six shapes (fan-in, fan-out, cycle,
    scatter-gather, gather-scatter, cluster; as defined by Altman et al., Realistic Synthetic
    Financial Transactions for Anti-Money Laundering Models, 2023) within a horizon of time. A shape
    counts when chance, given what its accounts usually do, falls short of it by
    `params.min_surprise`. Of candidates that share half of the smaller one's transactions the one
    of most surprise stays. Labels play no part.

    The score is a mean of parts that stand in the table: surprise / (surprise + 10) weighs .45,
    shape .30, coherence .25; where fraud probabilities exist, their mean weighs a quarter of all.

    Args:
        transactions: transaction_id, occurred_at, feed, kind, amount, payer, payee,
            fraud_probability (nullable). They should reach back two horizons or more: only then is
            a habit, such as a monthly collection, seen as one.
        accounts: account and community, for `community_share`; null without it.
        params: see `RingParams`.
    """
    params = params or RingParams()
    table = transactions.filter(pl.col("kind").is_in(params.kinds)).select(_NEEDED).collect()
    cut: Counter[str] = Counter()
    rows: list[pl.DataFrame] = []
    feeds = sorted(table["feed"].unique().to_list())
    for feed in feeds:
        own = table if len(feeds) == 1 else table.filter(pl.col("feed") == feed)
        edges = unusual_edges(own, params)
        cut["unusual"] += edges.at.size
        if edges.at.size:
            rows.append(_ring_rows(feed, edges, _rings_of(edges, params, cut)))
    rings = pl.concat([pl.DataFrame(schema=RING_SCHEMA), *rows])
    return RingSearch(
        rings=_with_community_share(rings, accounts).sort(
            ["score", "ring_id"], descending=[True, False]
        ),
        cut=dict(cut),
    )


def _rings_of(edges: UnusualEdges, params: RingParams, cut: Counter[str]) -> list[Candidate]:
    """Return one feed's rings without overlaps."""
    proving = ~edges.habitual
    receiving = Side.of(edges.target, edges.n_accounts, edges.n_traffic, proving)
    paying = Side.of(edges.source, edges.n_accounts, edges.n_traffic, proving)
    shaped = [
        fans(edges, receiving, paying, params),
        gather_scatters(edges, receiving, paying, params),
        scatter_gathers(edges, receiving, paying, params),
        cycles(edges, params),
    ]
    kept = without_overlaps([c for found in shaped for c in found.candidates])
    used = edges.habitual.copy()
    for candidate in kept:
        used[candidate.edges] = True
    knots: Found = clusters(
        edges, np.flatnonzero(~used), max(receiving.dispersion, paying.dispersion), params
    )
    for found in (*shaped, knots):
        cut.update(found.cut)
    return kept + knots.candidates


def without_overlaps(candidates: list[Candidate]) -> list[Candidate]:
    """Keep the candidates of most surprise, each sharing less than half with any kept before."""
    kept: list[Candidate] = []
    holders: dict[int, list[int]] = {}
    starts: set[tuple[int, ...]] = set()
    ranked = sorted(candidates, key=lambda c: (-c.surprise, c.pattern, c.edges.tolist()))
    for candidate in ranked:
        members = candidate.edges.tolist()
        shared = Counter(k for edge in members for k in holders.get(edge, ()))
        start = tuple(members[:_ID_TRANSACTIONS])
        # Rings of the same first transactions would bear the same id.
        if start in starts or any(
            2 * n >= min(len(members), kept[k].edges.size) for k, n in shared.items()
        ):
            continue
        for edge in members:
            holders.setdefault(edge, []).append(len(kept))
        starts.add(start)
        kept.append(candidate)
    return kept


def _score(candidate: Candidate, probability: float) -> float:
    """Return 0..1; see `search_rings`."""
    surprise = candidate.surprise / (candidate.surprise + _HALF_SURPRISE)
    score = 0.45 * surprise + 0.30 * candidate.shape + 0.25 * candidate.coherence
    return score if np.isnan(probability) else 0.75 * score + 0.25 * probability


def _mean_probability(probability: NDArray[np.float64]) -> float:
    known = probability[~np.isnan(probability)]
    return float(known.mean()) if known.size else float("nan")


def _ring_rows(feed: str, edges: UnusualEdges, rings: list[Candidate]) -> pl.DataFrame:
    """Return one row a ring, of `RING_SCHEMA`."""
    if not rings:
        return pl.DataFrame(schema=RING_SCHEMA)
    moments = pl.Series(edges.at).cast(RING_SCHEMA["first_at"])
    rows = []
    for ring in rings:
        identifiers = edges.transaction_id.gather(edges.row[ring.edges]).to_list()
        probability = _mean_probability(edges.probability[ring.edges])
        rows.append(
            {
                "ring_id": _ring_id(feed, identifiers),
                "feed": feed,
                "pattern": ring.pattern,
                "score": _score(ring, probability),
                "accounts": edges.accounts.gather(list(ring.accounts)).to_list(),
                "transaction_ids": identifiers,
                "first_at": moments[int(ring.edges[0])],
                "last_at": moments[int(ring.edges[-1])],
                "amount": float(edges.amount[ring.edges].sum()),
                "n_accounts": len(ring.accounts),
                "n_transactions": len(identifiers),
                "centre": None if ring.centre < 0 else edges.accounts[ring.centre],
                "surprise": ring.surprise,
                "shape": ring.shape,
                "coherence": ring.coherence,
                "probability": None if np.isnan(probability) else probability,
                "community_share": None,
            }
        )
    return pl.DataFrame(rows, schema=RING_SCHEMA)


def _ring_id(feed: str, transaction_ids: list[str]) -> str:
    """Return an id that later transactions of the ring do not change."""
    named = "\x1f".join([feed, *transaction_ids[:_ID_TRANSACTIONS]])
    return f"ring-{blake2b(named.encode(), digest_size=8).hexdigest()}"


def _with_community_share(rings: pl.DataFrame, accounts: pl.DataFrame | None) -> pl.DataFrame:
    """Fill in the share of each ring's accounts that belong to its most common community."""
    if accounts is None or rings.is_empty():
        return rings
    members = rings.select("ring_id", "accounts").explode("accounts", empty_as_null=False)
    community = members.join(
        accounts.select("account", "community"), left_on="accounts", right_on="account", how="left"
    )
    share = (
        community.group_by("ring_id", "community")
        .agg(pl.len().alias("n"))
        .group_by("ring_id")
        .agg(share=pl.col("n").max() / pl.col("n").sum())
    )
    return (
        rings.join(share, on="ring_id", how="left", maintain_order="left")
        .with_columns(community_share="share")
        .drop("share")
    )
