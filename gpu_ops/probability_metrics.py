"""Whether probabilities mean what they say: Brier score and calibration."""

from typing import Final

import numpy as np

from gpu_ops.logistic import fit_line
from gpu_ops.ranking_metrics import Labels, Scores, checked_scores

_EDGE: Final = 1e-12
"""Probabilities are kept this far from 0 and 1 before their log-odds are taken."""


def brier(probabilities: Scores, labels: Labels) -> float | None:
    """Mean squared difference of probability and outcome, 0 is best; None without rows.

    Brier, Verification of forecasts expressed in terms of probability (1950).

    Raises:
        ValueError: A probability is NaN or outside 0..1, or lengths differ.
    """
    values = _checked(probabilities, labels)
    return float(np.mean((values - labels) ** 2)) if values.size else None


def calibration_slope(probabilities: Scores, labels: Labels) -> float | None:
    """Slope of the logistic regression of the outcome on the log-odds of the probability.

    1 is right, below 1 the probabilities are too extreme, above 1 too timid: Cox, Two further
    applications of a model for binary regression (1958). None with one class, constant
    probabilities, or probabilities that separate the classes (the slope is then infinite).

    Raises:
        ValueError: A probability is NaN or outside 0..1, or lengths differ.
    """
    values = np.clip(_checked(probabilities, labels), _EDGE, 1.0 - _EDGE)
    if labels.all() or not labels.any():
        return None
    log_odds = np.log(values) - np.log1p(-values)
    line = fit_line(log_odds, labels.astype(np.float64), np.ones(values.size))
    return None if line is None else line.slope


def mean_score_ratio(probabilities: Scores, labels: Labels) -> float | None:
    """Mean probability over the share of frauds, 1 is right; None without frauds.

    Calibration in the large, as a ratio of expected to observed frauds.

    Raises:
        ValueError: A probability is NaN or outside 0..1, or lengths differ.
    """
    values = _checked(probabilities, labels)
    return float(values.sum() / labels.sum()) if labels.any() else None


def _checked(probabilities: Scores, labels: Labels) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = checked_scores(probabilities, labels)
    if values.size and not (values.min() >= 0.0 and values.max() <= 1.0):
        raise ValueError(f"probabilities lie in {values.min():g}..{values.max():g}, not in 0..1")
    return values
