"""Words that state a number, a time or a link: a text can claim much without a single digit."""

import re
from typing import Final

SMALL: Final = {
    "zero": "0",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
}
"""Words for counts that may be in the evidence; "one" is left out: it is an article as well."""

UNITS: Final = frozenset(
    {"second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "night", "nights"}
    | {"week", "weeks", "fortnights", "month", "months", "quarters", "year", "years", "decades"}
    | {"time", "times", "percent", "per", "am", "pm", "a.m", "p.m", "h", "hrs", "min", "mins", "s"}
)
"""What no number of an evidence counts: it has no durations, rates and multiples."""

MONEY: Final = {
    "€": ("EUR",),
    "euro": ("EUR",),
    "euros": ("EUR",),
    "£": ("GBP",),
    "pound": ("GBP",),
    "pounds": ("GBP",),
    "$": ("USD", "AUD", "CAD", "HKD", "NZD", "SGD"),
    "dollar": ("USD", "AUD", "CAD", "HKD", "NZD", "SGD"),
    "dollars": ("USD", "AUD", "CAD", "HKD", "NZD", "SGD"),
    "¥": ("JPY", "CNY"),
    "yen": ("JPY",),
    "cents": (),
    "pence": (),
}
"""Beside a number: the currencies that they may mean; those of no currency are never told."""

CURRENCY: Final = re.compile(r"(?!UTC)[A-Z]{3}")
"""An ISO 4217 code, as it stands beside an amount."""

MONTHS: Final = frozenset({"may", "march"})
"""Months that are words besides; all others are refused wherever they stand."""

_MONTH_BEFORE: Final = frozenset(
    {"in", "of", "since", "until", "till", "early", "mid", "late", "last", "next"}
)
_NUMBER: Final = re.compile(
    r"twel(?:ve|fth)s?|eleventh|tenths?|(?:half|halves|halve[ds]?|halving)|thirds|"
    r"(?:four|fif|six|seven|eigh|nin)ths?|(?:thir|four|fif|six|seven|eigh|nine)teen(?:th)?s?|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)t(?:y|ies|ieths?)|quarter(?:s|ed)?|"
    r"(?:hundred|thousand|(?:m|b|tr|quadr)illion|dozen)\w*|"
    r"doubl(?:e|es|ed|ing)|twice|thrice|tripl(?:e|es|ed|ing)|trebl\w+|quadrupl\w+|quintupl\w+|"
    r"(?:two|three|four|five|six|seven|eight|nine|ten|many|multi)fold|"
    r"nil|nought|naught|grand|lakhs?|crores?|k|m|mn|mio|bn"
)
_ROMAN: Final = re.compile(
    r"(?=[ivxlcdm]{2})(?!mix$)m{0,3}(?:cm|cd|d?c{0,3})(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
)
_DATE: Final = re.compile(
    r"jan(?:uary)?|feb(?:ruary)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|"
    r"noon|midday|midnight|yesterday|today|tomorrow"
)
_CLOCK: Final = re.compile(r"o['\u2019]?clock")
_LINK: Final = re.compile(r"[a-z0-9-]{2,}\.[a-z]{2,}|\]\(|<[a-z/!]")
_WORD: Final = re.compile(r"[a-z]+")
_LETTERS_SPELT: Final = 3


def is_link(token: str) -> bool:
    """Whether a token in small letters holds an address, or marks text up."""
    return _LINK.search(token) is not None


def states_number(token: str) -> bool:
    """Whether a token in small letters states a number or time in words other than `SMALL`."""
    words = _WORD.findall(token)
    letters = sum(len(one) == 1 for one in words)
    in_compound = "-" in token and any(one in SMALL for one in words)
    return (
        in_compound
        # Such as s.e.v.e.n, which is no abbreviation as e.g. is.
        or letters >= _LETTERS_SPELT
        or _CLOCK.search(token) is not None
        or any(pattern.fullmatch(one) for one in words for pattern in (_NUMBER, _ROMAN, _DATE))
    )


def states_in_place(word: str, before: str, after: str) -> bool:
    """Whether "may" or "march" is a month here, or "third" a part: "in May", "a third of it"."""
    return (word in MONTHS and before in _MONTH_BEFORE) or (word == "third" and after == "of")


def small_numbers(token: str) -> list[str]:
    """The numbers that a token's words of `SMALL` state."""
    return [SMALL[one] for one in _WORD.findall(token) if one in SMALL]
