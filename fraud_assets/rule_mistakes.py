"""Mistakes in files of rules, as their authors read them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fraud_assets.text_layout import printable
from gpu_ops.sql_faults import Fault

_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True)
class RuleMistake:
    """One mistake in a file of rules.

    Attributes:
        file: The file.
        line: Its line; None where no line is to blame.
        code: The rule; empty where it has no name.
        problem: What is wrong and what to do.
        excerpt: The line of the condition and a mark below the place; empty for other mistakes.
    """

    file: str
    line: int | None
    code: str
    problem: str
    excerpt: str = ""

    def __str__(self) -> str:
        """File, line, rule and problem, in one line."""
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {f'{self.code}: ' if self.code else ''}{self.problem}"


class RuleFileError(Exception):
    """Files of rules with mistakes; `mistakes` holds all of them."""

    def __init__(self, mistakes: Iterable[RuleMistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def excerpt_of(condition: str, fault: Fault) -> str:
    """The line of a condition and a mark below the place of a mistake."""
    start = condition.rfind("\n", 0, fault.at) + 1
    line = condition[start:].partition("\n")[0].replace("\t", " ")
    # A long line is shown around the place.
    first = max(0, fault.at - start - _SHOWN_CHARACTERS)
    shown = line[first : fault.at - start + _SHOWN_CHARACTERS]
    return f"{printable(shown)}\n{' ' * (fault.at - start - first)}^"


def cut(text: str) -> str:
    """What stands in a file, so much of it as fits a message, without what drives a terminal."""
    shown = printable(text[:_SHOWN_CHARACTERS])
    return shown if len(text) <= _SHOWN_CHARACTERS else f"{shown}…"
