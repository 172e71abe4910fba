"""Scrubbing: a text for people outside, without secrets, paths and account numbers."""

import re
from typing import Final

MOST_CHARACTERS: Final = 2_000
"""Length of a scrubbed text at most."""

_MOST_READ: Final = 100_000

# In this order: whole secrets first, then what looks like one, then paths.
_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        (r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL, "<secret>"),
        (r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE, r"\1<secret>@"),
        (r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE, r"\1 <secret>"),
        (
            (
                r"((?:secret|passw|pwd|token|api[_-]?key|access[_-]?key|credential|signature)[\w-]*"
                r"[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}\"']+)"
            ),
            re.IGNORECASE,
            r"\1<secret>",
        ),
        (r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b", 0, "<secret>"),
        (r"\beyJ[\w-]+\.[\w-]+\.[\w-]*", 0, "<secret>"),
        (r"\bfile://\S+", re.IGNORECASE, "<path>"),
        (r"(?<![\w/])[A-Za-z]:\\[^\s\"']+", 0, "<path>"),
        (r"(?<![\w/:<.])~?/(?:[\w.@+=~%-]+/)*[\w.@+=~%-]+/?", 0, "<path>"),
        (r"(?<![\w/+=])(?=[\w/+]*\d)(?=[\w/+]*[A-Za-z])[A-Za-z0-9/+]{40,}={0,2}", 0, "<secret>"),
        (r"\b\d(?:[ -]?\d){11,18}\b", 0, "<number>"),
        (r"[\x00-\x08\x0b-\x1f\x7f]", 0, " "),
    )
)


def scrubbed(text: str) -> str:
    """A text without what must not leave the machine, at most 2,000 characters long.

    Replaced are private keys, credentials in addresses and in `key=value` form, AWS key ids,
    tokens, long random strings, absolute file paths and numbers of 12 to 19 digits. Addresses of
    lakes (`s3://bucket/prefix`) and relative keys stay, since they say where to look.
    """
    text = text[:_MOST_READ]
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    if len(text) > MOST_CHARACTERS:
        text = text[: MOST_CHARACTERS - 1] + "…"
    return text
