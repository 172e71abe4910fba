"""Two thresholds on the fraud probability: from one on an alert, from a higher one on a block."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from gpu_ops.capacity_metrics import day_numbers
from gpu_ops.cost_model import CostMatrix, checked_amounts
from gpu_ops.matrices import Float64Array
from gpu_ops.ranking_metrics import Labels, Scores, checked_scores

Policy = Literal["cost", "capacity"]
"""What decides: the levels that cost least, or those that fill the review capacity."""


@dataclass(frozen=True)
class Levels:
    """From which fraud probability on a payment is alerted, and from which one blocked.

    Attributes:
        alert: Lowest probability of an alert; None: nothing is alerted.
        block: Lowest probability of a block, not below `alert`; None: nothing is blocked.
    """

    alert: float | None = None
    block: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("alert", self.alert), ("block", self.block)):
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"the {name} level is {value}; a probability lies in 0..1")
        if self.alert is not None and self.block is not None and self.alert > self.block:
            raise ValueError(
                f"the alert level {self.alert} lies above the block level {self.block}"
            )


@dataclass(frozen=True)
class Thresholds:
    """The levels of a model, and what they were chosen on.

    Attributes:
        by_cost: The levels that cost least.
        by_capacity: The lowest alert level that reviewers can follow, and the block level above it
            that costs least.
        costs: The cost matrix of both.
        capacity: Reviews a day.
        rows: Rows that they were chosen on.
        positives: Frauds among them.
        days: UTC days with such rows.
    """

    by_cost: Levels
    by_capacity: Levels
    costs: CostMatrix = field(default_factory=CostMatrix)
    capacity: int = 1
    rows: int = 0
    positives: int = 0
    days: int = 0

    def of(self, policy: Policy) -> Levels:
        """The levels of a policy."""
        return self.by_cost if policy == "cost" else self.by_capacity


class _Steps(NamedTuple):
    """What lies at or above each distinct score, from the highest down, first of all nothing.

    Attributes:
        scores: The distinct scores; one fewer than the others.
        rows: Number of rows.
        caught: Amounts of the frauds.
        wronged: Amounts of the others.
    """

    scores: Float64Array
    rows: Float64Array
    caught: Float64Array
    wronged: Float64Array


def choose_thresholds(
    probability: Scores,
    labels: Labels,
    amounts: Float64Array,
    occurred_at: pl.Series,
    *,
    costs: CostMatrix,
    capacity: int,
) -> Thresholds:
    """The levels of a model by cost and by capacity, exactly, over all pairs of its scores.

    Levels are scores that occur, as Float32, which is how scores are stored: rows of equal score
    are decided alike. Of pairs that cost the same the one with fewer decisions is taken. Where the
    highest scores tie and outnumber the capacity, nothing is alerted by capacity. Capacity counts
    the rows at the block level too: a block is a recommendation, and somebody has to follow it.

    Args:
        probability: (rows,) in 0..1, of rows that no tree was grown on.
        labels: bool (rows,), all of them known.
        amounts: float64 (rows,), one currency.
        occurred_at: Datetime UTC (rows,).
        costs: The cost matrix.
        capacity: Reviews a UTC day, in the mean of the days with rows.

    Raises:
        ValueError: A score is NaN or outside 0..1, an amount is negative or not finite, lengths
            differ, a time is null, or the capacity is not positive.
    """
    scores = checked_scores(probability.astype(np.float32), labels)
    checked_amounts(labels, amounts)
    if len(occurred_at) != scores.size:
        raise ValueError(f"{scores.size} scores, {len(occurred_at)} times")
    if scores.size and not 0.0 <= scores.min() <= scores.max() <= 1.0:
        raise ValueError(f"probabilities lie in {scores.min()}..{scores.max()}, not in 0..1")
    if capacity < 1:
        raise ValueError(f"a capacity of {capacity} a day; it must be at least 1")
    days = int(day_numbers(occurred_at).max()) + 1 if scores.size else 0
    steps = _steps(scores, labels, amounts)
    # Blocking the first i steps instead of reviewing them costs this much more, ...
    block = costs.wrong_block_share * steps.wronged - costs.review_cost * steps.rows
    # ... and reviewing the first j steps this much more than letting them through.
    review = costs.review_cost * steps.rows - steps.caught
    # The best number of blocked steps among those reviewed, for every number of these.
    least = np.minimum.accumulate(block)
    cheapest = int(np.argmin(review + least))
    room = int(np.searchsorted(steps.rows, capacity * days, side="right")) - 1
    return Thresholds(
        by_cost=_levels(steps, block, cheapest),
        by_capacity=_levels(steps, block, room),
        costs=costs,
        capacity=capacity,
        rows=scores.size,
        positives=int(labels.sum()),
        days=days,
    )


def _levels(steps: _Steps, block: Float64Array, alerted: int) -> Levels:
    """The alert level after so many steps, and the cheapest block level at or above it."""
    blocked = int(np.argmin(block[: alerted + 1]))
    return Levels(
        alert=float(steps.scores[alerted - 1]) if alerted else None,
        block=float(steps.scores[blocked - 1]) if blocked else None,
    )


def _steps(scores: Float64Array, labels: Labels, amounts: Float64Array) -> _Steps:
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0.0, np.ones(min(1, ordered.size), bool)))

    def summed(values: Float64Array) -> Float64Array:
        return np.append(0.0, np.cumsum(values[order])[last])

    return _Steps(
        scores=ordered[last],
        rows=np.append(0.0, last + 1.0),
        caught=summed(np.where(labels, amounts, 0.0)),
        wronged=summed(np.where(labels, 0.0, amounts)),
    )
