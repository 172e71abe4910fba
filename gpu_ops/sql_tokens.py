"""A condition's text as words, numbers, texts and signs."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from gpu_ops.sql_faults import ConditionError, Fault

MOST_CHARACTERS: Final = 20_000
MOST_TOKENS: Final = 5_000

_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<refused>--|/\*|\*/|==|&&|\|\|)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<text>'(?:[^']|'')*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign><=|>=|<>|!=|[-+*/(),=<>])"
)
_HINTS: Final = {
    "--": "comments belong into the YAML file, after #; minus minus is written -(-1)",
    "/*": "comments belong into the YAML file, after #",
    "*/": "comments belong into the YAML file, after #",
    "==": "write one = to compare",
    "&&": "write AND",
    "||": "write OR",
    ";": "a rule is one condition; leave the ; out",
    "%": "there is no sign for percent or remainder; write 0.05 for 5 %",
    '"': "texts stand in single quotes: 'transfer'; columns stand as they are",
    "`": "columns stand as they are, without quotes",
    "'": "the text that begins here has no end; write ' once more, and '' for a quote in it",
    "\u2018": "write the straight quote '",
    "\u2019": "write the straight quote '",
    "[": "lists stand in round brackets: (1, 2)",
}


class Token(NamedTuple):
    """A word of a condition.

    Attributes:
        kind: What it is; `end` stands after the last one.
        value: A number's digits, a text without its quotes, a name in small letters, a sign.
        at: Where it begins.
    """

    kind: Literal["number", "text", "name", "sign", "end"]
    value: str
    at: int


def tokens_of(text: str) -> list[Token]:
    """The words of a condition, `end` last.

    Raises:
        ConditionError: A sign that SQL or this part of it does not know, or too long a text.
    """
    if len(text) > MOST_CHARACTERS:
        problem = f"the condition has more than {MOST_CHARACTERS:,} characters"
        raise ConditionError(text, [Fault(problem, 0)])
    found = list(_tokens(text))
    if len(found) > MOST_TOKENS:
        problem = f"the condition has more than {MOST_TOKENS:,} words"
        raise ConditionError(text, [Fault(problem, found[MOST_TOKENS].at)])
    return [*found, Token("end", "", len(text))]


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup == "refused":
            raise ConditionError(text, [Fault(_unknown(text, at), at)])
        value, end = match.group(), match.end()
        if match.lastgroup == "number":
            if text[end : end + 1].isalnum() or text[end : end + 1] in {"_", "."}:
                raise ConditionError(text, [Fault(f"'{value}' is followed by no blank", end)])
            yield Token("number", value, at)
        elif match.lastgroup == "text":
            yield Token("text", value[1:-1].replace("''", "'"), at)
        elif match.lastgroup == "name":
            yield Token("name", value.lower(), at)
        elif match.lastgroup == "sign":
            yield Token("sign", "<>" if value == "!=" else value, at)
        at = end


def _unknown(text: str, at: int) -> str:
    found = text[at : at + 2] if text[at : at + 2] in _HINTS else text[at]
    hint = _HINTS.get(found)
    shown = found if found.isprintable() else f"U+{ord(found):04X}"
    return f"{shown} means nothing here" + (f": {hint}" if hint else "")
