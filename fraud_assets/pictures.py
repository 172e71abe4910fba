"""Pictures for the UI: small PNGs, drawn without a display and without global state."""

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from gpu_ops.metrics import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH: Final = 80
_COLOURS: Final = 64
_INK: Final = "#1f2937"
_ACCENT: Final = "#2563eb"
_MONEY: Final = "#b45309"
_FAINT: Final = "#9ca3af"


def precision_recall_picture(evaluation: Evaluation, *, title: str) -> bytes:
    """Return the precision-recall curve as PNG, with what chance and the review capacity reach."""
    figure, axes = canvas(6.0, 4.0)
    average = evaluation.figures["average_precision"]
    value = "not defined" if average.value is None else f"{average.value:.3f}"
    share = evaluation.positives / evaluation.rows if evaluation.rows else 0.0
    if evaluation.curve:
        recall = [point.recall for point in evaluation.curve]
        precision = [point.precision for point in evaluation.curve]
        axes.plot(recall, precision, color=_ACCENT, linewidth=2, label=f"model, average {value}")
    else:
        axes.text(0.5, 0.5, "no fraud in these rows", ha="center", color=_INK)
    axes.axhline(share, color=_FAINT, linestyle="--", label=f"chance {share:.4f}")
    axes.axhline(1.0, color=_FAINT, linestyle=":", label="perfect order")
    at_capacity = _at_capacity(evaluation)
    if at_capacity is not None:
        label = f"{evaluation.capacity} alerts a day"
        axes.plot(*at_capacity, "o", color=_MONEY, markersize=8, label=label)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    axes.set_title(f"{title}: {evaluation.positives:,} frauds in {evaluation.rows:,} payments")
    axes.legend(loc="lower right", fontsize=9, frameon=False)
    return png_of(figure)


def _at_capacity(evaluation: Evaluation) -> tuple[float, float] | None:
    """Return recall and precision at the daily capacity, if both are defined."""
    recall = evaluation.figures.get("recall_at_capacity")
    precision = evaluation.figures.get("precision_at_capacity")
    if recall is None or precision is None or recall.value is None or precision.value is None:
        return None
    return recall.value, precision.value


def score_histogram(scores: pl.Series, name: str) -> bytes:
    """Return how many rows have which score, 0..1, as PNG; the counts' axis is logarithmic."""
    figure, axes = canvas(6.0, 3.2)
    known = scores.drop_nulls().to_numpy()
    if known.size:
        axes.hist(known, bins=np.linspace(0.0, 1.0, 51).tolist(), color=_ACCENT, log=True)
        high = float(np.quantile(known, 0.99))
        axes.axvline(high, color=_MONEY, linestyle="--", label=f"highest 1 % from {high:.3f}")
        axes.legend(loc="upper right", fontsize=9, frameon=False)
    else:
        axes.text(0.5, 0.5, "no scores", ha="center", color=_INK)
    axes.set(xlim=(0, 1), xlabel=name.replace("_", " "), ylabel="rows")
    axes.set_title(f"{known.size:,} rows")
    return png_of(figure)


def as_markdown(png: bytes, alt: str) -> str:
    """Return a Markdown image that holds the PNG itself."""
    return f"![{alt}](data:image/png;base64,{b64encode(png).decode('ascii')})"


def _figure(width: float, height: float) -> "Figure":
    """Return a figure that no global state knows of; the backend draws without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    """Return a figure with one plain pair of axes; sizes in inches."""
    figure = _figure(width, height)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png_of(figure: "Figure") -> bytes:
    """Return a drawn figure as a small PNG."""
    from PIL import Image

    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png")
    # Metadata are stored with every run: a palette takes a third of the bytes of full colour.
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()
