"""What a ring is, in numbers: the parameters of the search and the columns of its result."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS

Pattern = Literal["fan_in", "fan_out", "cycle", "scatter_gather", "gather_scatter", "cluster"]

PATTERNS: Final[tuple[Pattern, ...]] = (
    "fan_in",
    "fan_out",
    "cycle",
    "scatter_gather",
    "gather_scatter",
    "cluster",
)
"""Every shape a ring may have."""

RING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "ring_id": pl.String(),
    "feed": pl.String(),
    "pattern": pl.String(),
    "score": pl.Float64(),
    "accounts": pl.List(pl.String()),
    "transaction_ids": pl.List(pl.String()),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
    "amount": pl.Float64(),
    "n_accounts": pl.UInt32(),
    "n_transactions": pl.UInt32(),
    "centre": pl.String(),
    "surprise": pl.Float64(),
    "shape": pl.Float64(),
    "coherence": pl.Float64(),
    "probability": pl.Float64(),
    "community_share": pl.Float64(),
}
"""Columns and dtypes of a ring table, in order.

accounts: the centre first (fans, gather-scatter), source and sink first (scatter-gather), else in
the order in which money passes. transaction_ids: in the order of time. amount: sum of the
transactions. surprise: nats by which chance falls short of explaining the ring, after the size of
the search. shape, coherence: 0..1. probability: mean fraud probability of the transactions, null
without a model. community_share: share of the accounts in the ring's most common community.
"""


@dataclass(frozen=True)
class RingParams:
    """What counts as unusual, as a shape and as enough evidence.

    Attributes:
        kinds: kinds of transactions that rings are made of. Purchases and cash at a counter end at
            merchants and agents, whose crowds of strangers are their business.
        horizon: the longest time that a ring may span.
        max_pair_transactions: a pair with more transactions than this is a habit, unless all of
            them lie within `burst`.
        burst: within this time repeated payments of a pair are one deed (structuring), not a habit.
        habit_per_horizon: an account that, well away from a payment's own time, pays more new
            counterparties a horizon than this does so out of habit; its payments prove nothing.
        habit_ratio: nor is it a habit up to this many times what the feed's median payer does.
        amount_ratio: a payment of an habitual pair is unusual when it is this many times the mean
            of its payer's other payments and of its payee's other receipts.
        hub_counterparties: an account with unusual payments from, or to, more than this many
            accounts within the horizon is a hub (merchant, payroll): no ring goes through it.
        min_fan: fewest counterparties of a fan.
        min_side: fewest counterparties on each side of a gather-scatter, and fewest intermediaries
            of a scatter-gather.
        cycle_accounts: fewest and most accounts of a cycle.
        min_surprise: nats of evidence that a ring needs beyond chance and the size of the search;
            3 is one chance find in 20 searches of the whole feed, of any one shape.
        cycle_steps: most steps of the cycle search from one transaction.
        cycle_steps_total: most steps of the cycle search in all.
        two_step_paths: most two-step paths that the scatter-gather search looks at.
        cluster_accounts: fewest and most accounts of a cluster.
        cluster_gap: payments of an account further apart than this do not join one cluster.
    """

    kinds: tuple[str, ...] = ("transfer",)
    horizon: timedelta = timedelta(days=30)
    max_pair_transactions: int = 2
    burst: timedelta = timedelta(days=3)
    habit_per_horizon: float = 1.0
    habit_ratio: float = 3.0
    amount_ratio: float = 5.0
    hub_counterparties: int = 100
    min_fan: int = 4
    min_side: int = 3
    cycle_accounts: tuple[int, int] = (3, 12)
    min_surprise: float = 3.0
    cycle_steps: int = 2_000
    cycle_steps_total: int = 20_000_000
    two_step_paths: int = 5_000_000
    cluster_accounts: tuple[int, int] = (4, 50)
    cluster_gap: timedelta = timedelta(days=3)
