"""The canonical transaction: the one table that every feed becomes."""

from typing import Final

import polars as pl

UTC_MICROSECONDS: Final = pl.Datetime("us", "UTC")

CANONICAL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "transaction_id": pl.String(),
    "occurred_at": UTC_MICROSECONDS,
    "kind": pl.String(),
    "amount": pl.Float64(),
    "currency": pl.String(),
    "payer_id": pl.String(),
    "payee_id": pl.String(),
    "payer_balance_before": pl.Float64(),
    "payee_balance_before": pl.Float64(),
    "is_fraud": pl.Boolean(),
    "label_known_at": UTC_MICROSECONDS,
}
"""Column names and dtypes of a canonical transaction table, in order."""

KINDS: Final = ("payment", "transfer", "cash_out", "cash_in", "debit", "card")
"""Every kind of transaction that a feed may map to."""
