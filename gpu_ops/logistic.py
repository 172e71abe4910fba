"""Logistic regression on one variable, by Newton's method."""

from typing import Final, NamedTuple

import numpy as np

from gpu_ops.matrices import Float64Array

_STEPS: Final = 100
_TOLERANCE: Final = 1e-10


class Line(NamedTuple):
    """The log-odds `slope * x + intercept`."""

    slope: float
    intercept: float


def sigmoid(log_odds: Float64Array) -> Float64Array:
    """1 / (1 + exp(-x)) without overflow; strictly increasing up to about |x| = 36."""
    tail = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0.0, 1.0 / (1.0 + tail), tail / (1.0 + tail))


def fit_line(x: Float64Array, targets: Float64Array, weights: Float64Array) -> Line | None:
    """The line that maximises the weighted Bernoulli likelihood of the targets.

    Newton's method with halved steps where a full one does not lower the loss, as in Lin, Lin
    and Weng, A note on Platt's probabilistic outputs for support vector machines (2007).

    Args:
        x: float64 (rows,).
        targets: Probabilities 0..1 (rows,).
        weights: Positive (rows,).

    Returns:
        None where no finite line is best: x is constant, or it separates the targets.
    """
    if x.size == 0 or np.ptp(x) == 0.0 or _separates(x, targets):
        return None
    spread = float(np.std(x))
    centre = float(np.mean(x))
    scaled = (x - centre) / spread
    found = np.zeros(2)
    loss = _loss(found, scaled, targets, weights)
    for _ in range(_STEPS):
        predicted = sigmoid(found[0] * scaled + found[1])
        residual = weights * (predicted - targets)
        curvature = weights * predicted * (1.0 - predicted)
        gradient = np.array([residual @ scaled, residual.sum()])
        if np.abs(gradient).max() <= _TOLERANCE * weights.sum():
            slope = float(found[0]) / spread
            return Line(slope, float(found[1]) - slope * centre)
        cross = curvature @ scaled
        hessian = np.array([[curvature @ scaled**2, cross], [cross, curvature.sum()]])
        if np.linalg.cond(hessian) > 1 / np.finfo(np.float64).eps:
            return None
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (lower := _loss(found - size * step, scaled, targets, weights)) > loss:
            size /= 2.0
            if size < _TOLERANCE:
                return None
        found, loss = found - size * step, lower
    return None


def _separates(x: Float64Array, targets: Float64Array) -> bool:
    """Whether a threshold on x tells targets of 1 from targets of 0: the best slope is infinite."""
    if not np.isin(targets, (0.0, 1.0)).all():
        return False
    ones, zeros = x[targets == 1.0], x[targets == 0.0]
    if not (ones.size and zeros.size):
        return True
    return bool(zeros.max() <= ones.min() or ones.max() <= zeros.min())


def _loss(
    line: Float64Array, x: Float64Array, targets: Float64Array, weights: Float64Array
) -> float:
    log_odds = line[0] * x + line[1]
    return float(weights @ (np.logaddexp(0.0, log_odds) - targets * log_odds))
