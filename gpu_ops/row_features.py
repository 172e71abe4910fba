"""Features of a transaction itself."""

from typing import Final

import polars as pl

from gpu_ops.canonical import KINDS
from gpu_ops.feature_model import RowFeature
from gpu_ops.row_flags import row_flag
from gpu_ops.windows import ratio

HANDBOOK: Final = "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3"
BAHNSEN: Final = "Bahnsen et al. 2016, Expert Systems with Applications 51"
WHITROW: Final = "Whitrow et al. 2009, Data Mining and Knowledge Discovery 18"
PAYSIM: Final = "PaySim (Lopez-Rojas et al. 2016), transaction types and balances"
EXAMINERS: Final = "FFIEC BSA/AML Examination Manual, appendix F: large, round amounts"

_AMOUNT: Final = pl.col("amount")
_TIME: Final = pl.col("occurred_at").dt
_FLAG: Final = pl.UInt8()


ROWS: Final = (
    RowFeature("amount", _AMOUNT, "amount", WHITROW, "Amount of this payment."),
    RowFeature(
        "is_round_amount",
        row_flag("is_round_amount"),
        "amount is a multiple of 100",
        EXAMINERS,
        "Whether the amount is a round hundred.",
        _FLAG,
    ),
    RowFeature(
        "hour_of_day",
        _TIME.hour(),
        "hour of occurred_at, 0 to 23, UTC",
        BAHNSEN,
        "Hour of the day at which it was paid.",
        _FLAG,
    ),
    RowFeature(
        "day_of_week",
        _TIME.weekday(),
        "weekday of occurred_at, 1 = Monday, UTC",
        BAHNSEN,
        "Day of the week on which it was paid.",
        _FLAG,
    ),
    RowFeature(
        "is_weekend",
        row_flag("is_weekend"),
        "day_of_week is 6 or 7",
        HANDBOOK,
        "Whether it was paid on a Saturday or Sunday.",
        _FLAG,
    ),
    RowFeature(
        "is_night",
        row_flag("is_night"),
        "hour_of_day < 7",
        HANDBOOK,
        "Whether it was paid between midnight and seven in the morning.",
        _FLAG,
    ),
    *(
        RowFeature(
            f"is_{kind}",
            pl.col("kind") == kind,
            f"kind is {kind}",
            PAYSIM,
            f"Whether it is a {kind.replace('_', '-')} transaction.",
            _FLAG,
        )
        for kind in KINDS
    ),
    RowFeature(
        "payer_balance_before",
        pl.col("payer_balance_before"),
        "payer_balance_before",
        PAYSIM,
        "Balance of the payer before this payment.",
    ),
    RowFeature(
        "payee_balance_before",
        pl.col("payee_balance_before"),
        "payee_balance_before",
        PAYSIM,
        "Balance of the payee before this payment.",
    ),
    RowFeature(
        "amount_to_payer_balance",
        ratio(_AMOUNT, pl.col("payer_balance_before")),
        "amount / payer_balance_before; null where payer_balance_before is 0 or null",
        PAYSIM,
        "Share of the payer's balance that this payment takes.",
    ),
    RowFeature(
        "empties_payer",
        pl.col("payer_balance_before") == _AMOUNT,
        "amount = payer_balance_before",
        PAYSIM,
        "Whether it takes the payer's whole balance.",
        _FLAG,
    ),
)
"""Features of the row alone."""
