"""Claims: the numbers and ids that a text states, and whether its evidence holds them."""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
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

_NUMBER: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_TOKEN: Final = re.compile(r"\S+")
_AROUND: Final = "\"'`*()[]{}<>,;:!?.=~$€£¥“”„«»"
_ID_SIGNS: Final = frozenset(":_@#\\")
_SMALL_WORDS: Final = {
    word: str(number)
    for number, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"), start=2
    )
}
_LARGE_WORDS: Final = re.compile(
    r"(?:twelve|dozen|half|halves|double|twice|triple|quarter|hundred|thousand|"
    r"(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-\w+)?|"
    r"(?:m|b|tr)illion)(?:s|d|fold)?|k|m|mn|mio|bn"
)


def unsupported_claims(text: str, evidence: Evidence) -> tuple[str, ...]:
    """The parts of a text that state a number or an id which the evidence does not hold.

    Ids, dates and times must stand as the evidence or the template writes them (accounts masked);
    amounts may be rounded, shares may be percentages; small counts may be words. Anything
    else with a digit in it, in any script, is refused, and so are words such as "million". A word
    without digits or id-like signs passes: this holds figures and ids, not the truth of prose.

    Args:
        text: What is to be shown.
        evidence: What is known.

    Returns:
        The offending parts in order; empty if the text holds.
    """
    rest = _plain(text)
    known = sorted({_plain(name) for name in _names(evidence)} - {""}, key=len, reverse=True)
    pattern = "|".join(re.escape(name) for name in known)
    # A name counts only as a whole: the id 12 is not the start of 12,500.
    rest = re.sub(rf"(?<![\w.])(?<!\d[,:-])(?:{pattern})(?!\w|[.,:-]\d)", " ", rest)
    rest = re.sub(r"(\d)\s*(?:%|percent\b|per cent\b)", r"\1%", rest)
    numbers = set(_numbers(evidence))
    return tuple(
        token for token in _TOKEN.findall(rest) if not _is_supported(token.strip(_AROUND), numbers)
    )


def _is_supported(token: str, numbers: set[str]) -> bool:
    """Whether a token that is no known name states nothing, or a number of the evidence."""
    if _ID_SIGNS & set(token) or _LARGE_WORDS.fullmatch(token):
        return False
    if token in _SMALL_WORDS:
        return _SMALL_WORDS[token] in numbers
    if not any(unicodedata.numeric(letter, None) is not None for letter in token):
        return True
    share = token.endswith("%")
    number = token.removesuffix("%")
    return bool(_NUMBER.fullmatch(number)) and _canonical(number, share=share) in numbers


def _plain(text: str) -> str:
    """Text with one spelling for each character and nothing invisible in it."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")


def _canonical(number: str, *, share: bool = False) -> str:
    """One spelling for equal numbers; percentages are kept apart from plain numbers."""
    value = Decimal(number.replace(",", "")).normalize()
    return f"{value:f}" + ("%" if share else "")


def _names(evidence: Evidence) -> Iterator[str]:
    """All names that a text may use: ids, masked accounts, dates, times, reasons."""
    yield from (evidence.alert_id, evidence.feed)
    for code, text in told_reasons(evidence).items():
        yield from (code, text)
    if isinstance(evidence, TransactionEvidence):
        yield from (evidence.transaction_id, *evidence.related_transaction_ids)
        yield from (masked(evidence.payer), masked(evidence.payee))
        yield from (evidence.kind, evidence.currency, evidence.model_version or "")
        yield from _times([evidence.occurred_at])
    elif isinstance(evidence, RingEvidence):
        yield from _ring_names(evidence)
        yield from _payment_names(told_payments(evidence))
    else:
        yield from _case_names(evidence)
        yield from _payment_names(told_payments(evidence))


def _ring_names(ring: RingEvidence) -> Iterator[str]:
    yield from (ring.ring_id, ring.pattern, *ring.transaction_ids)
    yield from (masked(account) for account in ring.accounts)
    yield from [] if ring.centre is None else [masked(ring.centre)]
    yield from _times([ring.first_at, ring.last_at])


def _case_names(case: CaseEvidence) -> Iterator[str]:
    yield from [] if case.account is None else [masked(case.account)]
    for ring in case.rings:
        yield ring.alert_id
        yield from _ring_names(ring)
    for alert in case.alerts:
        yield from (alert.alert_id, alert.transaction_id)
    for earlier in case.earlier:
        yield from (earlier.case_id, f"{earlier.closed_at:%Y-%m-%d}")
    yield from _times([case.first_at, case.last_at])


def _payment_names(payments: Iterable[Payment]) -> Iterator[str]:
    for one in payments:
        yield from (one.transaction_id, one.currency, masked(one.payer), masked(one.payee))
        yield from _times([one.occurred_at])


def _times(moments: Iterable[datetime]) -> Iterator[str]:
    for moment in moments:
        yield from (f"{moment:%Y-%m-%d}", f"{moment:%H:%M}", f"{moment:%H:%M:%S}")
        yield from (f"{moment:%Y-%m-%dT%H:%M}", f"{moment:%Y-%m-%dT%H:%M:%S}")


def _numbers(evidence: Evidence) -> Iterator[str]:
    """All numbers that a text may state, in their one spelling."""
    if isinstance(evidence, TransactionEvidence):
        yield from _rounded([evidence.amount, evidence.expected_loss], 0, 1, 2)
        yield from _shares([evidence.fraud_probability, evidence.anomaly_score])
        related = len(evidence.related_transaction_ids)
        counts = [related, related + 1, PARTIES]
    elif isinstance(evidence, RingEvidence):
        yield from _shares([evidence.score])
        yield from _ring_numbers(evidence)
        told = told_payments(evidence)
        yield from _rounded([one.amount for one in told], 0, 1, 2)
        counts = [len(evidence.transaction_ids) - len(told)]
    else:
        told = told_payments(evidence)
        yield from _rounded([one.amount for one in told], 0, 1, 2)
        yield from _rounded([evidence.expected_loss, evidence.exposure], 0, 1, 2)
        yield from _shares(evidence.weights.values())
        for ring in evidence.rings:
            yield from _ring_numbers(ring)
        counts = [len(evidence.payments), len(evidence.payments) - len(told)]
        for count, most in _case_counts(evidence):
            counts += [count, count - most]
    yield from (str(count) for count in counts if count > 0)


def _ring_numbers(ring: RingEvidence) -> Iterator[str]:
    yield from _rounded([ring.amount, ring.exposure], 0, 1, 2)
    accounts = len(ring.accounts)
    counts = (accounts, accounts - NAMED_ACCOUNTS, len(ring.transaction_ids))
    yield from (str(count) for count in counts if count > 0)


def _case_counts(case: CaseEvidence) -> Iterator[tuple[int, int]]:
    """How many there are of what a text counts, and how many of them it tells."""
    yield len(case.alerts), len(case.alerts)
    yield len(case.rings), TOLD_RINGS
    yield len(case.weights), TOLD_REASONS
    yield len(case.earlier), TOLD_EARLIER


def _rounded(values: Iterable[float | None], *digits: int) -> Iterator[str]:
    for value in values:
        if value is not None and math.isfinite(value):
            yield from (_canonical(f"{value:.{places}f}") for places in digits)


def _shares(values: Iterable[float | None]) -> Iterator[str]:
    """A share of 0 to 1 as itself and as a percentage."""
    for value in values:
        if value is not None and math.isfinite(value):
            yield from (_canonical(f"{value:.{places}f}") for places in (2, 3, 4))
            yield from (_canonical(f"{100 * value:.{places}f}", share=True) for places in (0, 1, 2))
