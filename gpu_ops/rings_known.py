"""Rings as they were known, day by day, from a state that is carried on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import groupby

import numpy as np
import polars as pl

from gpu_ops.pattern_candidate import Found
from gpu_ops.pattern_deeds import DAY, Payments
from gpu_ops.pattern_keeping import (
    check_later,
    days_after,
    pairs_after,
    payments_after,
    with_account_numbers,
)
from gpu_ops.pattern_known import known_view
from gpu_ops.pattern_learning import Later, Learned, learned
from gpu_ops.pattern_ordinary import View
from gpu_ops.pattern_search import candidates_of, end_of, ring_table
from gpu_ops.pattern_state import DEED_SCHEMA, KEPT_SCHEMA, STANDING_SCHEMA, RingState, usable
from gpu_ops.ring_building import Ring
from gpu_ops.ring_log import RingLog
from gpu_ops.ring_making import rings_of
from gpu_ops.ring_params import RING_SCHEMA, RingParams


def as_known(
    state: RingState, transactions: pl.LazyFrame, *, params: RingParams | None = None
) -> tuple[RingState, pl.DataFrame]:
    """Take in whole UTC days and return what became known of rings on each of them.

    Ordinary is what lay before a candidate's first deed. However the same days are split into
    calls, the same is returned for them.

    Args:
        state: of the transactions' feed, before these days.
        transactions: see `gpu_ops.patterns.search_rings`; of the state's feed and of later days.
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
    check_later(state, table)
    later, teaching, payments = _taken_in(state, table.drop("feed"), params)
    new = learned(state, teaching, payments, params)
    begin = int(payments.at.min()) // DAY * DAY
    deeds = pl.concat([state.deeds, new.deeds], how="diagonal")
    view = known_view(deeds, new.totals, begin, new.accounts.height, params)
    found = candidates_of(view, params, begin)
    log = RingLog(_rings(state.rings))
    said = []
    for rings in _by_day(state.feed, view, later, new.accounts, found):
        said += log.add(rings)
    cut = Counter(state.cut)
    cut.update(found.cut)
    return replace(
        later,
        accounts=new.accounts,
        totals=new.totals,
        deeds=_remembered(deeds, view, new, params),
        rings=ring_table(log.standing, STANDING_SCHEMA),
        cut=dict(cut),
    ), ring_table(said)


def _taken_in(
    state: RingState, table: pl.DataFrame, params: RingParams
) -> tuple[RingState, Later, Payments]:
    """Return the state with later payments, but for what they teach; and the payments."""
    payments, came, accounts = with_account_numbers(state, table)
    again, first = pairs_after(state, payments)
    touched = pl.concat([again, first])
    pairs = pl.concat([state.pairs.join(again, on=["payer", "payee"], how="anti"), touched])
    days = days_after(state, payments)
    later = replace(
        state,
        through=payments["occurred_at"].dt.date()[-1],
        pairs=pairs,
        payments=payments_after(state, payments, touched, params),
        days=days,
    )
    teaching = Later(accounts=accounts, came=came, pairs=pairs, again=again, days=days)
    return later, teaching, Payments.numbered(accounts["account"], payments)


def _by_day(
    feed: str, view: View, state: RingState, accounts: pl.DataFrame, found: Found
) -> Iterator[list[Ring]]:
    """Yield the rings that each day completed."""
    deeds = view.deeds
    every = [one.deeds for one in found.candidates]
    held = np.unique(np.concatenate(every)) if every else np.zeros(0, dtype=np.int64)
    pairs = pl.DataFrame({"payer": deeds.source[held], "payee": deeds.target[held]}).unique()
    payments = Payments.numbered(
        accounts["account"], state.payments.join(pairs, on=["payer", "payee"], how="semi")
    )
    rings = rings_of(feed, deeds, payments, found.candidates)
    for _, same_day in groupby(sorted(rings, key=_known_at), _known_at):
        yield list(same_day)


def _known_at(ring: Ring) -> datetime:
    return ring.known_at


def _remembered(deeds: pl.DataFrame, view: View, new: Learned, params: RingParams) -> pl.DataFrame:
    """Return the deeds that later days may need, the new ones with their chains."""
    n_new = new.deeds.height
    if n_new:
        links, number = view.links, view.flow.number
        earlier = links.earlier[-n_new:]
        fresh = new.deeds.with_columns(
            chain_from=np.where(earlier >= 0, number[earlier], -1),
            chain_nats=links.hop[-n_new:],
            chain_length=links.length[-n_new:],
        )
        deeds = pl.concat([deeds.head(-n_new), fresh.select(*DEED_SCHEMA)], rechunk=True)
    end = end_of(int(new.totals["day"].to_physical()[-1]))
    return deeds.filter(pl.col("first_at") > end - params.slow_horizon)


def _rings(table: pl.DataFrame) -> list[Ring]:
    return [
        Ring(**row | {name: tuple(row[name]) for name in ("accounts", "transaction_ids")})
        for row in table.iter_rows(named=True)
    ]
