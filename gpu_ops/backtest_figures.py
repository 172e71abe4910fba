"""The figures of a backtest: what each model reached in a fold, on average, and against another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.backtest_protocol import Party, in_order_of_ids
from gpu_ops.matrices import Float64Array
from gpu_ops.metrics import average_precision, card_precision_at_k, roc_auc
from gpu_ops.ranking_metrics import Labels

SCENARIO: Final = "scenario"

Figures = dict[str, float | None]
"""Metric to value: `auc`, `ap` and `cp<k>`; None where the rows do not define it."""

ModelFigures = dict[str, Figures]
"""Model to figures."""


@dataclass(frozen=True)
class Capacity:
    """Who is reviewed, and how many of them a day.

    Attributes:
        party: The column of whoever is reviewed.
        k: How many a day.
    """

    party: Party = "payer_id"
    k: int = 100

    @property
    def metric(self) -> str:
        """Name of the precision at this capacity, as `cp100`."""
        return f"cp{self.k}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, in order."""
        return ("auc", "ap", self.metric)


def figures(scores: Float64Array, rows: pl.DataFrame, capacity: Capacity) -> Figures:
    """AUC, average precision and precision at k of scores on test rows.

    Precision at k: per UTC day the highest score of each party, ties by id, the k highest; those of
    them with a fraud that day, over k; who was found leaves the later days; mean over the days with
    rows. `card_precision_top_k` of the Fraud Detection Handbook, chapter 4.4.

    Args:
        scores: float64 (rows,), higher is more suspicious.
        rows: `is_fraud`, none null; `occurred_at`; the party.
        capacity: Who is reviewed.

    Returns:
        All of them None without a fraud in the rows; `auc` None without a legitimate row.
    """
    labels = rows["is_fraud"].to_numpy()
    if not labels.any():
        return dict.fromkeys(capacity.metrics)
    party = in_order_of_ids(rows[capacity.party])
    return {
        "auc": roc_auc(scores, labels),
        "ap": average_precision(scores, labels),
        capacity.metric: card_precision_at_k(
            scores, labels, party, rows["occurred_at"], capacity.k
        ),
    }


def by_scenario(
    scores: Mapping[str, Float64Array], rows: pl.DataFrame, capacity: Capacity
) -> dict[str, tuple[int, ModelFigures]]:
    """The figures of each fraud scenario alone: its frauds against all legitimate rows.

    Args:
        scores: Model to scores of `rows`.
        rows: Test rows with `scenario`, text; what it says of a legitimate row does not matter.
        capacity: Who is reviewed.

    Returns:
        Scenario to its number of frauds and the figures of each model.
    """
    frauds = rows.filter(pl.col("is_fraud"))
    names = frauds[SCENARIO].drop_nulls().unique().sort().to_list()
    found = {}
    for name in names:
        kept = rows.select(
            ~pl.col("is_fraud") | (pl.col(SCENARIO) == name).fill_null(value=False)
        ).to_series()
        some, mask = rows.filter(kept), kept.to_numpy()
        found[name] = (
            int(some["is_fraud"].sum()),
            {model: figures(values[mask], some, capacity) for model, values in scores.items()},
        )
    return found


def oracle_scores(labels: Labels) -> Float64Array:
    """The scores of who knows: 1 for frauds."""
    return labels.astype(np.float64)


def random_scores(rows: int, seed: int) -> Float64Array:
    """Scores without any knowledge, float64 in 0..1, repeatable."""
    return np.random.default_rng(seed).random(rows)


def mean_and_spread(folds: Sequence[ModelFigures]) -> tuple[ModelFigures, ModelFigures]:
    """Mean and population standard deviation (ddof 0) of each figure over the folds that have it.

    Args:
        folds: The figures of each fold, the same models in all.
    """
    mean: ModelFigures = {}
    spread: ModelFigures = {}
    for model in folds[0] if folds else ():
        mean[model], spread[model] = {}, {}
        for metric in folds[0][model]:
            values = [one for fold in folds if (one := fold[model][metric]) is not None]
            mean[model][metric] = float(np.mean(values)) if values else None
            spread[model][metric] = float(np.std(values)) if values else None
    return mean, spread


def paired_differences(folds: Sequence[ModelFigures], reference: str) -> list[ModelFigures]:
    """What the reference reaches above each other model, fold by fold, on the same rows.

    Folds differ more from each other than models do, so the difference within a fold tells more
    than two means side by side (prequential comparison: Handbook, chapter 5.2).
    """
    return [
        {
            model: {
                metric: _difference(fold[reference][metric], value)
                for metric, value in found.items()
            }
            for model, found in fold.items()
            if model != reference
        }
        for fold in folds
    ]


def _difference(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
