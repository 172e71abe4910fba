"""Whether a model's figures on labels have fallen since it was registered, beyond chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

import polars as pl

from gpu_ops.capacity_metrics import alerts_at_capacity
from gpu_ops.drift_windows import DriftBounds
from gpu_ops.paired_bootstrap import Draws, Interval, spread
from gpu_ops.ranking_metrics import Labels, Scores, average_precision

_Z: Final = 1.959963984540054
"""Of the 95 % interval of the normal distribution."""


@dataclass(frozen=True)
class LabelFigure:
    """A figure on labels with its 95 % interval; both None where it is not defined."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class LabelFigures:
    """What labels say of one window.

    Attributes:
        rows: Rows whose label is known and that the model never saw.
        positives: Frauds among them.
        figures: By name, as a model's card calls them.
    """

    rows: int
    positives: int
    figures: Mapping[str, LabelFigure]


def label_figures(
    scores: Scores,
    labels: Labels,
    payer: pl.Series,
    occurred_at: pl.Series,
    *,
    capacity: int,
    draws: Draws,
) -> LabelFigures:
    """Average precision, precision and recall at the daily capacity, and calibration in the large.

    The interval of average precision is over resamples of payers, those of the shares are
    Wilson's (1927), that of mean score over fraud rate takes the number of frauds for Poisson.

    Args:
        scores: Probabilities, float (rows,), in 0..1.
        labels: bool (rows,).
        payer: (rows,).
        occurred_at: Datetime UTC (rows,).
        capacity: Alerts a day.
        draws: Resamples.
    """
    positives = int(labels.sum())
    if not positives:
        return LabelFigures(len(labels), 0, {})
    alerted = alerts_at_capacity(scores, occurred_at, capacity)
    hits = int((alerted & labels).sum())
    ratio = float(scores.sum()) / positives
    error = _Z / sqrt(positives)
    return LabelFigures(
        len(labels),
        positives,
        {
            "average_precision": LabelFigure(
                average_precision(scores, labels),
                spread(scores, labels, payer, draws)["average_precision"],
            ),
            "precision_at_capacity": _share(hits, int(alerted.sum())),
            "recall_at_capacity": _share(hits, positives),
            # The ratio has the number of frauds below the line.
            "mean_score_ratio": LabelFigure(
                ratio,
                Interval(ratio / (1.0 + error), ratio / (1.0 - error) if error < 1 else 1e9),
            ),
        },
    )


def fallen(
    now: LabelFigures, registered: Mapping[str, float | None], bounds: DriftBounds
) -> list[str] | None:
    """The figures that fell beyond the bounds and beyond chance, a sentence each.

    A share must lie more than `metric_loss` below the one at registration, with its whole interval
    below that one; the whole interval of mean score over fraud rate must lie outside its bounds.

    Args:
        now: Of the window.
        registered: The same figures when the model was registered; what is missing is not compared.
        bounds: From where on.

    Returns:
        None with fewer than `min_positives` frauds: they say nothing.
    """
    if now.positives < bounds.min_positives:
        return None
    told = []
    for name, figure in now.figures.items():
        before, value, interval = registered.get(name), figure.value, figure.interval
        if value is None or interval is None:
            continue
        if name == "mean_score_ratio":
            low, high = bounds.score_ratio
            if interval.upper < low or interval.lower > high:
                told.append(f"{name} {value:.3f}, not {low:g} to {high:g}")
        elif before is not None and value < before - bounds.metric_loss and interval.upper < before:
            told.append(f"{name} {value:.3f} after {before:.3f} at registration")
    return told


def _share(hits: int, of: int) -> LabelFigure:
    if not of:
        return LabelFigure(None, None)
    share, square = hits / of, _Z**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z / (1 + square / of) * sqrt(share * (1 - share) / of + square / (4 * of**2))
    return LabelFigure(share, Interval(middle - half, middle + half))
