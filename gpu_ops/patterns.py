"""Rings: small groups of accounts whose unusual payments form a pattern, in two views.

Hindsight tells at some time T what all payments up to T show. As known tells, day by day, what
could be seen by then. Both are one search over the same deeds; they differ in what they hold for
ordinary (`pattern_ordinary`, `pattern_known`). The search runs on the CPU, compiled: its loops over
one account's windows have no counterpart among table operations, and cuGraph has no search for
patterns in time.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.pattern_deeds import DAY, Deeds, PaidDays, Payments
from gpu_ops.pattern_ordinary import View, hindsight_view
from gpu_ops.pattern_peers import PeerCounts, Traffic
from gpu_ops.pattern_search import candidates_of, end_of, ring_table
from gpu_ops.pattern_state import KEPT_SCHEMA, RingState, usable
from gpu_ops.ring_building import built
from gpu_ops.ring_making import rings_of
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from gpu_ops.rings_known import as_known

__all__ = ["RingSearch", "as_known", "hindsight", "search_rings", "together"]

SEARCH_VERSION: Final = "5"
"""Changes when the same payments would give other rings."""

_EVER: Final = int(np.iinfo(np.int64).min)

DENSE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "feed": pl.String(),
    "accounts": pl.List(pl.String()),
    "n_accounts": pl.UInt32(),
}
"""Strongly connected accounts among which the search for cycles ended at its step budget."""


@dataclass(frozen=True)
class RingSearch:
    """Rings, and what the limits of the search left out.

    Attributes:
        rings: a table of `RING_SCHEMA`, strongest first, ties by ring_id.
        merged: the same of what became part of one of them (`merged_into`).
        dense: a table of `DENSE_SCHEMA`.
        cut: limit -> how often it applied. `burst_hubs`, `slow_hubs`, `gather_scatter_hubs`,
            `scatter_gather_hubs`: accounts with too many unusual payments within the horizon, of
            which no window was looked at (as known, counted on each day); `chain_hubs`: deeds of
            accounts of which only the latest payments in were followed; `two_step_paths`:
            intermediaries of which not all paths were; `dense_components`: see `dense`.
            `unusual`: deeds that the search ran over, not a cut.
    """

    rings: pl.DataFrame
    merged: pl.DataFrame
    dense: pl.DataFrame
    cut: dict[str, int]


def search_rings(
    transactions: pl.LazyFrame,
    accounts: pl.DataFrame | None = None,
    *,
    params: RingParams | None = None,
) -> RingSearch:
    """Return the rings that payments show in hindsight; see `RING_SCHEMA`.

    A ring is neither a component nor a community. Only deeds (payments of a pair within one burst)
    out of the ordinary are looked at: of pairs that hardly ever pay, in no rhythm of their payer
    and by no habit of it. Among them six shapes (fan-in, fan-out, cycle, scatter-gather,
    gather-scatter, chain; named as by Altman et al., Realistic Synthetic Financial Transactions for
    Anti-Money Laundering Models, 2023) count when chance, given what the accounts usually do, falls
    short of them by `params.min_surprise`. Candidates that share half of the smaller one's
    transactions are one ring, named after the strongest. Labels play no part.

    The score is a mean of parts that stand in the table: surprise / (surprise + 10) weighs .45,
    shape .30, coherence .25; where fraud probabilities exist, their mean weighs a quarter of all.
    It is no probability: nothing here has seen a confirmed case.

    Args:
        transactions: transaction_id, occurred_at, feed, kind, amount, payer, payee,
            fraud_probability (nullable). They should reach back two horizons or more: only then is
            a habit, such as a monthly collection, seen as one.
        accounts: account and community, for `community_share`; null without it.
        params: see `RingParams`.
    """
    params = params or RingParams()
    table = usable(transactions, params).select("feed", *KEPT_SCHEMA).collect()
    results = []
    for feed in sorted(table["feed"].unique().to_list()):
        payments = Payments.of(table.filter(pl.col("feed") == feed))
        deeds, paid = _deeds_and_days(payments, params)
        traffic = Traffic.of(payments.at // DAY)
        view = hindsight_view(
            deeds,
            paid,
            traffic,
            PeerCounts.of(payments.payer, payments.payee, payments.accounts.len()),
            params,
        )
        results.append(_searched(feed, view, payments, params, end_of(int(traffic.day[-1]))))
    return together(results, accounts)


def _deeds_and_days(payments: Payments, params: RingParams) -> tuple[Deeds, PaidDays]:
    by_payer = payments.by_payer()
    with ThreadPoolExecutor(1) as pool:
        paid = pool.submit(PaidDays.of, payments, by_payer)
        deeds = Deeds.of_rare_pairs(payments, by_payer, params.max_pair_transactions, params.burst)
        return deeds, paid.result()


def hindsight(
    state: RingState, accounts: pl.DataFrame | None = None, *, params: RingParams | None = None
) -> RingSearch:
    """Return what `search_rings` returns for all payments that a state has taken in.

    Args:
        state: of one feed.
        accounts: see `search_rings`.
        params: see `RingParams`.
    """
    params = params or RingParams()
    if state.through is None:
        return together([], accounts)
    payments, rank = _renumbered(state, params)
    days = state.days
    view = hindsight_view(
        Deeds.of_rare_pairs(
            payments, payments.by_payer(), params.max_pair_transactions, params.burst
        ),
        PaidDays.kept(
            rank[days["payer"].to_numpy()],
            days["day"].to_physical().cast(pl.Int64).to_numpy(),
            days["n"].cast(pl.Int64).to_numpy(),
            rank.size,
        ),
        Traffic.of_totals(state.totals),
        PeerCounts(
            int(state.accounts["pays"].sum()), int(state.accounts["is_paid"].sum()), rank.size
        ),
        params,
    )
    return together(
        [
            _searched(
                state.feed,
                view,
                payments,
                params,
                end_of(int(state.totals["day"].to_physical()[-1])),
            )
        ],
        accounts,
    )


def _renumbered(state: RingState, params: RingParams) -> tuple[Payments, NDArray[np.int32]]:
    """Return the kept payments of rare pairs, and the place of each account by name.

    In hindsight accounts are numbered as `search_rings` does, so that ties are broken alike.
    """
    few = (pl.col("n") <= params.max_pair_transactions) | (
        pl.col("last_at") - pl.col("first_at") <= params.burst
    )
    pairs = state.pairs.filter(few).select("payer", "payee")
    kept = state.payments.join(pairs, on=["payer", "payee"], how="semi")
    order = state.accounts["account"].arg_sort().to_numpy()
    rank = np.empty(order.size, dtype=np.int32)
    rank[order] = np.arange(order.size, dtype=np.int32)
    names = state.accounts["account"].gather(order)
    ranked = kept.with_columns(
        pl.Series(end, rank[kept[end].to_numpy()]) for end in ("payer", "payee")
    )
    return Payments.numbered(names, ranked), rank


def _searched(
    feed: str, view: View, payments: Payments, params: RingParams, known_at: datetime
) -> RingSearch:
    """Return the rings of one feed in hindsight."""
    found = candidates_of(view, params, _EVER)
    rings = built(rings_of(feed, view.deeds, payments, found.candidates, known_at))
    members = [payments.accounts.gather(part).to_list() for part in found.dense]
    return RingSearch(
        rings=ring_table(ring for ring in rings if ring.merged_into is None),
        merged=ring_table(ring for ring in rings if ring.merged_into is not None),
        dense=pl.DataFrame(
            {
                "feed": [feed] * len(members),
                "accounts": members,
                "n_accounts": [len(one) for one in members],
            },
            schema=DENSE_SCHEMA,
        ),
        cut={**found.cut, "unusual": view.deeds.at.size},
    )


def together(results: list[RingSearch], accounts: pl.DataFrame | None) -> RingSearch:
    """Return the searches of several feeds as one, strongest ring first; see `search_rings`."""
    rings = pl.concat([pl.DataFrame(schema=RING_SCHEMA), *(one.rings for one in results)])
    cut: Counter[str] = Counter()
    for one in results:
        cut.update(one.cut)
    return RingSearch(
        rings=_with_community_share(rings, accounts).sort(
            ["score", "ring_id"], descending=[True, False]
        ),
        merged=pl.concat([pl.DataFrame(schema=RING_SCHEMA), *(one.merged for one in results)]),
        dense=pl.concat([pl.DataFrame(schema=DENSE_SCHEMA), *(one.dense for one in results)]),
        cut=dict(cut),
    )


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
