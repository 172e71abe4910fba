"""The table of alerts: its columns, the ids, and what of it is published already."""

from typing import Final

import polars as pl
import xxhash

from gpu_ops.canonical import UTC_MICROSECONDS

ALERT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "alert_id": pl.String(),
    "alert_type": pl.String(),
    "feed": pl.String(),
    "subject_id": pl.String(),
    "event_day": pl.Date(),
    "rank": pl.UInt32(),
    "expected_loss": pl.Float64(),
    "ranked_by": pl.String(),
    "reasons": pl.List(pl.String()),
}
"""Columns that every alert has."""

TRANSACTION_EVIDENCE: Final[dict[str, pl.DataType]] = {
    "occurred_at": UTC_MICROSECONDS,
    "kind": pl.String(),
    "amount": pl.Float64(),
    "currency": pl.String(),
    "payer": pl.String(),
    "payee": pl.String(),
    "fraud_probability": pl.Float32(),
    "anomaly_score": pl.Float32(),
    "model_version": pl.String(),
    "related_transaction_ids": pl.List(pl.String()),
}
"""Columns that a transaction alert adds: all that its explanation is made of.

related_transaction_ids: the day's other candidates from the same payer to the same payee.
"""

RING_EVIDENCE: Final[dict[str, pl.DataType]] = {
    "pattern": pl.String(),
    "score": pl.Float64(),
    "accounts": pl.List(pl.String()),
    "transaction_ids": pl.List(pl.String()),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
    "amount": pl.Float64(),
}
"""Columns that a ring alert adds."""

_TYPE_PREFIX: Final = {"transaction": "tx", "ring": "ring"}


def alert_id(alert_type: str, feed: str, subject_id: str) -> str:
    """The stable id of an alert: the same subject always has the same one.

    Args:
        alert_type: `transaction` or `ring`.
        feed: The feed of the subject.
        subject_id: The transaction or ring.
    """
    name = f"{alert_type}\0{feed}\0{subject_id}"
    return f"{_TYPE_PREFIX[alert_type]}-{xxhash.xxh3_64_hexdigest(name.encode())}"


def sortable(column: str) -> pl.Expr:
    """A column to sort by: NaN would come before every number, so it counts as unknown."""
    return pl.col(column).cast(pl.Float64).fill_nan(None)


def published_alerts(
    published: pl.DataFrame | None, alert_type: str, schema: dict[str, pl.DataType]
) -> pl.DataFrame:
    """The published alerts of one type, with all columns of the schema first."""
    if published is None or published.is_empty():
        return pl.DataFrame(schema=schema)
    rows = published.filter(alert_type=alert_type)
    known = ALERT_SCHEMA.keys() | TRANSACTION_EVIDENCE.keys() | RING_EVIDENCE.keys()
    extra = [name for name in rows.columns if name not in known]
    return rows.select(*(pl.col(name).cast(dtype) for name, dtype in schema.items()), *extra)


def with_published(
    kept: pl.DataFrame, ranked: pl.DataFrame, alert_type: str, schema: dict[str, pl.DataType]
) -> pl.DataFrame:
    """The published alerts and, with ids of their own, the newly ranked ones, in order."""
    ids = [
        alert_id(alert_type, feed, subject)
        for feed, subject in ranked.select("feed", "subject_id").iter_rows()
    ]
    new = ranked.with_columns(
        alert_id=pl.Series(ids, dtype=pl.String), alert_type=pl.lit(alert_type)
    ).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    order = ["event_day", "rank"] if alert_type == "transaction" else ["rank"]
    return pl.concat([kept, new], how="diagonal").sort(*order, "alert_id")
