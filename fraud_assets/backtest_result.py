"""What a backtest found: the figures of every model on every fold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from fraud_assets.backtest_data import BacktestData
from gpu_ops.backtest_figures import (
    SCENARIO,
    Capacity,
    ModelFigures,
    by_scenario,
    figures,
)
from gpu_ops.backtest_protocol import Fold, Removal
from gpu_ops.matrices import Float64Array
from gpu_ops.metrics import precision_recall_points
from gpu_ops.ranking_metrics import CurvePoint
from gpu_ops.splits import DAY

OURS: Final = "ours"
ORACLE: Final = "oracle"
RANDOM: Final = "random"
CURVE_POINTS: Final = 120


@dataclass(frozen=True)
class Tested:
    """What the models reached on the test rows that one rule of removal leaves.

    Attributes:
        rows: How many they are.
        frauds: Those of them that are frauds.
        results: The figures of each model.
        scenarios: Scenario to its frauds and the figures of each model on it.
        curves: The precision-recall curve of each model.
    """

    rows: int
    frauds: int
    results: ModelFigures
    scenarios: dict[str, tuple[int, ModelFigures]]
    curves: dict[str, tuple[CurvePoint, ...]]


@dataclass(frozen=True)
class FoldResult:
    """One fold.

    Attributes:
        fold: Its windows.
        train_rows: Labelled rows of training.
        train_frauds: Those of them that are frauds.
        tested: Rule of removal to what was reached.
        notes: What a reader must know of this fold: a window without fraud, a model not fitted.
    """

    fold: Fold
    train_rows: int
    train_frauds: int
    tested: dict[Removal, Tested]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class BacktestResult:
    """All folds, and what they were made of."""

    feed: str
    file: str
    data: BacktestData
    capacity: Capacity
    models: tuple[str, ...]
    folds: tuple[FoldResult, ...]


def judged(
    models: Sequence[str],
    scores: Mapping[str, Float64Array],
    test: pl.DataFrame,
    counts: pl.Series,
    capacity: Capacity,
) -> Tested:
    """Judge scores on those test rows that count.

    Args:
        models: The models that were asked for; one without scores gets null figures.
        scores: Model to scores of all test rows; `random` and `oracle` among them.
        test: The test rows.
        counts: Boolean, which of them count.
        capacity: Who is reviewed.
    """
    mask = counts.to_numpy()
    rows = test.filter(counts)
    kept = {model: values[mask] for model, values in scores.items()}
    labels = rows["is_fraud"].to_numpy()
    none = dict.fromkeys(capacity.metrics)
    found = {model: figures(values, rows, capacity) for model, values in kept.items()}
    results = {model: found.get(model, dict(none)) for model in (*models, RANDOM, ORACLE)}
    return Tested(
        rows=rows.height,
        frauds=int(labels.sum()),
        results=results,
        scenarios=by_scenario(kept, rows, capacity) if SCENARIO in rows.columns else {},
        curves={
            model: precision_recall_points(values, labels, CURVE_POINTS)
            for model, values in kept.items()
        },
    )


def fold_notes(
    data: BacktestData, fold: Fold, train: pl.DataFrame, test: pl.DataFrame
) -> Iterator[str]:
    """Tell what a reader must know of a fold before its figures."""
    frauds = int(train["is_fraud"].sum())
    if frauds in (0, train.height):
        found = "no fraud" if train.height and not frauds else "no legitimate row"
        found = found if train.height else "no row"
        yield f"the training window has {found} whose label was known: no model is fitted"
    counted = test.filter("published")["is_fraud"]
    if test.is_empty():
        yield "the test window has no row with a label: no figure is defined"
    elif not counted.any():
        yield "the test window has no fraud that counts: no figure is defined"
    elif counted.all():
        yield "the test window has no legitimate row: AUC is not defined"
    if fold.test.end - data.last > DAY:
        yield f"the data end on {data.last:%Y-%m-%d}, before the test window does"
