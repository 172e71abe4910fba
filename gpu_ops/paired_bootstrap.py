"""Two rankings of the same rows compared by resampling payers.

Rows of one payer are alike, so they are drawn together or not at all: a bootstrap of rows would
call chance findings certain (Field and Welsh, Bootstrapping clustered data, JRSS B 69, 2007). Both
rankings are judged on the same draw, so what makes a draw easy or hard for both cancels out. It
runs on the CPU with every engine: a few million additions a resample, the same to the bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from gpu_ops.matrices import Float64Array
from gpu_ops.ranking_metrics import (
    Labels,
    Scores,
    average_precision,
    checked_scores,
    random_average_precision,
)

RESAMPLES: Final = 1_000
_LEVEL: Final = (0.025, 0.975)
_COUNTS_AT_ONCE: Final = 8_000_000
"""Counts held in memory at once: 32 MB."""

_AVERAGE_PRECISION, _ROC_AUC, _ROWS, _FRAUDS = range(4)


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of what resamples give: percentiles 2.5 and 97.5."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Difference:
    """Average precision of one ranking less that of another, on the same rows.

    Attributes:
        value: On the rows as they are; None without frauds.
        bounds: Over the resamples; None where none of them holds a fraud.
        reference: Average precision of the other ranking.
        resamples: Draws that hold a fraud; the others say nothing.
    """

    value: float | None
    bounds: Interval | None
    reference: float | None
    resamples: int


@dataclass(frozen=True)
class Draws:
    """How often each payer is drawn in each resample.

    Attributes:
        resamples: How many.
        seed: The same seed draws the same payers, whatever the order of the rows.
    """

    resamples: int = RESAMPLES
    seed: int = 0

    def counts(self, payers: int) -> Iterator[npt.NDArray[np.int32]]:
        """Blocks of int32 (resamples, payers): as many draws as payers, with replacement."""
        random = np.random.default_rng(self.seed)
        at_once = max(1, min(self.resamples, _COUNTS_AT_ONCE // max(payers, 1)))
        for start in range(0, self.resamples, at_once):
            block = np.empty((min(at_once, self.resamples - start), payers), dtype=np.int32)
            for row in block:
                row[:] = np.bincount(random.integers(0, payers, payers), minlength=payers)
            yield block


@dataclass(frozen=True)
class _Ranking:
    """Rows from the highest score down."""

    payer: npt.NDArray[np.int32]
    is_fraud: Labels
    ends_step: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, scores: Scores, labels: Labels, payer: npt.NDArray[np.int32]) -> "_Ranking":
        values = checked_scores(scores, labels)
        order = np.argsort(-values, kind="stable")
        ordered = values[order]
        ends = np.ones(ordered.size, dtype=np.bool_)
        ends[:-1] = np.diff(ordered) != 0.0
        return cls(payer[order], labels[order], ends)

    def figures(self, counts: npt.NDArray[np.int32]) -> Float64Array:
        from gpu_ops.bootstrap_kernel import weighted_figures

        found: Float64Array = weighted_figures(self.payer, self.is_fraud, self.ends_step, counts)
        return found


def average_precision_difference(
    scores: Scores,
    reference: Scores | None,
    labels: Labels,
    payer: pl.Series,
    draws: Draws,
) -> Difference:
    """How much better one ranking is than another, with 95 % bounds over resamples of payers.

    Args:
        scores: (rows,), higher = more suspicious.
        reference: The other ranking's scores (rows,); None: a random order, which has in every
            resample the average precision that is expected of it.
        labels: bool (rows,).
        payer: Payer ids (rows,).
        draws: How many resamples, and their seed.

    Raises:
        ValueError: A score is NaN, a payer null, or lengths differ.
    """
    codes, payers = _coded(payer, labels)
    ours = _Ranking.of(scores, labels, codes)
    theirs = None if reference is None else _Ranking.of(reference, labels, codes)
    found, expected = [], []
    for counts in draws.counts(payers) if payers else ():
        figures = ours.figures(counts)
        found.append(figures[:, _AVERAGE_PRECISION])
        if theirs is None:
            expected.append(_expected(figures[:, _ROWS], figures[:, _FRAUDS]))
        else:
            expected.append(theirs.figures(counts)[:, _AVERAGE_PRECISION])
    differences = np.concatenate([np.empty(0), *found]) - np.concatenate([np.empty(0), *expected])
    differences = differences[~np.isnan(differences)]
    value = average_precision(scores, labels)
    other = (
        random_average_precision(len(labels), int(labels.sum()))
        if reference is None
        else average_precision(reference, labels)
    )
    return Difference(
        value=None if value is None or other is None else value - other,
        bounds=_interval(differences),
        reference=other,
        resamples=differences.size,
    )


def spread(
    scores: Scores, labels: Labels, payer: pl.Series, draws: Draws
) -> dict[str, Interval | None]:
    """95 % intervals of `average_precision` and `roc_auc` over resamples of payers.

    None where no resample holds the classes that the figure needs.
    """
    codes, payers = _coded(payer, labels)
    ranking = _Ranking.of(scores, labels, codes)
    blocks = [ranking.figures(counts) for counts in (draws.counts(payers) if payers else ())]
    figures = np.concatenate([np.empty((0, 4)), *blocks])
    return {
        name: _interval(column[~np.isnan(column)])
        for name, column in (
            ("average_precision", figures[:, _AVERAGE_PRECISION]),
            ("roc_auc", figures[:, _ROC_AUC]),
        )
    }


def _coded(payer: pl.Series, labels: Labels) -> tuple[npt.NDArray[np.int32], int]:
    """Payers as numbers in the order of their ids, and how many there are."""
    if payer.len() != labels.size or payer.null_count():
        raise ValueError(
            f"{payer.len()} payers, {payer.null_count()} of them null, for {labels.size} rows"
        )
    codes = payer.rank("dense").cast(pl.Int32) - 1
    return codes.to_numpy(), payer.n_unique()


def _expected(rows: Float64Array, frauds: Float64Array) -> Float64Array:
    """`random_average_precision` of each resample; NaN without frauds."""
    most = int(rows.max(initial=1.0))
    harmonic = np.cumsum(1.0 / np.arange(1, most + 1))[np.maximum(rows.astype(np.int64), 1) - 1]
    others = np.maximum(rows - 1.0, 1.0)
    expected = (harmonic + (frauds - 1.0) / others * (rows - harmonic)) / np.maximum(rows, 1.0)
    return np.where(frauds > 0.0, expected, np.nan)


def _interval(values: Float64Array) -> Interval | None:
    if not values.size:
        return None
    lower, upper = np.quantile(values, _LEVEL)
    return Interval(float(lower), float(upper))
