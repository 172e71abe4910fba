"""Pictures of drift: what moved when, and the scores then and now."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from fraud_assets.drift_schemas import WindowRecord
from fraud_assets.pictures import canvas, png_of

COLUMNS_DRAWN: Final = 25
_INK: Final = "#1f2937"
_THEN: Final = "#9ca3af"
_NOW: Final = "#2563eb"


def drift_strip(table: pl.DataFrame, bound: float, title: str) -> bytes:
    """Return the stability index of each column and window as PNG, the furthest moved on top.

    Args:
        table: Rows of `DRIFT` of one feed.
        bound: From which on a column has moved; it is the middle of the colours.
        title: Above.
    """
    drawn = (
        table.group_by("column")
        .agg(pl.col("psi").max().alias("most"))
        .sort(["most", "column"], descending=[True, False], nulls_last=True)
        .head(COLUMNS_DRAWN)["column"]
        .to_list()
    )
    windows = table["window_from"].unique().sort().to_list()
    index = {(c, w): psi for c, w, psi in table.select("column", "window_from", "psi").iter_rows()}
    grid = np.array([[index.get((c, w)) for w in windows] for c in drawn], dtype=np.float64)
    figure, axes = canvas(3.6 + 1.1 * len(windows), 1.2 + 0.25 * len(drawn))
    axes.imshow(grid, aspect="auto", cmap="coolwarm", vmin=0.0, vmax=2 * bound, alpha=0.6)
    for (y, x), psi in np.ndenumerate(grid):
        told = "few rows" if np.isnan(psi) else f"{psi:.2f}"
        axes.text(x, y, told, ha="center", va="center", fontsize=7, color=_INK)
    axes.set_xticks(range(len(windows)), [f"{one:%d %b %Y}" for one in windows], fontsize=8)
    axes.set_yticks(range(len(drawn)), drawn, fontsize=7)
    axes.set_title(f"{title}: stability index by window, moved from {bound:g} on", fontsize=9)
    return png_of(figure)


def score_shift(record: WindowRecord) -> bytes:
    """Return the shares of rows by score as PNG, in the model's validation window and now."""
    figure, axes = canvas(6.0, 3.2)
    for counts, colour, label in (
        (record.reference_scores, _THEN, "validation window of the model"),
        (record.scores, _NOW, f"{record.start:%d %b %Y} to {record.end:%d %b %Y}"),
    ):
        axes.stairs(_shares(counts), _edges(counts), color=colour, linewidth=2, label=label)
    if any(record.reference_scores) or any(record.scores):
        axes.set_yscale("log")
    axes.set(xlim=(0, 1), xlabel="fraud probability", ylabel="share of rows")
    axes.set_title(f"{record.feed}, model {record.model}", fontsize=10)
    axes.legend(loc="upper right", fontsize=9, frameon=False)
    return png_of(figure)


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [one / total if total else 0.0 for one in counts]


def _edges(counts: Sequence[int]) -> list[float]:
    return [place / len(counts) for place in range(len(counts) + 1)]
