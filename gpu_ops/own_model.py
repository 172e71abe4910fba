"""This project's own model in a backtest: fitted on one window, chosen on earlier folds alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

import polars as pl

from gpu_ops.anomaly import Forest, fit_forest
from gpu_ops.booster_params import BoosterParams
from gpu_ops.boosting import Booster, train_booster
from gpu_ops.calibration import Calibration, fit_calibration
from gpu_ops.engine import Device
from gpu_ops.matrices import IDENTIFIERS, Float64Array
from gpu_ops.model_scores import model_scores, with_forest_score
from gpu_ops.training_rows import LABEL, WEIGHT, TrainingTable

REHEARSALS: Final = 3
"""How many earlier folds choose the number of trees, where there are so many."""

FOREST_ROWS: Final = 50_000
"""Training rows that the forest is fitted on, the earliest."""

HISTORY_FOLDS: Final = 4
"""How many earlier folds a model may ask for: their features are computed for it."""


@dataclass(frozen=True)
class EarlierFold:
    """A fold whose labels, those of its test too, were all known when the present test began.

    Attributes:
        train: Its training rows: identifiers, features, `is_fraud`.
        test: Its test rows with the same columns, later than all of `train`.
    """

    train: pl.DataFrame
    test: pl.DataFrame


History = Callable[[int], EarlierFold | None]
"""0 gives the newest fold that fold i may choose by, which is i + 2; 1 the one before, and so on.

None where the data do not reach so far back, and from `HISTORY_FOLDS` on.
"""


@dataclass(frozen=True)
class OwnModel:
    """A fitted model.

    Attributes:
        forest: Fitted on the training rows; the booster reads its score.
        booster: Its trees.
        calibration: From margin to probability, strictly increasing.
        rounds_from: What chose the number of trees, in words.
    """

    forest: Forest
    booster: Booster
    calibration: Calibration
    rounds_from: str

    def predict(self, features: pl.DataFrame, *, device: Device = "cpu") -> Float64Array:
        """Fraud probability float64 (rows,) of rows with the features that it was fitted on."""
        return model_scores(
            self.booster, self.forest, self.calibration, features, device=device
        ).probability


def fit_own_model(
    train: pl.DataFrame,
    history: History,
    *,
    params: BoosterParams | None = None,
    device: Device = "cpu",
    threads: int = 1,
) -> OwnModel:
    """Fits on the whole training window, with the number of trees chosen on earlier folds.

    Each of up to `REHEARSALS` earlier folds is trained and stopped on its own test; the median of
    their numbers of trees counts, since one week's best is mostly chance. A model of the newest one
    with that many trees calibrates by its scores out of time; then all training rows are fitted
    with as many. Without such a fold `params.rounds_without_stopping` trees are grown and the
    booster's own probability stays.

    Args:
        train: Identifiers, features, `is_fraud` (none null) and, if sampled, `weight`.
        history: Earlier folds.
        params: Settings; by default the project's.
        device: Where to train.
        threads: CPU threads.

    Raises:
        ValueError: The training rows have one class.
    """
    chosen = params or BoosterParams()
    rounds: list[int] = []
    newest: tuple[TrainingTable, TrainingTable] | None = None
    calibration = Calibration(
        method="identity", slope=1.0, intercept=0.0, reason="no earlier fold to calibrate on"
    )
    for number in range(REHEARSALS):
        earlier = history(number)
        if earlier is None or not _has_both(earlier.train) or not _has_both(earlier.test):
            continue
        _, table, later = _scored(earlier.train, earlier.test, chosen.seed, threads)
        rehearsal = train_booster(table, later, chosen, device=device, threads=threads)
        if rehearsal.report is None:
            raise TypeError("a booster that was just trained has a report")
        newest = newest or (table, later)
        rounds.append(rehearsal.report.rounds)
    trees = int(median(rounds)) if rounds else chosen.rounds_without_stopping
    if newest is not None:
        fitted_on, later = newest
        rehearsal = _refit(fitted_on, chosen, trees, device, threads)
        margin = rehearsal.predict_margin(_frame(later), device=device)
        calibration = fit_calibration(margin, later.labels, later.weights)
    forest, table, _ = _scored(train, train.head(0), chosen.seed, threads)
    booster = _refit(table, chosen, trees, device, threads)
    reason = (
        f"the median of {len(rounds)} earlier folds"
        if rounds
        else "the default: no earlier fold has both classes"
    )
    return OwnModel(forest, booster, calibration, reason)


def _scored(
    train: pl.DataFrame, later: pl.DataFrame, seed: int, threads: int
) -> tuple[Forest, TrainingTable, TrainingTable]:
    """A forest of training rows, and these and later rows with its score."""
    columns = [one for one in train.columns if one not in {LABEL, WEIGHT, *IDENTIFIERS}]
    forest = fit_forest(train.head(FOREST_ROWS), columns, seed=seed)

    def table(rows: pl.DataFrame) -> TrainingTable:
        return TrainingTable.of(with_forest_score(rows, forest.score(rows, threads=threads)))

    return forest, table(train), table(later)


def _frame(table: TrainingTable) -> pl.DataFrame:
    return pl.DataFrame(table.features, schema=list(table.columns))


def _has_both(frame: pl.DataFrame) -> bool:
    return frame["is_fraud"].n_unique() > 1


def _refit(
    table: TrainingTable, params: BoosterParams, rounds: int, device: Device, threads: int
) -> Booster:
    """Grow a fixed number of trees: without validation rows there is nothing to stop on."""
    none = TrainingTable(table.features[:0], table.labels[:0], table.weights[:0], table.columns)
    fixed = replace(params, rounds_without_stopping=rounds)
    return train_booster(table, none, fixed, device=device, threads=threads)
