"""Features of a transaction itself, and of it against what came before."""

from typing import Final

import polars as pl

from gpu_ops.canonical import KINDS
from gpu_ops.feature_model import RowFeature
from gpu_ops.windows import ratio

HANDBOOK: Final = "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3"
BAHNSEN: Final = "Bahnsen et al. 2016, Expert Systems with Applications 51"
WHITROW: Final = "Whitrow et al. 2009, Data Mining and Knowledge Discovery 18"
PAYSIM: Final = "PaySim (Lopez-Rojas et al. 2016), transaction types and balances"
EXAMINERS: Final = "FFIEC BSA/AML Examination Manual, appendix F: large, round amounts"

SATURDAY: Final = 6  # ISO weekday
NIGHT_END: Final = 7  # the Handbook's night is hours 0 to 6

_AMOUNT: Final = pl.col("amount")
_TIME: Final = pl.col("occurred_at").dt
_FLAG: Final = pl.UInt8()


def _history(name: str, part: str, whole: str, source: str, description: str) -> RowFeature:
    return RowFeature(
        name,
        ratio(pl.col(part), pl.col(whole)),
        f"{part} / {whole}; null where {whole} is 0 or null",
        source,
        description,
    )


ROWS: Final = (
    RowFeature("amount", _AMOUNT, "amount", WHITROW, "Amount of this payment."),
    RowFeature(
        "is_round_amount",
        (_AMOUNT % 100 == 0),
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
        _TIME.weekday() >= SATURDAY,
        "day_of_week is 6 or 7",
        HANDBOOK,
        "Whether it was paid on a Saturday or Sunday.",
        _FLAG,
    ),
    RowFeature(
        "is_night",
        _TIME.hour() < NIGHT_END,
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
    _history(
        "amount_to_payer_mean_30d",
        "amount",
        "payer_amount_mean_30d",
        BAHNSEN,
        "How this amount compares with what the payer usually pays.",
    ),
    _history(
        "amount_to_payer_max_30d",
        "amount",
        "payer_amount_max_30d",
        BAHNSEN,
        "How this amount compares with the most that the payer has paid.",
    ),
    _history(
        "amount_to_payee_mean_30d",
        "amount",
        "payee_amount_mean_30d",
        BAHNSEN,
        "How this amount compares with what the payee usually receives.",
    ),
    _history(
        "payer_count_1d_to_30d",
        "payer_count_1d",
        "payer_count_30d",
        WHITROW,
        "Share of the payer's month that fell on the last day: a burst.",
    ),
    _history(
        "pair_share_of_payer_30d",
        "pair_count_30d",
        "payer_count_30d",
        WHITROW,
        "Share of the payer's payments that went to this payee.",
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
    _history(
        "amount_to_payer_balance",
        "amount",
        "payer_balance_before",
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
"""The features of the row, and of the row against its accounts' windows."""
