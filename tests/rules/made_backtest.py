"""A lake of scored transactions, made by hand, for backtests of rules."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from fraud_assets import layers
from fraud_assets.rule_rows import columns_read
from gpu_ops.labels import EVENT_SCHEMA
from gpu_ops.rules import RULES
from resources.manifests import Slot
from resources.versions import Manifest, Versions

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_TIME: Final = pl.Datetime("us", "UTC")
_SENT: Final = ("kind", "amount", "payer_id", "payee_id")
_SCORES: Final = frozenset({"anomaly_score", "fraud_probability", "expected_loss"})
_ALERTS: Final = {
    "feed": pl.String(),
    "alert_type": pl.String(),
    "subject_id": pl.String(),
    "related_transaction_ids": pl.List(pl.String()),
    "transaction_ids": pl.List(pl.String()),
}


class Paid(NamedTuple):
    """A transaction as it is stored: what was sent, its label, a feature and its scores."""

    name: str
    day: float
    amount: float = 100.0
    is_fraud: bool | None = None
    known: float | None = None
    hour: int | None = 12
    anomaly: float = 0.1
    in_sample: bool = False
    decision: str | None = None


def day(number: float) -> datetime:
    """Midnight of the day, counted from 0, or a part of the day after it."""
    return START + timedelta(days=number)


def publish(
    versions: Versions, slot: Slot, table: pl.DataFrame, *made_of: Manifest, **more: str
) -> Manifest:
    """A version of a table, made of others and whatever else."""
    attempt = versions.begin(slot, "run")
    attempt.write_table(table)
    inputs = {one.slot: one.content_id for one in made_of}
    return versions.publish(attempt, inputs={**inputs, **more})


def upload(
    versions: Versions, key: str, rows: Sequence[Paid], model: str | None = None
) -> tuple[Manifest, Manifest]:
    """Transactions of the feed `sim`, their features and scores; the first two manifests."""
    raw = publish(versions, layers.upload_slot("raw_transactions", "sim", key), _sent(rows))
    prepped = publish(
        versions, layers.upload_slot("prepped_transactions", "sim", key), _features(rows), raw
    )
    slot = layers.upload_slot("augmented_transactions", "sim", key)
    named = pl.lit(model, pl.String()).alias("model_version")
    scored = _scored(rows).with_columns(named)
    publish(versions, slot, scored, raw, prepped, model=model or "none")
    return raw, prepped


def labels(versions: Versions, key: str, *told: tuple[str, bool, float]) -> None:
    """A file of labels: transaction, whether it was fraud, the day since which it is known."""
    rows = [(name, is_fraud, day(known), "chargeback") for name, is_fraud, known in told]
    table = pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")
    publish(versions, layers.label_slot("sim", key), table)


def alerts(versions: Versions, *rows: tuple[str, str, str, list[str] | None]) -> None:
    """Published alerts: feed, type, subject, and the other transactions that they hold."""
    table = pl.DataFrame(
        [
            {
                "feed": feed,
                "alert_type": kind,
                "subject_id": subject,
                "related_transaction_ids": others if kind == "transaction" else None,
                "transaction_ids": others if kind == "ring" else None,
            }
            for feed, kind, subject, others in rows
        ],
        schema=_ALERTS,
    )
    publish(versions, layers.snapshot_slot("published_alerts"), table)


def _sent(rows: Sequence[Paid]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [one.name for one in rows],
            "occurred_at": [day(one.day) for one in rows],
            "kind": ["transfer"] * len(rows),
            "payer_id": ["ada"] * len(rows),
            "payee_id": ["bea"] * len(rows),
            "amount": [one.amount for one in rows],
            "is_fraud": [one.is_fraud for one in rows],
            "label_known_at": [None if one.known is None else day(one.known) for one in rows],
        },
        schema_overrides={
            "occurred_at": _TIME,
            "is_fraud": pl.Boolean(),
            "label_known_at": _TIME,
        },
    )


def _features(rows: Sequence[Paid]) -> pl.DataFrame:
    """Those that the project's rules read; all but the hour are not known."""
    names = columns_read(RULES) - _SCORES - {*_SENT, "hour_of_day"}
    table = pl.DataFrame({"hour_of_day": [one.hour for one in rows]}, {"hour_of_day": pl.UInt8()})
    return table.with_columns(pl.lit(None, pl.Float32()).alias(name) for name in sorted(names))


def _scored(rows: Sequence[Paid]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "anomaly_score": [one.anomaly for one in rows],
            "fraud_probability": [None] * len(rows),
            "expected_loss": [None] * len(rows),
            "in_sample": [one.in_sample for one in rows],
            "decision": [one.decision for one in rows],
        },
        schema_overrides={"decision": pl.String(), "fraud_probability": pl.Float32()},
    )
