"""What people write into the log: names and reasons, checked before they are kept."""

from typing import Final

from gpu_ops.case_model import CaseRuleError

LONGEST_NAME: Final = 200
LONGEST_REASON: Final = 2_000


def named(name: str) -> str:
    """A person's name without blanks around it.

    Raises:
        CaseRuleError: It is blank, too long, or has characters that do not print.
    """
    return _checked(name, "a name", LONGEST_NAME, besides="")


def told_why(reason: str) -> str:
    """A reason without blanks around it; it may have several lines.

    Raises:
        CaseRuleError: As `named`.
    """
    return _checked(reason, "a reason", LONGEST_REASON, besides="\n\t")


def in_a_line(reason: str) -> str:
    """A reason in one line: its own lines must not look like those of the log it is shown in."""
    return " ".join(reason.split())


def _checked(text: str, what: str, longest: int, *, besides: str) -> str:
    bare = text.strip()
    if not bare:
        raise CaseRuleError(f"{what} must not be blank")
    if len(bare) > longest:
        raise CaseRuleError(f"{what} of {len(bare)} characters is too long; at most {longest}")
    if not all(letter.isprintable() or letter in besides for letter in bare):
        raise CaseRuleError(f"{what} must not hold characters that do not print")
    return bare
