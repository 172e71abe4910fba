"""Stated facts: the numbers, ids and names of an evidence that a text about it may state."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from gpu_ops.evidence import (
    CaseEvidence,
    Evidence,
    Payment,
    RingEvidence,
    TransactionEvidence,
    masked,
    told_payments,
    told_reasons,
)

PARTIES: Final = 2
"""The accounts of a transaction."""
NAMED_ACCOUNTS: Final = 3
"""How many members of a ring a text names before it says how many more there are."""
TOLD_RINGS: Final = 2
"""How many rings of a case a text describes."""
TOLD_REASONS: Final = 4
"""How many reasons of a case a text tells before it says how many more there are."""
TOLD_EARLIER: Final = 3
"""How many earlier cases a text names before it says how many more there are."""


@dataclass(frozen=True)
class Facts:
    """What a text may state, numbers in the spelling of `canonical`.

    Attributes:
        names: Ids, masked accounts, dates and times, to be written as they are.
        sent_ids: Ids as sources wrote them, which may look like any number.
        texts: Reasons, in small or capital letters.
        amounts: Money, rounded to 0, 1 and 2 digits.
        counts: Numbers of accounts, payments and the like.
        shares: 0 to 1, and the same as percentages.
        currencies: ISO 4217 codes of the amounts; empty where they are not known.
    """

    names: frozenset[str]
    sent_ids: frozenset[str]
    texts: frozenset[str]
    amounts: frozenset[str]
    counts: frozenset[str]
    shares: frozenset[str]
    currencies: frozenset[str]


def facts_stated(evidence: Evidence) -> Facts:
    """What a text about an evidence may state."""
    if isinstance(evidence, TransactionEvidence):
        related = len(evidence.related_transaction_ids)
        amounts: list[float | None] = [evidence.amount, evidence.expected_loss]
        shares = [evidence.fraud_probability, evidence.anomaly_score]
        counts = [related, related + 1, PARTIES]
        currencies = {evidence.currency}
        names = _transaction_names(evidence)
        sent_ids = [evidence.transaction_id, *evidence.related_transaction_ids]
    else:
        told = told_payments(evidence)
        amounts = [one.amount for one in told]
        currencies = {one.currency for one in evidence.payments}
        if isinstance(evidence, RingEvidence):
            shares = [evidence.score, evidence.told_share]
            amounts += [evidence.amount, evidence.exposure]
            counts = [*_ring_counts(evidence), len(evidence.transaction_ids) - len(told)]
            names = _ring_names(evidence)
            sent_ids = list(evidence.transaction_ids)
        else:
            shares = list(evidence.weights.values())
            amounts += [evidence.expected_loss, evidence.exposure]
            amounts += [money for one in evidence.rings for money in (one.amount, one.exposure)]
            counts = [*_case_counts(evidence), len(evidence.payments) - len(told)]
            names = _case_names(evidence)
            sent_ids = [one for ring in evidence.rings for one in ring.transaction_ids]
            sent_ids += [one.transaction_id for one in evidence.alerts]
        names = [*names, *_payment_names(told)]
        sent_ids += [one.transaction_id for one in told]
    return Facts(
        names=frozenset(names) | {evidence.alert_id, evidence.feed, *told_reasons(evidence)},
        sent_ids=frozenset(sent_ids),
        texts=frozenset(told_reasons(evidence).values()),
        amounts=frozenset(_rounded(amounts)),
        counts=frozenset(str(one) for one in counts if one > 0),
        shares=frozenset(_shares(shares)),
        currencies=frozenset(currencies),
    )


def canonical(number: str, *, share: bool = False) -> str:
    """One spelling for equal numbers; percentages are kept apart from plain numbers.

    >>> canonical("1,200.50"), canonical("83.0", share=True)
    ('1200.5', '83%')
    """
    value = Decimal(number.replace(",", "")).normalize()
    return f"{value:f}" + ("%" if share else "")


def _transaction_names(alert: TransactionEvidence) -> list[str]:
    return [
        masked(alert.payer),
        masked(alert.payee),
        alert.kind,
        alert.model_version or "",
        *_times([alert.occurred_at]),
    ]


def _ring_names(ring: RingEvidence) -> list[str]:
    return [
        *(ring.ring_id, ring.pattern),
        *(masked(account) for account in ring.accounts),
        *([] if ring.centre is None else [masked(ring.centre)]),
        *_times([ring.first_at, ring.last_at]),
    ]


def _case_names(case: CaseEvidence) -> list[str]:
    return [
        *([] if case.account is None else [masked(case.account)]),
        *(name for ring in case.rings for name in (ring.alert_id, *_ring_names(ring))),
        *(one.alert_id for one in case.alerts),
        *(name for one in case.earlier for name in (one.case_id, f"{one.closed_at:%Y-%m-%d}")),
        *_times([case.first_at, case.last_at]),
    ]


def _payment_names(payments: Iterable[Payment]) -> Iterator[str]:
    for one in payments:
        yield from (masked(one.payer), masked(one.payee))
        yield from _times([one.occurred_at])


def _times(moments: Iterable[datetime]) -> Iterator[str]:
    for moment in moments:
        yield from (f"{moment:%Y-%m-%d}", f"{moment:%H:%M}", f"{moment:%H:%M:%S}")
        yield from (f"{moment:%Y-%m-%dT%H:%M}", f"{moment:%Y-%m-%dT%H:%M:%S}")


def _ring_counts(ring: RingEvidence) -> tuple[int, ...]:
    accounts = len(ring.accounts)
    return accounts, accounts - NAMED_ACCOUNTS, len(ring.transaction_ids)


def _case_counts(case: CaseEvidence) -> Iterator[int]:
    """How many there are of what a text counts, and how many more than it tells."""
    yield from (len(case.payments), len(case.alerts))
    for count, told in (
        (len(case.rings), TOLD_RINGS),
        (len(case.weights), TOLD_REASONS),
        (len(case.earlier), TOLD_EARLIER),
    ):
        yield from (count, count - told)
    for ring in case.rings:
        yield from _ring_counts(ring)


def _rounded(values: Iterable[float | None]) -> Iterator[str]:
    for value in values:
        if value is not None and math.isfinite(value):
            yield from (canonical(f"{value:.{places}f}") for places in (0, 1, 2))


def _shares(values: Iterable[float | None]) -> Iterator[str]:
    """A share of 0 to 1 as itself and as a percentage."""
    for value in values:
        if value is not None and math.isfinite(value):
            yield from (canonical(f"{value:.{places}f}") for places in (2, 3, 4))
            yield from (canonical(f"{100 * value:.{places}f}", share=True) for places in (0, 1, 2))
