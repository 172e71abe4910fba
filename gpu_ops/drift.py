"""Drift: how far the distribution of a figure has moved, as an effect size and never a p-value.

With a million rows every test finds a difference; what matters is how large it is. It runs on the
CPU with every engine, over samples of bounded size: the same numbers to the bit.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.matrices import Float64Array

BINS: Final = 10
LEAST_ROWS: Final = 200
"""With fewer rows on either side the index measures chance."""

QUANTILES: Final = 1_001
"""Points at which two quantile functions are compared."""


@dataclass(frozen=True)
class Distances:
    """How far one figure lies from its reference.

    Attributes:
        psi: Population stability index, absent values a bin of their own.
        ks: Kolmogorov-Smirnov distance, 0..1; None for categories.
        wasserstein: Wasserstein distance in spreads of the reference; None for categories and
            where the reference is constant.
        reference_null_share: Absent values in the reference, 0..1.
        null_share: Absent values now, 0..1.
    """

    psi: float
    ks: float | None
    wasserstein: float | None
    reference_null_share: float
    null_share: float


def distances(reference: pl.Series, current: pl.Series) -> Distances | None:
    """All distances of one figure, numbers or categories (String).

    Returns:
        None where either side has fewer than `LEAST_ROWS` rows.
    """
    if min(reference.len(), current.len()) < LEAST_ROWS:
        return None
    if reference.dtype == pl.String:
        shares = [side.null_count() / side.len() for side in (reference, current)]
        return Distances(categorical_index(reference, current), None, None, *shares)
    before, now = _numbers(reference), _numbers(current)
    return Distances(
        psi=_index(reference, current, BINS),
        ks=_ks(before, now),
        wasserstein=_wasserstein(before, now),
        reference_null_share=1.0 - before.size / reference.len(),
        null_share=1.0 - now.size / current.len(),
    )


def population_stability_index(
    reference: pl.Series, current: pl.Series, bins: int = BINS
) -> float | None:
    """The population stability index of two samples of one figure.

    Sum over bins of (q - p) ln(q / p), p and q being the shares of the reference and of the current
    rows; bins are the reference's quantiles. Below 0.1 counts as stable, above 0.25 as moved
    (Siddiqi, Credit Risk Scorecards, 2006). Half a row is added to each bin, so that an empty one
    does not make it infinite.

    Args:
        reference: Numbers; null and NaN make a bin of their own where either side has any.
        current: Numbers, likewise.
        bins: How many quantiles; equal values fall into one bin, so there may be fewer.

    Returns:
        0 or more; None where either side has fewer than `LEAST_ROWS` rows.
    """
    if min(reference.len(), current.len()) < LEAST_ROWS:
        return None
    return _index(reference, current, bins)


def categorical_index(reference: pl.Series, current: pl.Series) -> float:
    """The population stability index over categories; null is one, as is one that is new.

    Args:
        reference: Categories, at least one row.
        current: Categories, at least one row.
    """
    before, now = (_counted(side) for side in (reference, current))
    names = sorted({*before, *now}, key=lambda name: (name is None, str(name)))
    p, q = (
        _smoothed(np.array([side.get(name, 0) for name in names], np.int64))
        for side in (before, now)
    )
    return _divergence(p, q)


def kolmogorov_smirnov_distance(reference: pl.Series, current: pl.Series) -> float | None:
    """The largest difference of the two samples' distribution functions, 0..1.

    The two-sample statistic of Smirnov (1939). Absent values are left out; None where one side has
    no number.
    """
    return _ks(_numbers(reference), _numbers(current))


def wasserstein_distance(reference: pl.Series, current: pl.Series) -> float | None:
    """How far values have to be moved on average, in spreads of the reference.

    The first Wasserstein distance is the mean difference of the quantile functions (Vallender,
    1974), here at `QUANTILES` points. The spread is the reference's interquartile range, or its
    standard deviation where half of it is one value. Absent values are left out.

    Returns:
        0 or more; None where one side has no number or the reference is constant.
    """
    return _wasserstein(_numbers(reference), _numbers(current))


def has_become_constant(reference: pl.Series, current: pl.Series, expected: float = 20.0) -> bool:
    """Whether a figure that used to vary has one value now, and chance is no explanation.

    A rare flag may be absent from a window. So at least `expected` rows with another than the
    reference's most frequent value must have been due: the chance of none is then below
    exp(-expected).
    """
    before, now = reference.drop_nulls(), current.drop_nulls()
    if before.is_empty() or now.is_empty() or now.n_unique() > 1:
        return False
    most = before.value_counts(sort=True)["count"][0]
    return bool((before.len() - most) * now.len() / before.len() >= expected)


def _index(reference: pl.Series, current: pl.Series, bins: int) -> float:
    before, now = (_numbers(side) for side in (reference, current))
    absent = [reference.len() - before.size, current.len() - now.size]
    levels = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    edges = np.unique(_quantiles(before, levels)) if before.size else np.empty(0)
    counts = [
        np.bincount(np.searchsorted(edges, side, side="left"), minlength=edges.size + 1)
        for side in (before, now)
    ]
    if any(absent):
        counts = [np.append(one, gaps) for one, gaps in zip(counts, absent, strict=True)]
    return _divergence(*map(_smoothed, counts))


def _ks(before: Float64Array, now: Float64Array) -> float | None:
    if not before.size or not now.size:
        return None
    points = np.concatenate([before, now])
    below = [np.searchsorted(side, points, side="right") / side.size for side in (before, now)]
    return float(np.abs(below[0] - below[1]).max())


def _wasserstein(before: Float64Array, now: Float64Array) -> float | None:
    if not before.size or not now.size:
        return None
    low, high = _quantiles(before, np.array([0.25, 0.75]))
    spread = float(high - low) or float(before.std())
    if not spread:
        return None
    # The middle of each of as many slices: the ends alone would rest on one row.
    levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
    moved = np.abs(_quantiles(before, levels) - _quantiles(now, levels))
    return float(moved.mean()) / spread


def _numbers(values: pl.Series) -> Float64Array:
    """The numbers in ascending order, without null and NaN."""
    known = values.cast(pl.Float64).fill_nan(None).drop_nulls().sort()
    return np.asarray(known.to_numpy(), np.float64)


def _quantiles(ascending: Float64Array, levels: Float64Array) -> Float64Array:
    """Linear between neighbours; `np.quantile` would order a thousand points once more."""
    places = levels * (ascending.size - 1)
    found: Float64Array = np.interp(places, np.arange(ascending.size), ascending)
    return found


def _counted(values: pl.Series) -> dict[str | None, int]:
    return {name: int(times) for name, times in values.value_counts().iter_rows()}


def _smoothed(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Float64Array:
    return np.asarray((counts + 0.5) / (counts.sum() + 0.5 * counts.size), np.float64)


def _divergence(p: Float64Array, q: Float64Array) -> float:
    return float(np.sum((q - p) * np.log(q / p)))
