"""The fifteen features of the Fraud Detection Handbook, in the catalogue's terms.

Le Borgne et al. 2022, chapter 3, "Baseline feature transformation". The published code rolls over
``(t - w, t]``, the row itself included and, among rows of one second, those before it in the
file; a delayed window is the difference of two such. Here a window is ``[t - w, t)`` and the row
is added to it. Both give the same except where rows of one customer or terminal have the same
time, or lie exactly a window's length (or the delay) apart. The published risk knows every label
after seven days: it is equal where ``label_known_at`` is ``occurred_at`` plus seven days.
"""

from datetime import timedelta
from types import MappingProxyType
from typing import Final

import polars as pl

from gpu_ops.feature_model import Catalogue, RowFeature, WindowFeature, duration_label
from gpu_ops.row_flags import row_flag

SOURCE: Final = "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3"
DELAY: Final = timedelta(days=7)
WINDOWS: Final = tuple(timedelta(days=days) for days in (1, 7, 30))


def _customer(window: timedelta) -> tuple[RowFeature, RowFeature]:
    label = duration_label(window)
    past = WindowFeature("payer", "count", window).name
    total = WindowFeature("payer", "sum", window).name
    count = pl.col(past).cast(pl.Float64) + 1
    return (
        RowFeature(
            f"customer_count_{label}",
            count,
            f"{past} + 1",
            SOURCE,
            f"Transactions of the customer in {label}, this one included.",
            pl.Float64(),
        ),
        RowFeature(
            f"customer_amount_mean_{label}",
            (pl.col(total) + pl.col("amount")) / count,
            f"({total} + amount) / ({past} + 1)",
            SOURCE,
            f"Average amount of the customer in {label}, this one included.",
            pl.Float64(),
        ),
    )


def _terminal(window: timedelta) -> tuple[RowFeature, RowFeature]:
    label = duration_label(window)
    past = WindowFeature("payee", "count", window, delay=DELAY).name
    risk = WindowFeature("payee", "label_risk", window, delay=DELAY).name
    return (
        RowFeature(
            f"terminal_count_{label}",
            pl.col(past),
            past,
            SOURCE,
            f"Transactions at the terminal in {label}, a week earlier.",
            pl.Float64(),
        ),
        RowFeature(
            f"terminal_risk_{label}",
            pl.col(risk).fill_null(0.0),
            f"{risk}; 0 where it is null",
            SOURCE,
            f"Share of frauds at the terminal in {label}, a week earlier.",
            pl.Float64(),
        ),
    )


def _flag(name: str, flag: str, description: str) -> RowFeature:
    return RowFeature(name, row_flag(flag), flag, SOURCE, description, pl.UInt8())


_ROWS: Final = (
    RowFeature("published_amount", pl.col("amount"), "amount", SOURCE, "Amount.", pl.Float64()),
    _flag("during_weekend", "is_weekend", "Whether it was on a Saturday or Sunday."),
    _flag("during_night", "is_night", "Whether it was between midnight and seven."),
    *(one for pair in zip(*map(_customer, WINDOWS), strict=True) for one in pair),
    *(one for pair in zip(*map(_terminal, WINDOWS), strict=True) for one in pair),
)

PUBLISHED: Final = Catalogue(
    (
        *(WindowFeature("payer", "count", window) for window in WINDOWS),
        *(WindowFeature("payer", "sum", window) for window in WINDOWS),
        *(WindowFeature("payee", "count", window, delay=DELAY) for window in WINDOWS),
        *(WindowFeature("payee", "label_risk", window, delay=DELAY) for window in WINDOWS),
    ),
    _ROWS,
)
"""The fifteen, with the windows that they are made of before them."""

PUBLISHED_COLUMNS: Final = MappingProxyType(
    {
        "TX_AMOUNT": "published_amount",
        "TX_DURING_WEEKEND": "during_weekend",
        "TX_DURING_NIGHT": "during_night",
        "CUSTOMER_ID_NB_TX_1DAY_WINDOW": "customer_count_1d",
        "CUSTOMER_ID_AVG_AMOUNT_1DAY_WINDOW": "customer_amount_mean_1d",
        "CUSTOMER_ID_NB_TX_7DAY_WINDOW": "customer_count_7d",
        "CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW": "customer_amount_mean_7d",
        "CUSTOMER_ID_NB_TX_30DAY_WINDOW": "customer_count_30d",
        "CUSTOMER_ID_AVG_AMOUNT_30DAY_WINDOW": "customer_amount_mean_30d",
        "TERMINAL_ID_NB_TX_1DAY_WINDOW": "terminal_count_1d",
        "TERMINAL_ID_RISK_1DAY_WINDOW": "terminal_risk_1d",
        "TERMINAL_ID_NB_TX_7DAY_WINDOW": "terminal_count_7d",
        "TERMINAL_ID_RISK_7DAY_WINDOW": "terminal_risk_7d",
        "TERMINAL_ID_NB_TX_30DAY_WINDOW": "terminal_count_30d",
        "TERMINAL_ID_RISK_30DAY_WINDOW": "terminal_risk_30d",
    }
)
"""Published name to ours, in the published order."""

PUBLISHED_NAMES: Final = tuple(PUBLISHED_COLUMNS.values())
"""The fifteen columns, in the published order."""
