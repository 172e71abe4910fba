"""Claims: the numbers and ids that a text states, and whether its evidence holds them."""

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from gpu_ops.evidence import Evidence, TransactionEvidence, masked
from gpu_ops.reasons import REASONS

PARTIES: Final = 2
"""The accounts of a transaction."""
NAMED_ACCOUNTS: Final = 3
"""How many members of a ring a text names before it says how many more there are."""

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
    for code in evidence.reasons:
        yield from (code, REASONS.get(code, ""))
    if isinstance(evidence, TransactionEvidence):
        yield from (evidence.transaction_id, *evidence.related_transaction_ids)
        yield from (masked(evidence.payer), masked(evidence.payee))
        yield from (evidence.kind, evidence.currency, evidence.model_version or "")
        moments = [evidence.occurred_at]
    else:
        yield from (evidence.ring_id, evidence.pattern, *evidence.transaction_ids)
        yield from (masked(account) for account in evidence.accounts)
        moments = [evidence.first_at, evidence.last_at]
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
    else:
        yield from _rounded([evidence.amount], 0, 1, 2)
        yield from _shares([evidence.score])
        accounts = len(evidence.accounts)
        counts = [accounts, accounts - NAMED_ACCOUNTS, len(evidence.transaction_ids)]
    yield from (str(count) for count in counts if count > 0)


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
