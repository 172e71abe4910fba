"""Flags of a transaction that both its own features and the shares over its past are made of."""

from typing import Final

import polars as pl

SATURDAY: Final = 6  # ISO weekday
NIGHT_END: Final = 7  # the Handbook's night is hours 0 to 6
ROUND: Final = 100  # major units


def row_flag(name: str) -> pl.Expr:
    """The flag over the canonical columns, as Boolean.

    Args:
        name: ``is_round_amount``, a multiple of 100; ``is_night``, hours 0 to 6 in UTC; or
            ``is_weekend``, Saturday and Sunday in UTC. The last two are those of the Fraud
            Detection Handbook, chapter 3.
    """
    at = pl.col("occurred_at").dt
    flags = {
        "is_round_amount": pl.col("amount") % ROUND == 0,
        "is_night": at.hour() < NIGHT_END,
        "is_weekend": at.weekday() >= SATURDAY,
    }
    return flags[name]
