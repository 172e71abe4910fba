"""What a ring is, in numbers: the parameters of the search and the columns of its result."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS

Pattern = Literal["fan_in", "fan_out", "cycle", "scatter_gather", "gather_scatter", "chain"]
Horizon = Literal["burst", "slow"]

PATTERNS: Final[tuple[str, ...]] = (
    "fan_in",
    "fan_out",
    "cycle",
    "scatter_gather",
    "gather_scatter",
    "chain",
    "cluster",
)
"""Every shape a ring may have. Nothing finds clusters any more; published alerts may name them."""

HORIZONS: Final[tuple[Horizon, ...]] = ("burst", "slow")
"""How long a ring may take; slow ones are fans."""

RING_SCHEMA: Final[dict[str, pl.DataType]] = {
    "ring_id": pl.String(),
    "feed": pl.String(),
    "pattern": pl.String(),
    "horizon": pl.String(),
    "score": pl.Float64(),
    "accounts": pl.List(pl.String()),
    "transaction_ids": pl.List(pl.String()),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
    "known_at": UTC_MICROSECONDS,
    "amount": pl.Float64(),
    "exposure": pl.Float64(),
    "n_accounts": pl.UInt32(),
    "n_transactions": pl.UInt32(),
    "centre": pl.String(),
    "surprise": pl.Float64(),
    "surprise_of_habit": pl.Float64(),
    "surprise_of_order": pl.Float64(),
    "surprise_of_amounts": pl.Float64(),
    "shape": pl.Float64(),
    "coherence": pl.Float64(),
    "probability": pl.Float64(),
    "community_share": pl.Float64(),
    "merged_into": pl.String(),
}
"""Columns and dtypes of a ring table, in order.

accounts: the centre first (fans, gather-scatter), source and sink first (scatter-gather), else in
the order in which money passes. transaction_ids: in the order of time. known_at: the last
microsecond of the UTC day with whose payments the ring was known as it stands here. amount: sum of
the transactions. exposure: money that came in from outside, the largest payment of a cycle or a
chain; no money counts twice. surprise: nats by which chance falls short of explaining the ring,
after the size of the search; the sum of what its accounts' habits (surprise_of_habit, with the
search deducted), its order in time and its amounts tell. shape, coherence: 0..1. probability: mean
fraud probability of the transactions, null without a model. community_share: share of the accounts
in the ring's most common community. merged_into: the ring that this one became part of, null for a
ring that stands.
"""


@dataclass(frozen=True)
class RingParams:
    """What counts as unusual, as a shape and as enough evidence.

    Attributes:
        kinds: kinds of transactions that rings are made of. Purchases and cash at a counter end at
            merchants and agents, whose crowds of strangers are their business.
        horizon: the longest time that a ring may span.
        slow_horizon: the longest time that a slow fan may span.
        learning: what happens so soon after a feed's first payment only teaches what is ordinary:
            as known, no ring begins in it.
        max_pair_transactions: in hindsight, a pair with more transactions than this is a habit,
            unless all of them lie within `burst`.
        burst: within this time repeated payments of a pair are one deed (structuring), not a habit.
        rhythm_beats: in hindsight, whoever pays a new counterparty at one interval at least so many
            times does so out of habit. More than a ring has members on one side.
        known_beats: the same, of what lies before a window: the ring's own beats do not count.
        known_payments: as known, a payer of fewer earlier payments that begins with several payees
            on one day only begins: that day is no part of a fan-out.
        rhythm_slack: a beat may be early or late by the interval over this, in whole days.
        habit_per_horizon: an account that, well away from a payment's own time, pays more new
            counterparties a horizon than this does so out of habit; its payments prove nothing.
        habit_ratio: nor is it a habit up to this many times what the feed's median payer does.
        hub_counterparties: an account with more unusual payments from, or to, others than this
            within the horizon is a hub (merchant, payroll): no window of it is looked at.
        min_fan: fewest counterparties of a fan.
        min_slow_fan: fewest counterparties of a slow fan.
        min_side: fewest counterparties on each side of a gather-scatter, and fewest intermediaries
            of a scatter-gather.
        cycle_accounts: fewest and most accounts of a cycle.
        return_within: two accounts' return counts as a cycle within this time.
        return_ratio: and when the smaller amount is at least this share of the larger.
        chain_accounts: fewest and most accounts of a chain.
        min_surprise: nats of evidence that a ring needs beyond chance and the size of the search;
            0 is one chance find to be expected in a search of the whole feed, of any one shape, 3
            is one in twenty searches.
        min_slow_surprise: the same of fans that take longer than `horizon`, which have less to tell
            them from chance: at -2.75 sixteen chance finds are to be expected in a search of the
            whole feed.
        component_steps: most steps of the cycle search in one strongly connected component; one
            that needs more is reported as dense.
        two_step_paths: most two-step paths that the scatter-gather search follows into one account.
    """

    kinds: tuple[str, ...] = ("transfer",)
    horizon: timedelta = timedelta(days=30)
    slow_horizon: timedelta = timedelta(days=540)
    learning: timedelta = timedelta(days=21)
    max_pair_transactions: int = 2
    burst: timedelta = timedelta(days=3)
    rhythm_beats: int = 13
    known_beats: int = 3
    known_payments: int = 3
    rhythm_slack: int = 15
    habit_per_horizon: float = 1.0
    habit_ratio: float = 3.0
    hub_counterparties: int = 100
    min_fan: int = 4
    min_slow_fan: int = 4
    min_side: int = 3
    cycle_accounts: tuple[int, int] = (3, 12)
    return_within: timedelta = timedelta(hours=48)
    return_ratio: float = 0.9
    chain_accounts: tuple[int, int] = (4, 12)
    min_surprise: float = 3.0
    min_slow_surprise: float = -2.75
    component_steps: int = 200_000
    two_step_paths: int = 20_000
