"""Gradient-boosted trees: the fraud score that learns from labels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from gpu_ops.booster_params import STOPPING_METRIC, BoosterParams
from gpu_ops.engine import Device
from gpu_ops.gpu_driver import require_gpu
from gpu_ops.matrices import (
    Float32Array,
    Float64Array,
    check_columns,
    chunks,
    feature_matrix,
)
from gpu_ops.model_files import ModelFileError, seal, unseal
from gpu_ops.openmp import wait_passively
from gpu_ops.training_rows import TrainingTable

if TYPE_CHECKING:
    import xgboost

__all__ = ["Booster", "BoosterParams", "Contributions", "TrainingReport", "train_booster"]

_CONTRIBUTION_ROWS: Final = 4_096


@dataclass(frozen=True)
class TrainingReport:
    """How training went.

    Attributes:
        rounds: Trees kept.
        rounds_tried: Trees grown before training stopped.
        validation_average_precision: XGBoost's `aucpr` on the validation window at each round
            tried; empty where it has only one class.
    """

    rounds: int
    rounds_tried: int
    validation_average_precision: tuple[float, ...]


@dataclass(frozen=True)
class Contributions:
    """Exact SHAP values in margin units (log-odds).

    Attributes:
        values: float32 (rows, features), in the order of the booster's columns.
        bias: float32 (rows,), what a row without any feature would have. A row's values and
            its bias add up to its margin.
    """

    values: Float32Array
    bias: Float32Array


@dataclass(frozen=True)
class Booster:
    """A trained booster; refuses features that it was not trained on.

    Attributes:
        model: The XGBoost model, cut to the trees that are kept.
        columns: Names of its features, in order.
        report: How training went; None for one read from a file.
    """

    model: "xgboost.Booster"
    columns: tuple[str, ...]
    report: TrainingReport | None = field(default=None, compare=False)

    @cached_property
    def on_gpu(self) -> "xgboost.Booster":
        """A copy of the model that predicts on a GPU; made once."""
        from gpu_ops.gpu_boosting import on_gpu

        return on_gpu(self.model)

    def predict_margin(self, features: pl.DataFrame, *, device: Device = "cpu") -> Float32Array:
        """Sum of the trees in log-odds, float32 (rows,), chunk by chunk.

        Args:
            features: The booster's columns in any order, with or without the identifiers
                `transaction_id` and `occurred_at`. Null and NaN are absent values.
            device: Where to score; the margins differ by 1e-5 at most, relative to 1 or more.

        Raises:
            FeatureMismatchError: Columns are missing, or there are features it never saw.
            ValueError: A feature is infinite.
        """
        check_columns(features.columns, self.columns, allow_extra=False)
        margins = [
            self._margins(feature_matrix(chunk, self.columns), device) for chunk in chunks(features)
        ]
        return np.concatenate([np.empty(0, np.float32), *margins])

    def _margins(self, rows: Float32Array, device: Device) -> Float32Array:
        if device == "cpu":
            found: Float32Array = self.model.inplace_predict(rows, predict_type="margin")
            return found
        from gpu_ops.gpu_boosting import margins_on_gpu

        return margins_on_gpu(self.on_gpu, rows)

    def predict(self, features: pl.DataFrame, *, device: Device = "cpu") -> Float64Array:
        """The logistic function of the margin, float64 in 0..1; not calibrated.

        Raises:
            FeatureMismatchError, ValueError: As `predict_margin`.
        """
        margin = self.predict_margin(features, device=device).astype(np.float64)
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margin)), np.float64)

    def contributions(self, features: pl.DataFrame, *, device: Device = "cpu") -> Contributions:
        """Exact TreeSHAP values of each row; about a millisecond a row on a CPU.

        The method is that of Lundberg, Erion and Lee, Consistent individualized feature
        attribution for tree ensembles (2018), as XGBoost implements it.

        Raises:
            FeatureMismatchError, ValueError: As `predict_margin`.
        """
        wait_passively()
        import xgboost

        check_columns(features.columns, self.columns, allow_extra=False)
        model = self.model if device == "cpu" else self.on_gpu
        parts = [np.empty((0, len(self.columns) + 1), np.float32)]
        for chunk in chunks(features, _CONTRIBUTION_ROWS):
            rows = xgboost.DMatrix(
                feature_matrix(chunk, self.columns), feature_names=list(self.columns)
            )
            parts.append(model.predict(rows, pred_contribs=True))
        all_rows = np.concatenate(parts)
        return Contributions(all_rows[:, :-1], all_rows[:, -1])

    def to_bytes(self) -> bytes:
        """The model in XGBoost's UBJSON with its feature names, and 40 bytes of checksum.

        XGBoost itself reads the file too: it ignores what follows the model.
        """
        return seal(bytes(self.model.save_raw("ubj")))

    @classmethod
    def from_bytes(cls, data: bytes, *, threads: int | None = None) -> "Booster":
        """The booster that `to_bytes` stored.

        The checksum comes first, since XGBoost ends the process on some damaged files.

        Args:
            data: The file.
            threads: Threads for scoring, default one a CPU.

        Raises:
            ModelFileError: The file is truncated, altered, or names no features.
        """
        return _read_booster(data, threads)


# As with the forest: one reading for all uploads that a process scores.
@lru_cache(maxsize=2)
def _read_booster(data: bytes, threads: int | None) -> Booster:
    wait_passively()
    import xgboost

    payload = unseal(data, "booster")
    model = xgboost.Booster(None if threads is None else {"nthread": threads})
    try:
        model.load_model(bytearray(payload))
    except xgboost.core.XGBoostError as error:
        raise ModelFileError(f"the booster file cannot be read: {error}") from error
    if not model.feature_names:
        raise ModelFileError("the booster file names no features")
    model.set_param({"device": "cpu"})
    return Booster(model, tuple(model.feature_names))


def train_booster(
    train: TrainingTable,
    validation: TrainingTable,
    params: BoosterParams,
    *,
    device: Device = "cpu",
    threads: int = 1,
) -> Booster:
    """Trains on one window of time and stops on the next.

    Training stops `params.stop_after` rounds after the round with the best average precision on
    the validation window, and the trees up to that round are kept, `params.least_rounds` at least.
    Where that window has only
    one class, `params.rounds_without_stopping` trees are grown.

    Args:
        train: Both classes.
        validation: Later rows with the same columns.
        params: Settings.
        device: Where to train. The booster scores wherever it is asked to.
        threads: CPU threads; another number may change the last digits.

    Raises:
        FeatureMismatchError: The two tables have different columns.
        ValueError: The training rows have only one class.
        EngineUnavailableError: The device is a GPU, and there is none.
    """
    if device == "cuda":
        # XGBoost alone would warn and train on the CPU.
        require_gpu()
    wait_passively()
    import xgboost

    check_columns(validation.columns, train.columns, allow_extra=False)
    if not train.has_both_classes:
        raise ValueError("the training rows have only one class: there is nothing to tell apart")
    settings = params.for_xgboost(device, threads)
    rows = _quantized(train, params.max_bin, threads)
    if not validation.has_both_classes:
        model = xgboost.train(settings, rows, params.rounds_without_stopping)
        trees = params.rounds_without_stopping
        return Booster(_for_scoring(model), train.columns, TrainingReport(trees, trees, ()))
    later = _as_they_are(validation, train.columns, threads)
    history: dict[str, dict[str, list[float]]] = {}
    model = xgboost.train(
        settings,
        rows,
        params.rounds,
        evals=[(later, "validation")],
        early_stopping_rounds=params.stop_after,
        evals_result=history,
        verbose_eval=False,
    )
    tried = tuple(history["validation"][STOPPING_METRIC])
    kept = min(max(int(model.best_iteration) + 1, params.least_rounds), len(tried))
    report = TrainingReport(kept, len(tried), tried)
    return Booster(_for_scoring(model[:kept]), train.columns, report)


def _quantized(table: TrainingTable, max_bin: int, threads: int) -> "xgboost.QuantileDMatrix":
    import xgboost

    return xgboost.QuantileDMatrix(
        table.features,
        label=table.labels,
        weight=table.weights,
        feature_names=list(table.columns),
        max_bin=max_bin,
        nthread=threads,
    )


def _as_they_are(table: TrainingTable, columns: Sequence[str], threads: int) -> "xgboost.DMatrix":
    """Rows to be scored each round, with `columns` in this order.

    Not as bins: XGBoost 3.2 takes 25 times as long to score those (67,000 rows of 130 features:
    0.39 s a round instead of 0.016 s).
    """
    import xgboost

    order = [table.columns.index(name) for name in columns]
    same = order == list(range(len(order)))
    return xgboost.DMatrix(
        table.features if same else np.ascontiguousarray(table.features[:, order]),
        label=table.labels,
        weight=table.weights,
        feature_names=list(columns),
        nthread=threads,
    )


def _for_scoring(model: "xgboost.Booster") -> "xgboost.Booster":
    """The model on the CPU, without what only training needs: equal trees, equal bytes."""
    model.set_param({"device": "cpu"})
    model.set_attr(best_iteration=None, best_score=None)
    return model
