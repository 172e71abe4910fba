"""Claims: the numbers and ids that a text states, and whether its evidence holds them."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gpu_ops.evidence import Evidence
from resources.claim_words import (
    CURRENCY,
    MONEY,
    MONTHS,
    UNITS,
    is_link,
    small_numbers,
    states_in_place,
    states_number,
)
from resources.stated_facts import Facts, canonical, facts_stated

_NUMBER: Final = re.compile(r"(?:0|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*)(?:\.\d+)?")
_TOKEN: Final = re.compile(r"\S+")
_AROUND: Final = "\"'`*()[]{}<>,;:!?.=~$€£¥“”„«»"
_MONEY_SIGNS: Final = "$€£¥"
_ID_SIGNS: Final = frozenset(":_@#\\")
_KNOWN: Final = " | "
"""What stands in place of a name that the evidence holds, so that its neighbours stay apart."""

_GROUPS: Final = re.compile(r"(?<![\w.,:-])\d{1,3}(?:\s\d{3})+(?!\w)")
"""A number whose thousands stand apart: 12 500 is no 12 and no 500."""
_PERCENT: Final = re.compile(r"(\d)\s*(?:%|percent\b|per cent\b)", re.IGNORECASE)
_SPELT: Final = re.compile(r"(?<!\S)[A-Za-z](?:\s[A-Za-z]){2,}(?!\S)")
_MASKED: Final = re.compile(r"\.{2,}\w")
"""An account as `masked` writes it, but of nobody in the evidence: those are gone by then."""

_HYPHENS: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012"), "-")
_HIDDEN: Final = frozenset({"Cf", "Mn", "Me"})
_STRANGE: Final = frozenset({"Cc", "Cn", "Co", "Cs", "So"})
_AFTER_A_NOUN: Final = "|".join(
    rf"(?<=\b(?i:{noun})\s)"
    for noun in ("transaction", "transactions", "payment", "alert", "case", "ring", "id")
)


def unsupported_claims(text: str, evidence: Evidence) -> tuple[str, ...]:
    """The parts of a text that state a number or an id which the evidence does not hold.

    Ids, dates and times must stand as the evidence or the template writes them (accounts masked,
    ids in their own capitals); amounts may be rounded, shares may be percentages; small counts may
    be words. An amount beside a currency must be an amount of the evidence in that currency.
    Anything else with a digit in it, in any script, is refused, and so are words such as "million",
    "third", "June" or "noon", letters of other scripts, symbols and links. Other words pass: this
    holds figures and ids, not the truth of prose.

    Args:
        text: What is to be shown.
        evidence: What is known.

    Returns:
        The offending parts in order; empty if the text holds.
    """
    facts = facts_stated(evidence)
    rest = _GROUPS.sub(lambda found: re.sub(r"\s", ",", found.group()), _plain(text))
    rest = _PERCENT.sub(r"\1%", _without_names(rest, facts))
    spelt = (found.group() for found in _SPELT.finditer(rest))
    tokens = _TOKEN.findall(rest)
    ends = ["", *tokens, ""]
    found = (
        token.casefold()
        for before, token, after in zip(ends, tokens, ends[2:], strict=False)
        if not _Claim(token, before, after).is_in(facts)
    )
    return (*spelt, *found)


@dataclass(frozen=True)
class _Claim:
    """A part of a text that is no known name, between its neighbours."""

    token: str
    before: str
    after: str

    def is_in(self, facts: Facts) -> bool:
        """Whether it states nothing, or a number of the evidence."""
        token = self.token.strip(_AROUND)
        small, before, after = token.casefold(), _bare(self.before), _bare(self.after)
        if _ID_SIGNS & set(token) or _MASKED.search(self.token) or _is_strange(token):
            return False
        if is_link(self.token.casefold()):
            return False
        if any(unicodedata.numeric(letter, None) is not None for letter in token):
            return self._is_number(small, facts)
        if states_number(small) or states_in_place(small, before, after):
            return False
        return all(self._is_said(number, facts, facts.counts) for number in small_numbers(small))

    def _is_number(self, token: str, facts: Facts) -> bool:
        share = token.endswith("%")
        number = token.removesuffix("%")
        if not _NUMBER.fullmatch(number) or self._goes_on():
            return False
        plain = facts.amounts | facts.counts | facts.shares
        return self._is_said(canonical(number, share=share), facts, plain)

    def _goes_on(self) -> bool:
        """Whether the next part is a number too, with nothing in between."""
        return self.token[-1:].isdigit() and self.after[:1].isdigit()

    def _is_said(self, number: str, facts: Facts, known: Iterable[str]) -> bool:
        """Whether a number is known as what its neighbours say that it counts."""
        before, after = _bare(self.before), _bare(self.after)
        if after in UNITS or {before, after} & MONTHS:
            return False
        currencies = list(self._currencies())
        if not currencies:
            return number in known
        is_ours = all(facts.currencies.intersection(one) for one in currencies)
        return is_ours and number in facts.amounts

    def _currencies(self) -> Iterator[tuple[str, ...]]:
        """What each word or sign beside the number says of its currency."""
        yield from (MONEY[sign] for sign in _MONEY_SIGNS if sign in self.token)
        if _bare(self.after) in MONEY or self.after.strip() in MONEY:
            yield MONEY[_bare(self.after) or self.after.strip()]
        for token in (self.before, self.after):
            if CURRENCY.fullmatch(code := token.strip(_AROUND)):
                yield (code,)


def _bare(token: str) -> str:
    return token.strip(_AROUND).casefold()


def _is_strange(token: str) -> bool:
    """Whether it holds letters of another script, or signs that may stand for anything."""
    return any(
        (letter.isalpha() and not letter.isascii()) or unicodedata.category(letter) in _STRANGE
        for letter in token
    )


def _plain(text: str) -> str:
    """Text with one spelling for each character, no accents, and nothing invisible in it."""
    composed = unicodedata.normalize("NFKD", text).translate(_HYPHENS)
    return "".join(letter for letter in composed if unicodedata.category(letter) not in _HIDDEN)


def _without_names(text: str, facts: Facts) -> str:
    """Text without what the evidence calls things, which counts only as a whole.

    The id 12 is not the start of 12,500. A source's id that is a number is one after "transaction"
    or the like alone: elsewhere it is read as any number.
    """
    numbers = {name for name in facts.sent_ids if _plain(name).replace(",", "").isdigit()}
    names = _any_of(facts.names | (facts.sent_ids - numbers))
    patterns = [f"(?i:{_any_of(facts.texts)})", names]
    if numbers:
        patterns.append(rf"(?:{_AFTER_A_NOUN})(?:{_any_of(numbers)})(?!\s*[%\d])")
    for found in patterns:
        text = re.sub(rf"(?<![\w.])(?<!\d[,:-])(?:{found})(?!\w|[.,:-]\d)", _KNOWN, text)
    return text


def _any_of(names: Iterable[str]) -> str:
    """A pattern of these names, the longest first; words may stand in capitals, ids as they are."""
    plain = sorted({_plain(name) for name in names} - {""}, key=len, reverse=True)
    told = (re.escape(name) if _is_id(name) else f"(?i:{re.escape(name)})" for name in plain)
    return "|".join(told) or r"(?!)"


def _is_id(name: str) -> bool:
    return any(letter in _ID_SIGNS or letter.isdigit() for letter in name)
