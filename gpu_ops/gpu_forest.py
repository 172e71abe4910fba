"""The isolation forest on a GPU: scored by nvForest, trained, where that is wanted, by cuML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from gpu_ops.anomaly import Forest, check_forest_input, column_medians, filled_matrix
from gpu_ops.gpu_calls import (
    FIT_FOREST,
    FOREST_TO_SKLEARN,
    FOREST_TRAINER,
    LOAD_FOREST,
    SCORE_FOREST,
    TO_DEVICE,
    TO_HOST,
    LoadedForest,
)
from gpu_ops.gpu_driver import require_gpu
from gpu_ops.matrices import Float32Array

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest


@dataclass(frozen=True)
class NvForestScorer:
    """Scores rows by the fitted scikit-learn forest in nvForest; a `ForestScorer`.

    Attributes:
        model: The forest in the GPU's memory.
    """

    model: LoadedForest

    @classmethod
    def of(cls, model: "IsolationForest") -> "NvForestScorer":
        """Load a forest into the GPU's memory.

        In double precision: in single, nvForest rounds the thresholds, and rows beside one go the
        other way. scikit-learn compares float32 values to float64 thresholds, and so does this.

        Raises:
            EngineUnavailableError: There is no GPU.
        """
        require_gpu()
        return cls(LOAD_FOREST(model, device="gpu", precision="double"))

    def anomaly_scores(self, rows: Float32Array) -> Float32Array:
        """Anomaly score 2 ** (-E[h(x)] / c(samples)) of each row, float32 in 0..1."""
        scores = np.asarray(TO_HOST(SCORE_FOREST(self.model, TO_DEVICE(rows))))
        return scores.reshape(-1).astype(np.float32)


def fit_forest_on_gpu(
    features: pl.DataFrame,
    columns: Sequence[str],
    *,
    seed: int,
    n_trees: int = 100,
    max_samples: int = 256,
) -> Forest:
    """Fits a forest by cuML's trainer instead of scikit-learn's; stored and scored alike.

    cuML draws rows and splits in its own way, so the trees are others for the same seed. It is an
    option: scikit-learn fits the same forest in seconds, however many rows there are.

    Args:
        features: As `gpu_ops.anomaly.fit_forest`.
        columns: The features to use.
        seed: Makes it repeatable on one kind of GPU.
        n_trees: Number of trees.
        max_samples: Rows drawn for a tree, at most 4,096.

    Raises:
        FeatureMismatchError, ValueError: As `gpu_ops.anomaly.fit_forest`.
        EngineUnavailableError: There is no GPU.
    """
    require_gpu()
    check_forest_input(features, columns, max_samples)
    medians = column_medians(features, columns)
    rows = filled_matrix(features, columns, medians)
    trainer = FOREST_TRAINER(
        n_estimators=n_trees, max_samples=min(max_samples, len(rows)), random_state=seed
    )
    fitted = FIT_FOREST(trainer, TO_DEVICE(rows))
    model = cast("IsolationForest", FOREST_TO_SKLEARN(fitted))
    return Forest.of(model, columns, medians)
