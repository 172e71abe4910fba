"""Drift: how far the distribution of a figure has moved."""

from typing import Final

import numpy as np
import polars as pl

from gpu_ops.matrices import Float64Array

BINS: Final = 10
LEAST_ROWS: Final = 200
"""With fewer rows on either side the index measures chance."""


def population_stability_index(
    reference: pl.Series, current: pl.Series, bins: int = BINS
) -> float | None:
    """The population stability index of two samples of one figure.

    Sum over bins of (q - p) ln(q / p), p and q being the shares of the reference and of the current
    rows; bins are the reference's quantiles. Below 0.1 counts as stable, above 0.25 as moved
    (Siddiqi, Credit Risk Scorecards, 2006). Half a row is added to each bin, so that an empty one
    does not make it infinite.

    Args:
        reference: Numbers; nulls and NaN are left out.
        current: Numbers, likewise.
        bins: How many quantiles; equal values fall into one bin, so there may be fewer.

    Returns:
        0 or more; None where either side has fewer than `LEAST_ROWS` numbers.
    """
    before, now = (_numbers(side) for side in (reference, current))
    if min(before.size, now.size) < LEAST_ROWS:
        return None
    edges = np.unique(np.quantile(before, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    p, q = (_shares(side, edges) for side in (before, now))
    return float(np.sum((q - p) * np.log(q / p)))


def _numbers(values: pl.Series) -> Float64Array:
    return np.asarray(values.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy(), np.float64)


def _shares(
    values: Float64Array,
    edges: Float64Array,
) -> Float64Array:
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=edges.size + 1)
    return np.asarray((counts + 0.5) / (values.size + 0.5 * counts.size), np.float64)
