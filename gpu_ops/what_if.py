"""What levels would have led to on rows whose outcome is known by now."""

from dataclasses import dataclass
from math import sqrt
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from gpu_ops.capacity_metrics import alerts_at_capacity, day_numbers, precision_recall
from gpu_ops.cost_model import CostMatrix, cost_of_nothing, savings
from gpu_ops.decisions import ALERT, BLOCK, RELEASE, decisions
from gpu_ops.thresholds import Levels

_NOT_ALERTED: Final = -1.0
_NORMAL_95: Final = 1.959963984540054


@dataclass(frozen=True)
class Conduct:
    """How payments are decided on.

    Attributes:
        levels: From which probability on.
        capacity: Reviews a UTC day.
        costs: The cost matrix.
        release_share: Share of those to be blocked that are released by lot.
        seed: Of the lot.
    """

    levels: Levels
    capacity: int
    costs: CostMatrix
    release_share: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a conduct would have led to; a day is a UTC day with such rows.

    Attributes:
        alert: The alert level.
        block: The block level.
        capacity: Reviews a day.
        alerts_a_day: Rows at or above the alert level and below the block level.
        reviews_a_day: Those of them that the capacity allows, the largest expected loss first.
        blocks_a_day: Rows at or above the block level that are not released.
        released_a_day: The others of these; they go through and are neither hit nor miss below.
        precision: Share of frauds among reviewed and blocked rows.
        recall: Share of reviewed and blocked ones among the frauds that were not released.
        review_precision: Share of frauds among reviewed rows.
        block_precision: Share of frauds among blocked rows.
        cost: Of frauds that went through (released ones, too), reviews and wrong blocks.
        cost_of_nothing: Of letting everything through.
        savings: 1 - cost / cost of doing nothing.
    """

    alert: float | None
    block: float | None
    capacity: int
    alerts_a_day: float
    reviews_a_day: float
    blocks_a_day: float
    released_a_day: float
    precision: float | None
    recall: float | None
    review_precision: float | None
    block_precision: float | None
    cost: float
    cost_of_nothing: float
    savings: float | None


def outcome(rows: pl.DataFrame, conduct: Conduct) -> Outcome:
    """What a conduct would have led to on rows with a known label.

    Args:
        rows: `transaction_id`, `occurred_at`, `amount`, `fraud_probability` and `is_fraud`, none
            of them null; one row a transaction, at least one.
        conduct: How they are decided on.

    Raises:
        ValueError: There is no row, or an amount is not finite.
    """
    if rows.is_empty():
        raise ValueError("there is no row to decide on")
    decided = decisions(
        rows["fraud_probability"],
        rows["transaction_id"],
        conduct.levels,
        release_share=conduct.release_share,
        seed=conduct.seed,
    )
    alerted, blocked, released = ((decided == name).to_numpy() for name in (ALERT, BLOCK, RELEASE))
    labels = rows["is_fraud"].to_numpy()
    amounts = rows["amount"].cast(pl.Float64).to_numpy()
    loss = rows["fraud_probability"].cast(pl.Float64).to_numpy() * amounts
    first = alerts_at_capacity(
        np.where(alerted, loss, _NOT_ALERTED), rows["occurred_at"], conduct.capacity
    )
    reviewed = alerted & first
    both = precision_recall((reviewed | blocked)[~released], labels[~released])
    nothing = cost_of_nothing(labels, amounts)
    cost = conduct.costs.cost(labels, amounts, reviewed=reviewed, blocked=blocked)
    days = float(day_numbers(rows["occurred_at"]).max()) + 1.0
    return Outcome(
        alert=conduct.levels.alert,
        block=conduct.levels.block,
        capacity=conduct.capacity,
        alerts_a_day=float(alerted.sum()) / days,
        reviews_a_day=float(reviewed.sum()) / days,
        blocks_a_day=float(blocked.sum()) / days,
        released_a_day=float(released.sum()) / days,
        precision=both.precision,
        recall=both.recall,
        review_precision=precision_recall(reviewed, labels).precision,
        block_precision=precision_recall(blocked, labels).precision,
        cost=cost,
        cost_of_nothing=nothing,
        savings=savings(cost, nothing),
    )


class Released(NamedTuple):
    """What the released payments tell of those that were to be blocked.

    Attributes:
        rows: Released payments with a known outcome.
        frauds: Frauds among them.
        block_precision: Share of frauds; an unbiased estimate of how many blocks are right, even
            where blocks are carried out and blocked payments have no outcome.
        lower: Lower end of the 95 % interval of that share (Wilson, 1927).
        upper: Its upper end.
    """

    rows: int
    frauds: int
    block_precision: float | None
    lower: float | None
    upper: float | None


def released(decided: pl.Series, labels: pl.Series) -> Released:
    """What became of the payments that were released.

    Args:
        decided: Stored `decision` of each row.
        labels: Boolean, known.
    """
    drawn = labels.filter(decided == RELEASE)
    rows, frauds = drawn.len(), int(drawn.sum())
    if not rows:
        return Released(0, 0, None, None, None)
    share, square = frauds / rows, _NORMAL_95**2
    centre = (share + square / (2 * rows)) / (1 + square / rows)
    half = (
        _NORMAL_95 * sqrt(share * (1 - share) / rows + square / (4 * rows**2)) / (1 + square / rows)
    )
    return Released(rows, frauds, share, max(0.0, centre - half), min(1.0, centre + half))
