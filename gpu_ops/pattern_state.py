"""What is kept of a feed's payments, so that rings are searched without reading them again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.ring_params import RING_SCHEMA, RingParams

KEPT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "transaction_id": pl.String(),
    "occurred_at": UTC_MICROSECONDS,
    "payer": pl.String(),
    "payee": pl.String(),
    "amount": pl.Float64(),
    "fraud_probability": pl.Float32(),
}
"""All that rings need of a payment."""

PAYMENT_SCHEMA: Final[dict[str, pl.DataType]] = KEPT_SCHEMA | {
    "payer": pl.Int32(),
    "payee": pl.Int32(),
}
"""A pair's payments of its first burst, and while it is rare all of them."""

PAIR_SCHEMA: Final[dict[str, pl.DataType]] = {
    "payer": pl.Int32(),
    "payee": pl.Int32(),
    "n": pl.UInt32(),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
}
"""One row a pair of accounts: how often it paid, first and last."""

DAY_SCHEMA: Final[dict[str, pl.DataType]] = {
    "payer": pl.Int32(),
    "day": pl.Date(),
    "n": pl.UInt32(),
}
"""One row a payer and day: how many payments it made, whom they went to left out."""

ENDS: Final = ("out", "in")
"""How columns name the two ends of a deed: out of the payer, into the payee."""

ACCOUNT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "account": pl.String(),
    "pays": pl.Boolean(),
    "is_paid": pl.Boolean(),
    **{
        f"{end}_{name}": dtype
        for end in ENDS
        for name, dtype in {
            "deeds": pl.Int64(),
            "unusual": pl.Int64(),
            "first": pl.Float64(),
            "gap": pl.Float64(),
        }.items()
    },
    "habit_first": pl.Int64(),
    "habit_known": pl.Int64(),
}
"""One row an account, whose number is its row: by the day of its first payment, then by name.

deeds, unusual: first deeds of pairs after learning, and those that were not to be expected. first,
gap: see `gpu_ops.pattern_peers.Tally`. habit_*: see
`gpu_ops.pattern_habit_kernels.habitual_since`.
"""

TOTAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "day": pl.Date(),
    "payments": pl.Int64(),
    "payers": pl.Int64(),
    "payees": pl.Int64(),
    "accounts": pl.Int64(),
    "deeds": pl.Int64(),
    "log_sum": pl.Float64(),
    "log_squares": pl.Float64(),
    **{f"{end}_at_least_{k}": pl.Float64() for end in ENDS for k in (1, 2, 3, 4)},
    **{f"{end}_gaps": pl.Float64() for end in ENDS},
}
"""One row a day with payments, in their order: what there was of everything up to its end.

log_sum, log_squares: of the logarithms of the deeds' amounts. at_least, gaps: see
`gpu_ops.pattern_peers.Told`.
"""

DEED_SCHEMA: Final[dict[str, pl.DataType]] = {
    "number": pl.Int64(),
    "payer": pl.Int32(),
    "payee": pl.Int32(),
    "first_at": UTC_MICROSECONDS,
    "amount": pl.Float64(),
    "began": pl.Boolean(),
    "since": pl.Int64(),
    **{f"{end}_{name}": pl.Int64() for end in ENDS for name in ("before", "unusual")},
    "chain_from": pl.Int64(),
    "chain_nats": pl.Float64(),
    "chain_length": pl.Int64(),
}
"""One row a deed to a stranger, in the order of (first_at, payer, payee), with what was known then.

number: deeds before. began, since: see `gpu_ops.pattern_windows.Flow`. before, unusual: see
`ACCOUNT_SCHEMA`, as of this deed. chain_*: see `gpu_ops.pattern_path_kernels.Links`, `chain_from`
by `number`. No figure depends on anything later, so what is kept never changes.
"""

STANDING_SCHEMA: Final[dict[str, pl.DataType]] = RING_SCHEMA | {"began_at": UTC_MICROSECONDS}
"""One row a ring as known that is part of no other; see `gpu_ops.ring_building.Ring`."""

STATE_TABLES: Final[dict[str, dict[str, pl.DataType]]] = {
    "accounts": ACCOUNT_SCHEMA,
    "pairs": PAIR_SCHEMA,
    "payments": PAYMENT_SCHEMA,
    "days": DAY_SCHEMA,
    "totals": TOTAL_SCHEMA,
    "deeds": DEED_SCHEMA,
    "rings": STANDING_SCHEMA,
}
"""The tables of a `RingState`."""


@dataclass(frozen=True)
class RingState:
    """What is kept of one feed after a whole UTC day.

    It grows with pairs of accounts and with payers' days, not with payments. Deeds older than the
    slow horizon are forgotten. Accounts are numbers but for `rings`.

    Attributes:
        feed: the feed.
        through: the last day taken in, null before the first.
        accounts: `ACCOUNT_SCHEMA`.
        pairs: `PAIR_SCHEMA`, in no order.
        payments: `PAYMENT_SCHEMA`, in no order.
        days: `DAY_SCHEMA`, in the order of the days.
        totals: `TOTAL_SCHEMA`.
        deeds: `DEED_SCHEMA`.
        rings: `STANDING_SCHEMA`.
        cut: limit -> how often it applied in the searches as known; see
            `gpu_ops.patterns.RingSearch`; hubs count on each day.
    """

    feed: str
    through: date | None
    accounts: pl.DataFrame
    pairs: pl.DataFrame
    payments: pl.DataFrame
    days: pl.DataFrame
    totals: pl.DataFrame
    deeds: pl.DataFrame
    rings: pl.DataFrame
    cut: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, feed: str) -> "RingState":
        """Return the state of a feed that had no payment yet."""
        tables = {name: pl.DataFrame(schema=schema) for name, schema in STATE_TABLES.items()}
        return cls.of(feed, None, tables, {})

    @classmethod
    def of(
        cls,
        feed: str,
        through: date | None,
        tables: Mapping[str, pl.DataFrame],
        cut: Mapping[str, int],
    ) -> "RingState":
        """Return the state of which `STATE_TABLES` are the tables."""
        return cls(
            feed=feed,
            through=through,
            accounts=tables["accounts"],
            pairs=tables["pairs"],
            payments=tables["payments"],
            days=tables["days"],
            totals=tables["totals"],
            deeds=tables["deeds"],
            rings=tables["rings"],
            cut=cut,
        )

    def named(self, payments: pl.DataFrame) -> pl.DataFrame:
        """Return some of the `payments` as of `KEPT_SCHEMA`, with their accounts' names."""
        names = self.accounts["account"]
        return payments.with_columns(
            payer=names.gather(payments["payer"]), payee=names.gather(payments["payee"])
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
