"""How well scores put frauds first, over all rows: AP, AUC, recall at a false positive rate.

Every function takes `scores` (rows,), higher = more suspicious, and `labels` bool (rows,), raises
ValueError for a NaN score or unequal lengths, and returns None where it is not defined. Rows of
equal score are one step: no metric depends on the order of ties.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gpu_ops.matrices import Float32Array, Float64Array

Scores = Float32Array | Float64Array
Labels = npt.NDArray[np.bool_]


class CurvePoint(NamedTuple):
    """Recall and precision of alerting on all scores from `threshold` up."""

    recall: float
    precision: float
    threshold: float


@dataclass(frozen=True)
class _Steps:
    """Counts above each distinct score, from the highest down."""

    thresholds: Float64Array
    true_positives: Float64Array
    false_positives: Float64Array

    @property
    def positives(self) -> float:
        return float(self.true_positives[-1]) if self.true_positives.size else 0.0

    @property
    def negatives(self) -> float:
        return float(self.false_positives[-1]) if self.false_positives.size else 0.0

    @property
    def precision(self) -> Float64Array:
        return self.true_positives / (self.true_positives + self.false_positives)


def checked_scores(scores: Scores, labels: Labels) -> Float64Array:
    """The scores as float64; ValueError for NaN, other shapes or labels that are not bool."""
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"scores of shape {scores.shape}, labels of shape {labels.shape}")
    if labels.dtype != np.bool_:
        raise ValueError(f"labels are {labels.dtype}; they must be bool, none unknown")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} of {scores.size} scores are NaN")
    return scores.astype(np.float64)


def average_precision(scores: Scores, labels: Labels) -> float | None:
    """Sum over thresholds of (R_n - R_{n-1}) P_n; None without positives.

    R and P are recall and precision at the n-th highest distinct score. Definition of
    scikit-learn's `average_precision_score`; no interpolation between points, which would be
    too optimistic (Davis and Goadrich, ICML 2006).
    """
    steps = _steps(scores, labels)
    if not steps.positives:
        return None
    gained = np.diff(steps.true_positives, prepend=0.0)
    return float(gained @ steps.precision / steps.positives)


def random_average_precision(rows: int, positives: int) -> float | None:
    """Expected average precision of a random order; None without positives.

    (H_n + (P - 1) / (n - 1) (n - H_n)) / n with H_n = 1 + 1/2 + ... + 1/n, P positives in n
    rows: Bestgen, Exact expected average precision of the random baseline for system
    evaluation (2015). It tends to P / n.
    """
    if not positives:
        return None
    harmonic = float((1.0 / np.arange(1, rows + 1)).sum())
    if rows == 1:
        return 1.0
    return (harmonic + (positives - 1) / (rows - 1) * (rows - harmonic)) / rows


def roc_auc(scores: Scores, labels: Labels) -> float | None:
    """Probability that a fraud scores above a legitimate row, ties half; None with one class.

    Area under the ROC curve by trapezoids, equal to the Mann-Whitney U statistic over P N:
    Hanley and McNeil, Radiology 143 (1982).
    """
    steps = _steps(scores, labels)
    if not (steps.positives and steps.negatives):
        return None
    recall = np.concatenate([[0.0], steps.true_positives]) / steps.positives
    false_rate = np.concatenate([[0.0], steps.false_positives]) / steps.negatives
    return float(np.diff(false_rate) @ (recall[1:] + recall[:-1]) / 2.0)


def recall_at_fpr(scores: Scores, labels: Labels, max_fpr: float = 0.01) -> float | None:
    """Highest recall of a threshold whose false positive rate is at most `max_fpr`.

    None with one class. No interpolation: it is the recall of a threshold that one can set
    (TPR at 5 % FPR of the Bank Account Fraud suite, arXiv 2211.13358, at another rate).
    """
    steps = _steps(scores, labels)
    if not (steps.positives and steps.negatives):
        return None
    allowed = steps.false_positives <= _allowed(max_fpr, steps.negatives)
    return float(np.max(steps.true_positives, where=allowed, initial=0.0) / steps.positives)


def random_recall_at_fpr(negatives: int, max_fpr: float = 0.01) -> float | None:
    """Expected recall of a random order at a false positive rate; None without negatives.

    With f false positives allowed among N negatives, a fraud lies above the (f + 1)-th
    negative with probability (f + 1) / (N + 1).
    """
    if not negatives:
        return None
    return min(1.0, (_allowed(max_fpr, negatives) + 1) / (negatives + 1))


def precision_recall_points(
    scores: Scores, labels: Labels, most: int = 200
) -> tuple[CurvePoint, ...]:
    """The precision-recall curve, thinned to at most `most` points evenly spaced in recall.

    Points go from the highest threshold down, end at recall 1, and are empty without
    positives. Each is a point of the full curve.
    """
    steps = _steps(scores, labels)
    if not steps.positives:
        return ()
    recall = steps.true_positives / steps.positives
    wanted = np.searchsorted(recall, np.linspace(recall[0], 1.0, most))
    chosen = np.unique(np.minimum(wanted, recall.size - 1))
    columns = (recall[chosen], steps.precision[chosen], steps.thresholds[chosen])
    return tuple(CurvePoint(*map(float, row)) for row in zip(*columns, strict=True))


def _allowed(max_fpr: float, negatives: float) -> int:
    # 0.29 * 100 is 28.999999999999996 in float64 and means 29.
    return int(np.floor(max_fpr * negatives + 1e-9))


def _steps(scores: Scores, labels: Labels) -> _Steps:
    values = checked_scores(scores, labels)
    order = np.argsort(-values, kind="stable")
    ordered, hits = values[order], labels[order]
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0.0, True)) if ordered.size else order
    caught = np.cumsum(hits)[ends].astype(np.float64)
    return _Steps(ordered[ends], caught, ends + 1.0 - caught)
