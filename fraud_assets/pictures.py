"""Pictures for the UI: small PNGs, drawn without a display and without global state."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from fraud_assets.ring_layout import Place, ring_layout
from gpu_ops.masking import masked
from gpu_ops.metrics import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RINGS_DRAWN: Final = 4
"""How many rings one drawing holds and stays legible."""

_ACCOUNTS_DRAWN: Final = 21
_DOTS_PER_INCH: Final = 80
_COLOURS: Final = 64
_INK: Final = "#1f2937"
_ACCENT: Final = "#2563eb"
_MONEY: Final = "#b45309"
_FAINT: Final = "#9ca3af"
_NODE: Final = "#dbeafe"
_CENTRE: Final = "#fde68a"


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


def ring_drawing(rings: pl.DataFrame, transactions: pl.DataFrame) -> bytes:
    """Return the first rings drawn as PNG: accounts, arrows with order in time and amount.

    Accounts are masked as in the alerts. An arrow's label is the order of its
    first payment, then the sum of its payments. Of large rings the first accounts are drawn, and
    the title says so.

    Args:
        rings: of `gpu_ops.ring_params.RING_SCHEMA`; the first `RINGS_DRAWN` are drawn.
        transactions: transaction_id, occurred_at, amount, payer, payee of at least those rings.
    """
    shown = rings.head(RINGS_DRAWN)
    if shown.is_empty():
        figure, axes = canvas(5.0, 1.2)
        axes.axis("off")
        axes.text(0.5, 0.5, "no rings", ha="center", va="center", color=_INK)
        return png_of(figure)
    columns = min(2, shown.height)
    lines = -(-shown.height // columns)
    figure = _figure(6.2 * columns, 4.6 * lines)
    for place, ring in enumerate(shown.iter_rows(named=True)):
        axes = figure.add_subplot(lines, columns, place + 1)
        _draw_ring(axes, str(ring["pattern"]), list(ring["accounts"]), _arrows(ring, transactions))
        axes.set_title(_ring_title(ring), fontsize=10, color=_INK)
    return png_of(figure)


def as_markdown(png: bytes, alt: str) -> str:
    """Return a Markdown image that holds the PNG itself."""
    return f"![{alt}](data:image/png;base64,{b64encode(png).decode('ascii')})"


@dataclass(frozen=True)
class _Arrow:
    """All payments of one pair within a ring."""

    payer: str
    payee: str
    order: int
    n: int
    amount: float

    @property
    def label(self) -> str:
        times = f"{self.n}x " if self.n > 1 else ""
        return f"{self.order}: {times}{_short(self.amount)}"


def _arrows(ring: dict[str, object], transactions: pl.DataFrame) -> list[_Arrow]:
    members = pl.DataFrame({"transaction_id": ring["transaction_ids"]}).with_row_index("order", 1)
    pairs = (
        members.join(transactions, on="transaction_id", how="inner")
        .group_by("payer", "payee")
        .agg(pl.col("order").min(), pl.len().alias("n"), pl.col("amount").sum())
        .sort("order")
    )
    return [_Arrow(**row) for row in pairs.iter_rows(named=True)]


def _ring_title(ring: dict[str, object]) -> str:
    pattern = str(ring["pattern"]).replace("_", "-")
    first, last = f"{ring['first_at']:%d %b %Y}", f"{ring['last_at']:%d %b %Y}"
    days = first if first == last else f"{first} to {last}"
    accounts = ring["accounts"]
    n = len(accounts) if isinstance(accounts, list) else 0
    drawn = f"{n} accounts" if n <= _ACCOUNTS_DRAWN else f"{_ACCOUNTS_DRAWN} of {n} accounts"
    return f"{pattern}, score {ring['score']:.2f}, {drawn}\n{days}, {ring['ring_id']}"


def _draw_ring(
    axes: "Axes", pattern: str, accounts: Sequence[str], arrows: Sequence[_Arrow]
) -> None:
    accounts = accounts[:_ACCOUNTS_DRAWN]
    drawn = [arrow for arrow in arrows if arrow.payer in accounts and arrow.payee in accounts]
    places = ring_layout(pattern, accounts, [(arrow.payer, arrow.payee) for arrow in drawn])
    pairs = {(arrow.payer, arrow.payee) for arrow in drawn}
    for arrow in drawn:
        two_way = (arrow.payee, arrow.payer) in pairs
        _draw_arrow(axes, places, arrow, pattern, bend=0.18 if two_way else 0.0)
    for account, (x, y) in places.items():
        key = account == accounts[0] and pattern not in ("cycle", "cluster")
        axes.text(
            x,
            y,
            masked(account),
            ha="center",
            va="center",
            fontsize=8,
            color=_INK,
            bbox={"boxstyle": "round,pad=0.3", "fc": _CENTRE if key else _NODE, "ec": _INK},
        )
    axes.set(xlim=(-1.25, 1.25), ylim=(-1.18, 1.18))
    axes.axis("off")


def _draw_arrow(
    axes: "Axes", places: dict[str, Place], arrow: _Arrow, pattern: str, *, bend: float
) -> None:
    (x0, y0), (x1, y1) = places[arrow.payer], places[arrow.payee]
    axes.annotate(
        "",
        xy=(x1, y1),
        xytext=(x0, y0),
        arrowprops={
            "arrowstyle": "-|>",
            "color": _FAINT,
            "shrinkA": 16,
            "shrinkB": 16,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )
    along = _label_position(pattern, places, arrow)
    x, y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
    # A bent arrow of two leaves the straight line to the right of its way.
    x, y = x + bend * (y1 - y0) / 2, y - bend * (x1 - x0) / 2
    axes.text(
        x,
        y,
        arrow.label,
        ha="center",
        va="center",
        fontsize=7.5,
        color=_MONEY,
        bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.85},
    )


def _label_position(pattern: str, places: dict[str, Place], arrow: _Arrow) -> float:
    """Return how far along an arrow its label stands: near the end where arrows lie apart."""
    if pattern in ("cycle", "cluster"):
        return 0.5
    spread_at_payer = abs(places[arrow.payer][1]) >= abs(places[arrow.payee][1])
    return 0.36 if spread_at_payer else 0.64


def _short(amount: float) -> str:
    """Return an amount in a few characters: 940, 1.2k, 35k, 1.1M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            scaled = amount / size
            return f"{scaled:.0f}{unit}" if scaled >= 10 else f"{scaled:.1f}{unit}"  # noqa: PLR2004 - two digits are enough
    return f"{amount:.0f}"


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
