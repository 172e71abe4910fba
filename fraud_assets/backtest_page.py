"""A backtest as one HTML page with its curves; it asks nothing of any server."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from fraud_assets.backtest_report import reference_model, shown, with_spread
from fraud_assets.backtest_result import ORACLE, RANDOM, BacktestResult, FoldResult, Tested
from gpu_ops.backtest_figures import mean_and_spread, paired_differences
from gpu_ops.ranking_metrics import CurvePoint
from gpu_ops.splits import DAY, Window

_WIDTH: Final = 460
_HEIGHT: Final = 340
_MARGIN: Final = 44
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
_COLOURS: Final = (
    "#2563eb", "#b45309", "#047857", "#9333ea", "#dc2626", "#0891b2", "#4d7c0f", "#be185d",
)  # fmt: skip
_FAINT: Final = "#9ca3af"

_STYLE: Final = """
body{font:15px/1.45 system-ui,sans-serif;color:#1f2937}
body{max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.6rem 0}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{padding:.2rem .7rem;border-bottom:1px solid #e5e7eb;text-align:right}
th:first-child,td:first-child{text-align:left}
section{display:flex;flex-wrap:wrap;gap:2rem;align-items:flex-start}
h2{margin-top:2rem}
.note{color:#b45309}
svg text{font:12px system-ui,sans-serif;fill:#1f2937}
"""


def as_page(result: BacktestResult) -> str:
    """The page: mean and spread, differences, then for each fold its figures and curves."""
    title = f"Backtest of {result.file}, feed {result.feed}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *_introduction(result),
            *_means(result),
            *(line for fold in result.folds for line in _fold(result, fold)),
            "</body></html>",
        ]
    )


def _introduction(result: BacktestResult) -> Iterator[str]:
    bad = sum(result.data.quarantined.values())
    entity = result.capacity.party.removesuffix("_id")
    yield (
        f"<p>{result.data.received:,} rows received, {result.data.rows.height:,} accepted, "
        f"{result.data.duplicate:,} duplicate, {bad:,} quarantined. AUC: area under the ROC curve; "
        f"AP: average precision; {result.capacity.metric.upper()}: share of compromised among "
        f"{result.capacity.k} {entity}s reviewed a day. Read each figure between {RANDOM} and "
        f"{ORACLE}: the latter is what perfect scores reach.</p>"
    )


def _means(result: BacktestResult) -> Iterator[str]:
    metrics = result.capacity.metrics
    published = [fold.tested["published"].results for fold in result.folds]
    known = [fold.tested["known"].results for fold in result.folds]
    reference = reference_model(result)
    for caption, folds in (
        ("Mean and standard deviation over folds", published),
        ("The same without everyone whose fraud was known by the day", known),
        (
            f"{reference} less each other model, paired by fold",
            paired_differences(published, reference),
        ),
    ):
        mean, spread = mean_and_spread(folds)
        rows = [
            [model, *(with_spread(mean[model][one], spread[model][one]) for one in metrics)]
            for model in mean
        ]
        yield from _table(caption, ("model", *metrics), rows)


def _fold(result: BacktestResult, fold: FoldResult) -> Iterator[str]:
    tested = fold.tested["published"]
    yield (
        f"<h2>Fold {fold.fold.number}: trained on {_days(fold.fold.train)}, tested on "
        f"{_days(fold.fold.test)}</h2>"
    )
    yield (
        f"<p>Training: {fold.train_rows:,} rows, {fold.train_frauds:,} frauds. Test: "
        f"{tested.rows:,} rows, {tested.frauds:,} frauds.</p>"
    )
    yield from (f'<p class="note">{escape(note)}</p>' for note in fold.notes)
    metrics = result.capacity.metrics
    rows = [
        [model, *(shown(figures[one]) for one in metrics)]
        for model, figures in tested.results.items()
    ]
    yield "<section><div>"
    yield from _table("Figures", ("model", *metrics), rows)
    yield "</div><div>"
    yield _curves(tested)
    yield "</div></section>"
    yield from _scenarios(tested)


def _days(window: Window) -> str:
    """First and last day of a window, both inclusive."""
    return f"{window.start:%Y-%m-%d} to {window.end - DAY:%Y-%m-%d}"


def _scenarios(tested: Tested) -> Iterator[str]:
    if not tested.scenarios:
        return
    names = list(tested.scenarios)
    heads = ("model", *(f"{name} ({tested.scenarios[name][0]:,} frauds)" for name in names))
    rows = [
        [model, *(shown(tested.scenarios[name][1].get(model, {}).get("ap")) for name in names)]
        for model in tested.results
    ]
    yield from _table("Average precision by fraud scenario", heads, rows)


def _table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"<table><caption>{escape(caption)}</caption><thead><tr>"
    yield "".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr></thead><tbody>"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody></table>"


def _curves(tested: Tested) -> str:
    """The precision-recall curves as SVG: recall to the right, precision upwards."""
    shown_models = [name for name, points in tested.curves.items() if points and name != ORACLE]
    if not shown_models:
        return "<p>No curve: there is no fraud in these rows.</p>"
    height = _HEIGHT + 18 * len(shown_models)
    parts = [
        f'<svg width="{_WIDTH}" height="{height}" role="img" aria-label="precision by recall">'
    ]
    for tick in _TICKS:
        x, y = _place(tick, tick)
        parts.append(
            f'<line x1="{x}" x2="{x}" y1="{_place(0, 0)[1]}" y2="{_place(0, 1)[1]}" '
            'stroke="#e5e7eb"/>'
            f'<line x1="{_place(0, 0)[0]}" x2="{_place(1, 0)[0]}" y1="{y}" y2="{y}" '
            'stroke="#e5e7eb"/>'
            f'<text x="{x}" y="{_HEIGHT - 26}" text-anchor="middle">{tick:g}</text>'
            f'<text x="{_MARGIN - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>'
        )
    parts.append(
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 8}" text-anchor="middle">recall</text>'
        f'<text x="12" y="12">precision</text>'
    )
    for number, name in enumerate(shown_models):
        colour = _FAINT if name == RANDOM else _COLOURS[number % len(_COLOURS)]
        y = _HEIGHT + 12 + 18 * number
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
            f'points="{_points(tested.curves[name])}"/>'
            f'<line x1="{_MARGIN}" x2="{_MARGIN + 24}" y1="{y - 4}" y2="{y - 4}" '
            f'stroke="{colour}" stroke-width="2"/>'
            f'<text x="{_MARGIN + 32}" y="{y}">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _points(curve: Iterable[CurvePoint]) -> str:
    """Steps, as average precision counts them: a straight line between points would flatter."""
    places = []
    reached = 0.0
    for point in curve:
        places += [_place(reached, point.precision), _place(point.recall, point.precision)]
        reached = point.recall
    return " ".join(f"{x},{y}" for x, y in places)


def _place(recall: float, precision: float) -> tuple[float, float]:
    across = _WIDTH - _MARGIN - 16
    down = _HEIGHT - _MARGIN - 20
    return round(_MARGIN + recall * across, 1), round(20 + (1 - precision) * down, 1)
