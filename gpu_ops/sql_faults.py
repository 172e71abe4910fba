"""What is wrong with a condition in SQL, said so that its author can mend it."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes:
        problem: What is wrong and what to do.
        at: Where it begins, as an offset in the text.
    """

    problem: str
    at: int


class ConditionError(ValueError):
    """A condition that cannot be used; `faults` holds its mistakes, `text` the condition."""

    def __init__(self, text: str, faults: Sequence[Fault]) -> None:
        self.text = text
        self.faults = tuple(faults)
        super().__init__("\n".join(told(text, one) for one in self.faults))


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both counted from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def told(text: str, fault: Fault) -> str:
    """A mistake with its place, in one line."""
    line, column = place(text, fault.at)
    return f"line {line}, column {column}: {fault.problem}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'amount'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""
