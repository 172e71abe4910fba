"""Gradient-boosted trees: the fraud score that learns from labels."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl

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

Device = Literal["cpu", "cuda"]

_CONTRIBUTION_ROWS: Final = 4_096
_STOPPING_METRIC: Final = "aucpr"


@dataclass(frozen=True)
class BoosterParams:
    """What a booster is trained with.

    Two defaults differ from XGBoost's own, since those lose average precision where frauds are
    few: `max_bin`, whose 256 bins blur the rare large amounts, and the start score, fitted to
    the fraud rate by XGBoost and held at 0.5 here.

    Attributes:
        rounds: Most trees; early stopping keeps fewer.
        least_rounds: Fewest trees that are kept: where the first tree already separates the
            validation window, it alone would give a handful of distinct scores.
        stop_after: Rounds without a better average precision on the validation window after
            which training stops.
        rounds_without_stopping: Trees where the validation window has only one class, so that
            there is nothing to stop on.
        learning_rate: Share of each tree's step that is taken.
        max_depth: Depth of a tree.
        min_child_weight: Least sum of second derivatives in a leaf.
        max_bin: Histogram bins a feature.
        subsample: Share of rows a tree sees.
        column_share: Share of features a tree sees.
        l2: L2 penalty on leaf values.
        seed: Makes training repeatable with the same number of threads.
    """

    rounds: int = 200
    least_rounds: int = 20
    stop_after: int = 20
    rounds_without_stopping: int = 100
    learning_rate: float = 0.1
    max_depth: int = 6
    min_child_weight: float = 1.0
    max_bin: int = 1024
    subsample: float = 1.0
    column_share: float = 1.0
    l2: float = 1.0
    seed: int = 0

    def for_xgboost(self, device: Device, threads: int) -> dict[str, str | int | float]:
        """The parameters under XGBoost's names."""
        return {
            "objective": "binary:logistic",
            "eval_metric": _STOPPING_METRIC,
            "base_score": 0.5,
            "tree_method": "hist",
            "device": device,
            "nthread": threads,
            "eta": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight,
            "max_bin": self.max_bin,
            "subsample": self.subsample,
            "colsample_bytree": self.column_share,
            "reg_lambda": self.l2,
            "seed": self.seed,
            "verbosity": 0,
        }

    def to_dict(self) -> dict[str, int | float]:
        """The parameters for a model card."""
        return asdict(self)


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

    def predict_margin(self, features: pl.DataFrame) -> Float32Array:
        """Sum of the trees in log-odds, float32 (rows,), chunk by chunk.

        Args:
            features: The booster's columns in any order, with or without the identifiers
                `transaction_id` and `occurred_at`. Null and NaN are absent values.

        Raises:
            FeatureMismatchError: Columns are missing, or there are features it never saw.
            ValueError: A feature is infinite.
        """
        check_columns(features.columns, self.columns, allow_extra=False)
        margins = [
            self.model.inplace_predict(feature_matrix(chunk, self.columns), predict_type="margin")
            for chunk in chunks(features)
        ]
        return np.concatenate([np.empty(0, np.float32), *margins])

    def predict(self, features: pl.DataFrame) -> Float64Array:
        """The logistic function of the margin, float64 in 0..1; not calibrated.

        Raises:
            FeatureMismatchError, ValueError: As `predict_margin`.
        """
        margin = self.predict_margin(features).astype(np.float64)
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margin)), np.float64)

    def contributions(self, features: pl.DataFrame) -> Contributions:
        """Exact TreeSHAP values of each row; about a millisecond a row, so for alerts only.

        The method is that of Lundberg, Erion and Lee, Consistent individualized feature
        attribution for tree ensembles (2018), as XGBoost implements it.

        Raises:
            FeatureMismatchError, ValueError: As `predict_margin`.
        """
        wait_passively()
        import xgboost

        check_columns(features.columns, self.columns, allow_extra=False)
        parts = [np.empty((0, len(self.columns) + 1), np.float32)]
        for chunk in chunks(features, _CONTRIBUTION_ROWS):
            rows = xgboost.DMatrix(
                feature_matrix(chunk, self.columns), feature_names=list(self.columns)
            )
            parts.append(self.model.predict(rows, pred_contribs=True))
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
        device: Where to train; the booster scores on the CPU.
        threads: CPU threads; another number may change the last digits.

    Raises:
        FeatureMismatchError: The two tables have different columns.
        ValueError: The training rows have only one class.
    """
    wait_passively()
    import xgboost

    check_columns(validation.columns, train.columns, allow_extra=False)
    if not train.has_both_classes:
        raise ValueError("the training rows have only one class: there is nothing to tell apart")
    settings = params.for_xgboost(device, threads)
    rows = _quantized(train, train.columns, params.max_bin, threads, None)
    if not validation.has_both_classes:
        model = xgboost.train(settings, rows, params.rounds_without_stopping)
        trees = params.rounds_without_stopping
        return Booster(_for_scoring(model), train.columns, TrainingReport(trees, trees, ()))
    later = _quantized(validation, train.columns, params.max_bin, threads, rows)
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
    tried = tuple(history["validation"][_STOPPING_METRIC])
    kept = min(max(int(model.best_iteration) + 1, params.least_rounds), len(tried))
    report = TrainingReport(kept, len(tried), tried)
    return Booster(_for_scoring(model[:kept]), train.columns, report)


def _quantized(
    table: TrainingTable,
    columns: Sequence[str],
    max_bin: int,
    threads: int,
    reference: "xgboost.QuantileDMatrix | None",
) -> "xgboost.QuantileDMatrix":
    import xgboost

    order = [table.columns.index(name) for name in columns]
    same = order == list(range(len(order)))
    return xgboost.QuantileDMatrix(
        table.features if same else np.ascontiguousarray(table.features[:, order]),
        label=table.labels,
        weight=table.weights,
        feature_names=list(columns),
        max_bin=max_bin,
        nthread=threads,
        ref=reference,
    )


def _for_scoring(model: "xgboost.Booster") -> "xgboost.Booster":
    """The model on the CPU, without what only training needs: equal trees, equal bytes."""
    model.set_param({"device": "cpu"})
    model.set_attr(best_iteration=None, best_score=None)
    return model
