"""Evidence: what is known about an alert, and all that an explanation may tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Final, TypeAlias, TypeVar

import polars as pl

from gpu_ops.masking import masked
from gpu_ops.reasons import REASONS

__all__ = [
    "CaseEvidence",
    "EarlierCase",
    "Evidence",
    "Payment",
    "RingEvidence",
    "TransactionEvidence",
    "masked",
    "payments_of",
    "ring_evidence",
    "told_payments",
    "told_reasons",
    "transaction_evidence",
]


TOLD_PAYMENTS: Final = 3
"""How many payments of a ring or case a text tells of, before it says how many more there are."""


@dataclass(frozen=True)
class Payment:
    """A payment of a ring or case.

    Attributes:
        transaction_id: The transaction.
        occurred_at: When, UTC.
        amount: In major units of the currency.
        currency: ISO 4217 code; XXX where it is not known.
        payer: Node of the payer.
        payee: Node of the payee.
    """

    transaction_id: str
    occurred_at: datetime
    amount: float
    currency: str
    payer: str
    payee: str


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
        texts: What reasons tell that analysts' rules gave, by their codes.
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
    texts: Mapping[str, str] = field(default_factory=dict)


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
        payments: What is known of each of them; empty where they were not looked up.
        centre: The account that it turns around; None for other shapes, and where it is not known.
        exposure: Money that came in from outside, never counted twice; None where it is not known.
        confirmed_share: Of the judged rings with such a score, how many were confirmed, 0 to 1;
            None where too few were judged to tell, and where it was not looked up.
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
    payments: Sequence[Payment] = ()
    centre: str | None = None
    exposure: float | None = None
    confirmed_share: float | None = None

    @property
    def told_share(self) -> float | None:
        """The share as texts tell it: what was judged never proves that all or none are true."""
        return None if self.confirmed_share is None else min(max(self.confirmed_share, 0.01), 0.99)


@dataclass(frozen=True)
class EarlierCase:
    """A closed case about the same account or ring.

    Attributes:
        case_id: The case.
        verdict: How it was closed: confirmed, false or unsure.
        closed_at: When, UTC.
    """

    case_id: str
    verdict: str
    closed_at: datetime


@dataclass(frozen=True)
class CaseEvidence:
    """What is known about a case.

    Attributes:
        case_id: The case.
        feed: Where its transactions came from.
        account: Node of the account that it is about; None for a ring's case.
        alerts: Its alerts of payments, in the order in which they came.
        rings: Its rings; that which it is about first.
        weights: Reason to the share of the case that rests on it, 0 to 1, the largest first.
        first_at: The first transaction of its alerts, UTC.
        last_at: The last, UTC.
        expected_loss: What it is expected to cost, in major units; None where nothing tells.
        exposure: What was moved, no money counted twice; None where nothing tells.
        earlier: Closed cases about the same, the latest first.
    """

    case_id: str
    feed: str
    account: str | None
    alerts: Sequence[TransactionEvidence]
    rings: Sequence[RingEvidence]
    weights: Mapping[str, float]
    first_at: datetime
    last_at: datetime
    expected_loss: float | None = None
    exposure: float | None = None
    earlier: Sequence[EarlierCase] = ()

    @property
    def alert_id(self) -> str:
        """What names it where texts are kept."""
        return self.case_id

    @property
    def reasons(self) -> Sequence[str]:
        """Codes, the heaviest first."""
        return tuple(self.weights)

    @property
    def texts(self) -> Mapping[str, str]:
        """What reasons tell that analysts' rules gave, by their codes."""
        return {code: text for one in self.alerts for code, text in one.texts.items()}

    @property
    def payments(self) -> Sequence[Payment]:
        """The payments of its alerts, then those of its rings that are no alerts, each once."""
        own = [
            Payment(
                one.transaction_id, one.occurred_at, one.amount, one.currency, one.payer, one.payee
            )
            for one in self.alerts
        ]
        found = {one.transaction_id: one for one in own}
        for ring in self.rings:
            for one in ring.payments:
                found.setdefault(one.transaction_id, one)
        return tuple(found.values())


Evidence: TypeAlias = TransactionEvidence | RingEvidence | CaseEvidence


def told_reasons(evidence: Evidence) -> dict[str, str]:
    """Each reason's code and what it tells, strongest first; an unknown code tells itself."""
    texts = {} if isinstance(evidence, RingEvidence) else evidence.texts
    return {code: texts.get(code) or REASONS.get(code, code) for code in evidence.reasons}


def told_payments(evidence: RingEvidence | CaseEvidence) -> list[Payment]:
    """The payments that a text tells of: the largest, and of equal ones the earliest, first."""
    order = sorted(
        evidence.payments, key=lambda one: (-one.amount, one.occurred_at, one.transaction_id)
    )
    return order[:TOLD_PAYMENTS]


def payments_of(transactions: pl.DataFrame) -> list[Payment]:
    """The payments of transactions, in the order of the rows.

    Args:
        transactions: Has the columns that `Payment` names, of one feed.
    """
    rows = transactions.select(one.name for one in fields(Payment))
    return [Payment(*row) for row in rows.iter_rows()]


_Kind = TypeVar("_Kind", TransactionEvidence, RingEvidence)
_TRANSACTION_COLUMNS: Final[Mapping[str, str]] = {"transaction_id": "subject_id"}
_LATER: Final = frozenset({"texts", "payments", "centre", "exposure", "confirmed_share"})
"""What is no column of alerts."""
_RING_COLUMNS: Final[Mapping[str, str]] = {"ring_id": "subject_id"}


def transaction_evidence(
    alerts: pl.DataFrame, texts: Mapping[str, str] | None = None
) -> list[TransactionEvidence]:
    """The evidence of transaction alerts, in the order of the rows.

    Args:
        alerts: Columns of `gpu_ops.ranking.rank_transaction_alerts`.
        texts: What the reasons of analysts' rules tell, by their codes.
    """
    found = _evidence(alerts, TransactionEvidence, _TRANSACTION_COLUMNS)
    if not texts:
        return found
    mine = [{code: texts[code] for code in one.reasons if code in texts} for one in found]
    return [replace(one, texts=own) for one, own in zip(found, mine, strict=True)]


def ring_evidence(
    alerts: pl.DataFrame,
    payments: Mapping[str, Sequence[Payment]] | None = None,
    rings: pl.DataFrame | None = None,
) -> list[RingEvidence]:
    """The evidence of ring alerts, in the order of the rows.

    Args:
        alerts: Columns of `gpu_ops.ranking.rank_ring_alerts`.
        payments: What is known of the payments of a ring, by its id.
        rings: `ring_id`, and what there is of `centre`, `exposure` and `confirmed_share`.
    """
    found = _evidence(alerts, RingEvidence, _RING_COLUMNS)
    more = {} if rings is None else {row["ring_id"]: row for row in rings.iter_rows(named=True)}
    return [
        replace(
            one,
            payments=tuple((payments or {}).get(one.ring_id, ())),
            centre=more.get(one.ring_id, {}).get("centre"),
            exposure=more.get(one.ring_id, {}).get("exposure"),
            confirmed_share=more.get(one.ring_id, {}).get("confirmed_share"),
        )
        for one in found
    ]


def _evidence(alerts: pl.DataFrame, kind: type[_Kind], columns: Mapping[str, str]) -> list[_Kind]:
    named = [one.name for one in fields(kind) if one.name not in _LATER]
    rows = alerts.select(columns.get(name, name) for name in named)
    return [kind(*row) for row in rows.iter_rows()]
