"""What a model says of a row: forest first, then the booster that reads the forest's score."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from gpu_ops.engine import Device
from gpu_ops.matrices import Float32Array, Float64Array, check_columns

if TYPE_CHECKING:
    from gpu_ops.anomaly import Forest
    from gpu_ops.boosting import Booster
    from gpu_ops.calibration import Calibration

FOREST_SCORE: Final = "anomaly_score"
"""The booster's one feature that is not of the catalogue: how odd the forest finds the row."""


class Scores(NamedTuple):
    """What a model says of each row.

    Attributes:
        anomaly: float32 in 0..1, higher is odder.
        margin: float32 log-odds of the booster.
        probability: float64 in 0..1, calibrated.
    """

    anomaly: Float32Array
    margin: Float32Array
    probability: Float64Array


def catalogue_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Those of a booster's columns that the catalogue makes."""
    return tuple(name for name in columns if name != FOREST_SCORE)


def with_forest_score(features: pl.DataFrame, anomaly: Float32Array) -> pl.DataFrame:
    """The features with the forest's score of each row, Float32.

    An unsupervised score tells the booster what is odd in ways that the frauds of its training
    window were not (Carcillo et al., Combining unsupervised and supervised learning in credit card
    fraud detection, Information Sciences 557, 2021). The forest is fitted on training rows alone.
    """
    return features.with_columns(pl.Series(FOREST_SCORE, anomaly, dtype=pl.Float32))


def model_scores(
    booster: "Booster",
    forest: "Forest",
    calibration: "Calibration",
    features: pl.DataFrame,
    *,
    threads: int | None = None,
    device: Device = "cpu",
) -> Scores:
    """Anomaly score, margin and probability of each row.

    Args:
        booster: Reads the catalogue's features and, unless it is of an older version, the forest's
            score.
        forest: Of the same training window.
        calibration: From margin to probability.
        features: The catalogue's columns in any order, with or without identifiers.
        threads: For the forest, default one a CPU.
        device: Where both are computed. On a GPU the forest's score differs by 1e-6 at most, so a
            row whose score lies that close to a split may take its other side.

    Raises:
        FeatureMismatchError: The features are not those of the model.
    """
    check_columns(features.columns, catalogue_columns(booster.columns), allow_extra=False)
    anomaly = forest.score(features, threads=threads, device=device)
    if FOREST_SCORE in booster.columns:
        features = with_forest_score(features, anomaly)
    margin = booster.predict_margin(features, device=device)
    return Scores(anomaly, margin, calibration.probability(margin))
