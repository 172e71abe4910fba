"""Rings: small groups of accounts whose unusual payments form a pattern, in two views.

Hindsight tells at some time T what all payments up to T show. As known tells, day by day, what
could be seen by then. Both are one search over the same deeds; they differ in what they hold for
ordinary (`pattern_ordinary`). The search runs on the CPU, compiled: its loops over one account's
windows have no counterpart among table operations, and cuGraph has no search for patterns in time.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.pattern_candidate import Found
from gpu_ops.pattern_deeds import DAY, PaidDays, Payments
from gpu_ops.pattern_fans import fans_in, fans_out
from gpu_ops.pattern_flows import gather_scatters, scatter_gathers
from gpu_ops.pattern_ordinary import View, hindsight_view, known_view
from gpu_ops.pattern_paths import chains, cycles
from gpu_ops.pattern_peers import PeerCounts, Traffic
from gpu_ops.pattern_state import KEPT_SCHEMA, STANDING_SCHEMA, RingState, advanced, usable
from gpu_ops.ring_building import Ring, built, ring_of
from gpu_ops.ring_log import RingLog
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from gpu_ops.threads import side_by_side

SEARCH_VERSION: Final = "4"
"""Changes when the same payments would give other rings."""

_SEARCHES: Final = (fans_in, fans_out, gather_scatters, scatter_gathers, cycles, chains)
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
            which no window was looked at; `chain_hubs`: deeds of accounts of which only the latest
            payments in were followed; `two_step_paths`: intermediaries of which not all paths
            were; `dense_components`: see `dense`. `unusual`: deeds that the search ran over, not a
            cut.
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
        day = payments.at // DAY
        n_accounts = payments.accounts.len()
        view = hindsight_view(
            payments,
            PaidDays.of(payments.payer, day, n_accounts),
            Traffic.of(day),
            PeerCounts.of(payments.payer, payments.payee, n_accounts),
            params,
        )
        results.append(_searched(feed, view, params, _end_of(int(day.max()))))
    return together(results, accounts)


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
    few = (pl.col("n") <= params.max_pair_transactions) | (
        pl.col("last_at") - pl.col("first_at") <= params.burst
    )
    pairs = state.pairs.filter(few).select("payer", "payee")
    payments = Payments.of(state.payments.join(pairs, on=["payer", "payee"], how="semi"))
    view = hindsight_view(
        payments,
        _paid_days(state, payments),
        _traffic(state),
        PeerCounts(
            state.pairs["payer"].n_unique(),
            state.pairs["payee"].n_unique(),
            pl.concat([state.pairs["payer"], state.pairs["payee"].alias("payer")]).n_unique(),
        ),
        params,
    )
    return together(
        [_searched(state.feed, view, params, _end_of(_number(state.through)))], accounts
    )


def as_known(
    state: RingState, transactions: pl.LazyFrame, *, params: RingParams | None = None
) -> tuple[RingState, pl.DataFrame]:
    """Take in whole UTC days and return what became known of rings on each of them.

    Ordinary is what lay before a candidate's first deed. However the same days are split into
    calls, the same is returned for them.

    Args:
        state: of the transactions' feed, before these days.
        transactions: see `search_rings`; all of the state's feed, and of later days.
        params: see `RingParams`; the same for all days of a feed.

    Returns:
        The state after these days, and a table of `RING_SCHEMA` in the order of (known_at,
        ring_id): one row for each ring and day on which it appeared, changed or became part of
        another. A ring as known before UTC day D is its last row with `known_at` before D.

    Raises:
        ValueError: if a transaction is of another feed, or of a day that was taken in.
    """
    params = params or RingParams()
    table = usable(transactions, params).select("feed", *KEPT_SCHEMA).collect()
    others = [feed for feed in table["feed"].unique().to_list() if feed != state.feed]
    if others:
        raise ValueError(f"the state is of feed {state.feed}, transactions are of {others[0]}")
    if table.is_empty():
        return state, pl.DataFrame(schema=RING_SCHEMA)
    later = advanced(state, table.drop("feed"), params)
    payments = Payments.of(later.payments)
    view = known_view(payments, _paid_days(later, payments), _traffic(later), params)
    begin = int(table["occurred_at"].dt.epoch("us").min()) // DAY * DAY  # type: ignore[arg-type] # not empty: an integer
    found = _candidates(view, params, begin)
    by_day: dict[datetime, list[Ring]] = {}
    for candidate in found.candidates:
        ring = ring_of(state.feed, view, candidate)
        by_day.setdefault(ring.known_at, []).append(ring)
    log = RingLog(_rings(state.rings))
    said = [ring for moment in sorted(by_day) for ring in log.add(by_day[moment])]
    cut = Counter(state.cut)
    cut.update(found.cut)
    standing = _table(log.standing, STANDING_SCHEMA)
    return replace(later, rings=standing, cut=dict(cut)), _table(said)


def _candidates(view: View, params: RingParams, begin: int) -> Found:
    found = Found()
    if view.deeds.at.size:
        for part in side_by_side([partial(one, view, params, begin) for one in _SEARCHES]):
            found.add(part)
    return found


def _searched(feed: str, view: View, params: RingParams, known_at: datetime) -> RingSearch:
    """Return the rings of one feed in hindsight."""
    found = _candidates(view, params, _EVER)
    rings = built(ring_of(feed, view, one, known_at) for one in found.candidates)
    members = [view.deeds.payments.names[part].tolist() for part in found.dense]
    return RingSearch(
        rings=_table(ring for ring in rings if ring.merged_into is None),
        merged=_table(ring for ring in rings if ring.merged_into is not None),
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


def _table(rings: Iterable[Ring], schema: dict[str, pl.DataType] = RING_SCHEMA) -> pl.DataFrame:
    kept = list(rings)
    columns = {name: [getattr(ring, name) for ring in kept] for name in schema}
    return pl.DataFrame(columns, schema=schema)


def _rings(table: pl.DataFrame) -> list[Ring]:
    return [
        Ring(**row | {name: tuple(row[name]) for name in ("accounts", "transaction_ids")})
        for row in table.iter_rows(named=True)
    ]


def _paid_days(state: RingState, payments: Payments) -> PaidDays:
    """Return the days of the payers of some payments."""
    payer = payments.accounts.rename("payer").to_frame().with_row_index("code")
    days = state.days.join(payer, on="payer").sort("code", "day")
    offset = np.searchsorted(days["code"].to_numpy(), np.arange(payments.accounts.len() + 1))
    day = days["day"].to_physical().cast(pl.Int64).to_numpy()
    return PaidDays(
        offset=offset.astype(np.int64),
        day=day,
        count=days["n"].cast(pl.Int64).to_numpy(),
        key=days["code"].cast(pl.Int64).to_numpy() << 32 | day,
    )


def _traffic(state: RingState) -> Traffic:
    days = state.days.group_by("day").agg(pl.col("n").cast(pl.Int64).sum()).sort("day")
    return Traffic(
        day=days["day"].to_physical().cast(pl.Int64).to_numpy(),
        through=days["n"].cum_sum().cast(pl.Float64).to_numpy(),
    )


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _end_of(day: int) -> datetime:
    """Return the last microsecond of a UTC day, counted since 1970."""
    midnight = datetime.combine(date(1970, 1, 1), time(), UTC) + timedelta(days=day + 1)
    return midnight - timedelta(microseconds=1)


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
