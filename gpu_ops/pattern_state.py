"""What is kept of a feed's payments, so that rings are searched without reading them again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.ring_params import RING_SCHEMA, RingParams

PAIR_SCHEMA: Final[dict[str, pl.DataType]] = {
    "payer": pl.String(),
    "payee": pl.String(),
    "n": pl.UInt32(),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
}
"""One row a pair of accounts: how often it paid, first and last."""

KEPT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "transaction_id": pl.String(),
    "occurred_at": UTC_MICROSECONDS,
    "payer": pl.String(),
    "payee": pl.String(),
    "amount": pl.Float64(),
    "fraud_probability": pl.Float32(),
}
"""A pair's payments of its first burst, and while it is rare all of them: all that rings need."""

DAY_SCHEMA: Final[dict[str, pl.DataType]] = {
    "payer": pl.String(),
    "day": pl.Date(),
    "n": pl.UInt32(),
}
"""One row a payer and day: how many payments it made, whom they went to left out."""

STANDING_SCHEMA: Final[dict[str, pl.DataType]] = RING_SCHEMA | {"began_at": UTC_MICROSECONDS}
"""One row a ring as known that is part of no other; see `gpu_ops.ring_building.Ring`."""

_PAIR: Final = ["payer", "payee"]


@dataclass(frozen=True)
class RingState:
    """What is kept of one feed after a whole UTC day.

    It grows with pairs of accounts and with payers' days, not with payments.

    Attributes:
        feed: the feed.
        through: the last day taken in, null before the first.
        pairs: `PAIR_SCHEMA`, in no order.
        payments: `KEPT_SCHEMA`, in no order.
        days: `DAY_SCHEMA`, in no order.
        rings: `STANDING_SCHEMA`.
        cut: limit -> how often it applied in the searches as known; see
            `gpu_ops.patterns.RingSearch`.
    """

    feed: str
    through: date | None
    pairs: pl.DataFrame
    payments: pl.DataFrame
    days: pl.DataFrame
    rings: pl.DataFrame
    cut: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, feed: str) -> "RingState":
        """Return the state of a feed that had no payment yet."""
        return cls(
            feed=feed,
            through=None,
            pairs=pl.DataFrame(schema=PAIR_SCHEMA),
            payments=pl.DataFrame(schema=KEPT_SCHEMA),
            days=pl.DataFrame(schema=DAY_SCHEMA),
            rings=pl.DataFrame(schema=STANDING_SCHEMA),
        )


def usable(transactions: pl.LazyFrame, params: RingParams) -> pl.LazyFrame:
    """Return the payments that may be part of a ring.

    Payments to oneself move no money between accounts; payments of nothing move none, and reversed
    ones (below zero) take back what another row tells. What is no number tells nothing.
    """
    return transactions.filter(
        pl.col("kind").is_in(params.kinds),
        pl.col("payer") != pl.col("payee"),
        pl.col("amount") > 0,
        pl.col("amount").is_finite(),
    )


def advanced(state: RingState, payments: pl.DataFrame, params: RingParams) -> RingState:
    """Return the state after later whole days; the rings as known are left as they are.

    Args:
        state: the state before.
        payments: usable payments of the feed, all of days after `state.through`.
        params: see `RingParams`.

    Raises:
        ValueError: if a payment is not later than the days taken in.
    """
    if payments.is_empty():
        return state
    first, last = payments["occurred_at"].dt.date().min(), payments["occurred_at"].dt.date().max()
    if not isinstance(first, date) or not isinstance(last, date):
        raise TypeError("occurred_at must be a time")
    if state.through is not None and first <= state.through:
        raise ValueError(
            f"payments of {first} come after those of {state.through} were taken in: take in whole "
            "UTC days in their order, or start again from an empty state (a backfill)"
        )
    new = payments.group_by("payer", "payee").agg(
        n=pl.len(), first_at=pl.col("occurred_at").min(), last_at=pl.col("occurred_at").max()
    )
    # A day touches few of all pairs; the others stay as they are.
    touched = (
        pl.concat([state.pairs.join(new, on=_PAIR, how="semi"), new])
        .group_by(_PAIR)
        .agg(pl.col("n").sum(), pl.col("first_at").min(), pl.col("last_at").max())
        .cast(pl.Schema(PAIR_SCHEMA))
    )
    kept = (
        pl.concat(
            [
                state.payments.join(touched, on=_PAIR, how="semi"),
                payments.select(*KEPT_SCHEMA).cast(pl.Schema(KEPT_SCHEMA)),
            ]
        )
        .join(touched, on=_PAIR)
        .filter(
            (pl.col("occurred_at") - pl.col("first_at") <= params.burst)
            | (pl.col("n") <= params.max_pair_transactions)
        )
        .select(*KEPT_SCHEMA)
    )
    days = payments.group_by("payer", day=pl.col("occurred_at").dt.date()).agg(n=pl.len())
    return replace(
        state,
        through=last,
        pairs=pl.concat([state.pairs.join(touched, on=_PAIR, how="anti"), touched]),
        payments=pl.concat([state.payments.join(touched, on=_PAIR, how="anti"), kept]),
        days=pl.concat([state.days, days.cast(pl.Schema(DAY_SCHEMA))]),
    )
