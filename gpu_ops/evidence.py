"""Evidence: what is known about an alert, and all that an explanation may tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

import polars as pl

from gpu_ops.masking import masked

__all__ = [
    "Evidence",
    "RingEvidence",
    "TransactionEvidence",
    "masked",
    "ring_evidence",
    "transaction_evidence",
]


@dataclass(frozen=True)
class TransactionEvidence:
    """What is known about a transaction alert.

    Attributes:
        alert_id: The alert.
        feed: Where the transaction came from.
        transaction_id: The transaction.
        occurred_at: When, UTC.
        kind: What sort of transaction.
        amount: In major units of the currency.
        currency: ISO 4217 code.
        payer: Node of the payer.
        payee: Node of the payee.
        reasons: Codes, strongest first.
        anomaly_score: 0 to 1.
        fraud_probability: 0 to 1; None without an approved model.
        expected_loss: Probability x amount; None without an approved model.
        model_version: The model; None without one.
        related_transaction_ids: The day's other suspicious transactions between the two.
    """

    alert_id: str
    feed: str
    transaction_id: str
    occurred_at: datetime
    kind: str
    amount: float
    currency: str
    payer: str
    payee: str
    reasons: Sequence[str]
    anomaly_score: float
    fraud_probability: float | None = None
    expected_loss: float | None = None
    model_version: str | None = None
    related_transaction_ids: Sequence[str] = ()


@dataclass(frozen=True)
class RingEvidence:
    """What is known about a ring alert.

    Attributes:
        alert_id: The alert.
        feed: Where its transactions came from.
        ring_id: The ring.
        pattern: Its shape.
        score: Strength of the evidence, 0 to 1.
        accounts: Nodes of its members.
        transaction_ids: Its transactions.
        first_at: The first of them, UTC.
        last_at: The last of them, UTC.
        amount: Sum of them.
        reasons: Codes, strongest first.
    """

    alert_id: str
    feed: str
    ring_id: str
    pattern: str
    score: float
    accounts: Sequence[str]
    transaction_ids: Sequence[str]
    first_at: datetime
    last_at: datetime
    amount: float
    reasons: Sequence[str]


Evidence: TypeAlias = TransactionEvidence | RingEvidence

_Kind = TypeVar("_Kind", TransactionEvidence, RingEvidence)
_TRANSACTION_COLUMNS: Final[Mapping[str, str]] = {"transaction_id": "subject_id"}
_RING_COLUMNS: Final[Mapping[str, str]] = {"ring_id": "subject_id"}


def transaction_evidence(alerts: pl.DataFrame) -> list[TransactionEvidence]:
    """The evidence of transaction alerts, in the order of the rows.

    Args:
        alerts: Columns of `gpu_ops.ranking.rank_transaction_alerts`.
    """
    return _evidence(alerts, TransactionEvidence, _TRANSACTION_COLUMNS)


def ring_evidence(alerts: pl.DataFrame) -> list[RingEvidence]:
    """The evidence of ring alerts, in the order of the rows.

    Args:
        alerts: Columns of `gpu_ops.ranking.rank_ring_alerts`.
    """
    return _evidence(alerts, RingEvidence, _RING_COLUMNS)


def _evidence(alerts: pl.DataFrame, kind: type[_Kind], columns: Mapping[str, str]) -> list[_Kind]:
    rows = alerts.select(columns.get(one.name, one.name) for one in fields(kind))
    return [kind(*row) for row in rows.iter_rows()]
