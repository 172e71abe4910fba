"""The evaluation of fraud scores: every figure beside its ceiling and a random order's."""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import polars as pl
from pydantic import JsonValue

from gpu_ops.capacity_metrics import (
    CapacityBounds,
    DailyCards,
    alerts_at_capacity,
    card_precision_at_k,
    precision_recall,
    precision_recall_at_capacity,
    savings_share,
    value_saved,
)
from gpu_ops.matrices import Float32Array, Float64Array
from gpu_ops.probability_metrics import brier, calibration_slope, mean_score_ratio
from gpu_ops.ranking_metrics import (
    CurvePoint,
    Labels,
    Scores,
    average_precision,
    checked_scores,
    precision_recall_points,
    random_average_precision,
    random_recall_at_fpr,
    recall_at_fpr,
    roc_auc,
)

__all__ = [
    "Evaluation",
    "Figure",
    "average_precision",
    "brier",
    "calibration_slope",
    "card_precision_at_k",
    "evaluate",
    "mean_score_ratio",
    "precision_recall_at_capacity",
    "precision_recall_points",
    "recall_at_fpr",
    "roc_auc",
    "savings_share",
    "value_saved",
]

MAX_FPR: Final = 0.01
CARDS_A_DAY: Final = 100


@dataclass(frozen=True)
class Figure:
    """A metric with what a perfect and a random order reach on the same rows.

    Attributes:
        value: The metric; None where it is not defined on these rows.
        ceiling: Its value, or a bound of it, for perfect scores.
        random: Its expectation for a random order.
    """

    value: float | None
    ceiling: float | None
    random: float | None


@dataclass(frozen=True)
class Evaluation:
    """All figures of one set of scores on one set of rows.

    Attributes:
        rows: Number of transactions.
        positives: Frauds among them.
        days: UTC days with transactions.
        capacity: Alerts a day.
        review_cost: Of one alert, in the currency of the amounts.
        figures: Metric name to figure, average precision first.
        curve: Points of the precision-recall curve, for a picture.
    """

    rows: int
    positives: int
    days: int
    capacity: int
    review_cost: float
    figures: dict[str, Figure]
    curve: tuple[CurvePoint, ...]

    def value(self, name: str) -> float | None:
        """The value of a metric by name; KeyError if there is none of that name."""
        return self.figures[name].value

    def to_dict(self) -> dict[str, JsonValue]:
        """The evaluation as JSON: figures as value, ceiling and random."""
        return {
            "rows": self.rows,
            "positives": self.positives,
            "days": self.days,
            "capacity": self.capacity,
            "review_cost": self.review_cost,
            "metrics": {name: asdict(figure) for name, figure in self.figures.items()},
            "curve": [point._asdict() for point in self.curve],
        }


def evaluate(
    scores: Scores,
    labels: Labels,
    amounts: Float32Array | Float64Array,
    payer: pl.Series,
    occurred_at: pl.Series,
    *,
    capacity: int,
    review_cost: float,
) -> Evaluation:
    """Judges fraud probabilities on rows that no part of the model was fitted on.

    Two rankings fill the daily capacity: by probability for precision and recall, and by
    expected loss (probability times amount), as alerts are ranked, for the value saved.

    Args:
        scores: Fraud probabilities, float (rows,), in 0..1.
        labels: bool (rows,).
        amounts: (rows,), one currency.
        payer: Payer ids (rows,).
        occurred_at: Datetime UTC (rows,).
        capacity: Alerts a day.
        review_cost: Of one alert.

    Raises:
        ValueError: A score is NaN or outside 0..1, an amount is not finite, lengths differ, a
            payer or time is null, or the capacity is not positive.
    """
    values = checked_scores(scores, labels)
    losses = amounts.astype(np.float64)
    lengths = {len(values), len(losses), len(payer), len(occurred_at)}
    if len(lengths) > 1:
        raise ValueError(f"scores, amounts, payers and times have lengths {sorted(lengths)}")
    if not np.isfinite(losses).all():
        raise ValueError("an amount is NaN or infinite")
    figures = {
        **_ranking(values, labels),
        **_cards(values, labels, payer, occurred_at),
        **_capacity(values, labels, losses, occurred_at, capacity, review_cost),
        **_probability(values, labels),
    }
    return Evaluation(
        rows=len(values),
        positives=int(labels.sum()),
        days=occurred_at.dt.date().n_unique(),
        capacity=capacity,
        review_cost=review_cost,
        figures=figures,
        curve=precision_recall_points(values, labels),
    )


def _ranking(scores: Float64Array, labels: Labels) -> dict[str, Figure]:
    positives = int(labels.sum())
    negatives = len(labels) - positives
    one = 1.0 if positives else None
    both = 1.0 if positives and negatives else None
    by_chance = random_recall_at_fpr(negatives, MAX_FPR)
    return {
        "average_precision": Figure(
            average_precision(scores, labels),
            one,
            random_average_precision(len(labels), positives),
        ),
        "roc_auc": Figure(roc_auc(scores, labels), both, 0.5 if both else None),
        "recall_at_1pct_fpr": Figure(
            recall_at_fpr(scores, labels, MAX_FPR), both, by_chance if both else None
        ),
    }


def _cards(
    scores: Float64Array, labels: Labels, payer: pl.Series, occurred_at: pl.Series
) -> dict[str, Figure]:
    cards = DailyCards.of(labels, payer, occurred_at)
    return {
        f"card_precision_at_{CARDS_A_DAY}": Figure(
            cards.precision(scores, CARDS_A_DAY),
            cards.ceiling(CARDS_A_DAY),
            cards.random(CARDS_A_DAY),
        )
    }


def _capacity(
    scores: Float64Array,
    labels: Labels,
    amounts: Float64Array,
    occurred_at: pl.Series,
    capacity: int,
    review_cost: float,
) -> dict[str, Figure]:
    bounds = CapacityBounds.of(labels, amounts, occurred_at, capacity, review_cost)
    by_score = precision_recall(alerts_at_capacity(scores, occurred_at, capacity), labels)
    by_loss = alerts_at_capacity(scores * amounts, occurred_at, capacity)
    saved = value_saved(by_loss, labels, amounts, review_cost)
    return {
        "precision_at_capacity": Figure(
            by_score.precision, bounds.ceiling.precision, bounds.random.precision
        ),
        "recall_at_capacity": Figure(by_score.recall, bounds.ceiling.recall, bounds.random.recall),
        "value_saved": Figure(saved, bounds.value_ceiling, bounds.value_random),
        "savings_share": Figure(
            savings_share(saved, labels, amounts),
            savings_share(bounds.value_ceiling, labels, amounts),
            savings_share(bounds.value_random, labels, amounts),
        ),
    }


def _probability(scores: Float64Array, labels: Labels) -> dict[str, Figure]:
    """Random scores that know nothing but the share of frauds say just that share everywhere."""
    rows = bool(labels.size)
    rate = float(labels.mean()) if rows else 0.0
    known = 1.0 if labels.any() else None
    both = known if not labels.all() else None
    return {
        "brier": Figure(
            brier(scores, labels), 0.0 if rows else None, rate * (1 - rate) if rows else None
        ),
        "calibration_slope": Figure(calibration_slope(scores, labels), both, None),
        "mean_score_ratio": Figure(mean_score_ratio(scores, labels), known, known),
    }
