"""This project's own model in a backtest: fitted on one window, chosen on earlier folds alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from gpu_ops.booster_params import BoosterParams
from gpu_ops.boosting import Booster, train_booster
from gpu_ops.calibration import Calibration, fit_calibration
from gpu_ops.engine import Device
from gpu_ops.matrices import Float64Array
from gpu_ops.training_rows import TrainingTable

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
        booster: Its trees.
        calibration: From margin to probability, strictly increasing.
        rounds_from: What chose the number of trees, in words.
    """

    booster: Booster
    calibration: Calibration
    rounds_from: str

    def predict(self, features: pl.DataFrame, *, device: Device = "cpu") -> Float64Array:
        """Fraud probability float64 (rows,) of rows with the features that it was fitted on."""
        return self.calibration.probability(self.booster.predict_margin(features, device=device))


def fit_own_model(
    train: pl.DataFrame,
    history: History,
    *,
    params: BoosterParams | None = None,
    device: Device = "cpu",
    threads: int = 1,
) -> OwnModel:
    """Fits on the whole training window, with the number of trees chosen on an earlier fold.

    The newest earlier fold is trained and stopped on its own test, which gives the number of trees
    and the scores, out of time, that calibrate. Then all training rows are fitted with that many
    trees. Without such a fold `params.rounds_without_stopping` trees are grown and the booster's
    own probability stays.

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
    table = TrainingTable.of(train)
    earlier = history(0)
    if earlier is None or not _has_both(earlier.train) or not _has_both(earlier.test):
        booster = _refit(table, chosen, chosen.rounds_without_stopping, device, threads)
        identity = Calibration(
            method="identity", slope=1.0, intercept=0.0, reason="no earlier fold to calibrate on"
        )
        return OwnModel(booster, identity, "the default: no earlier fold has both classes")
    later = TrainingTable.of(earlier.test)
    rehearsal = train_booster(
        TrainingTable.of(earlier.train), later, chosen, device=device, threads=threads
    )
    margin = rehearsal.predict_margin(earlier.test.select(rehearsal.columns), device=device)
    calibration = fit_calibration(margin, later.labels, later.weights)
    rounds = rehearsal.report.rounds if rehearsal.report else chosen.rounds_without_stopping
    booster = _refit(table, chosen, rounds, device, threads)
    return OwnModel(booster, calibration, "average precision on the test of an earlier fold")


def _has_both(frame: pl.DataFrame) -> bool:
    return frame["is_fraud"].n_unique() > 1


def _refit(
    table: TrainingTable, params: BoosterParams, rounds: int, device: Device, threads: int
) -> Booster:
    """Grow a fixed number of trees: without validation rows there is nothing to stop on."""
    none = TrainingTable(table.features[:0], table.labels[:0], table.weights[:0], table.columns)
    fixed = replace(params, rounds_without_stopping=rounds)
    return train_booster(table, none, fixed, device=device, threads=threads)
