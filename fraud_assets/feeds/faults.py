"""What is wrong with a file or with single rows of it, said so that a person can act."""

from collections.abc import Sequence
from typing import Final

import polars as pl

QUARANTINE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "file": pl.String(),
    "row": pl.Int64(),
    "column": pl.String(),
    "reason": pl.String(),
    "value_masked": pl.String(),
}
"""One line a bad row: its number (1 = first data row), source column, reason, masked value."""

FAULT_SCHEMA: Final[dict[str, pl.DataType]] = {
    name: dtype for name, dtype in QUARANTINE_SCHEMA.items() if name != "file"
}
"""The quarantine before the file has its name."""

_NAMES_SHOWN: Final = 30
_NAME_CHARACTERS: Final = 40


class RefusedError(Exception):
    """A file that cannot be taken in at all; `reason` says what was wrong and what to do."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def no_faults() -> pl.DataFrame:
    """An empty table of faults."""
    return pl.DataFrame(schema=FAULT_SCHEMA)


def line_faults(faults: Sequence[tuple[int, str]]) -> pl.DataFrame:
    """Row number and reason of lines that have no columns yet; their text is not shown.

    Nothing tells which part of such a line is an account, so no part of it may leave the file.
    """
    rows = [(row, None, reason, None) for row, reason in faults]
    return pl.DataFrame(rows, schema=FAULT_SCHEMA, orient="row")


def names_shown(names: Sequence[str]) -> str:
    """Column names for a message; long digit runs hidden, since a missing header shows data."""
    shown = pl.Series(names[:_NAMES_SHOWN], dtype=pl.String).str.slice(0, _NAME_CHARACTERS)
    hidden = shown.str.replace_all(r"\d{5,}", "…")
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(name or "(blank)" for name in hidden) + more


def too_many_faults(faults: pl.DataFrame, received: int, limit: float) -> str | None:
    """Why a file with these faults is refused whole, or None where it is not.

    One bad row of several says nothing about the file, however few they are: the share counts from
    the second bad row on. With a limit of 0 none is let pass.

    Args:
        faults: One row a bad row.
        received: Rows of the file, bad ones among them; at least 1.
        limit: The feed's `bad_row_limit`.
    """
    is_single = faults.height == 1 < received and limit > 0
    if is_single or faults.height / received <= limit:
        return None
    top = (
        faults.group_by("column", "reason")
        .len()
        .sort(["len", "reason", "column"], descending=[True, False, False])
        .head(3)
    )
    reasons = "; ".join(
        f"{count} x {column + ': ' if column else ''}{reason}"
        for column, reason, count in top.rows()
    )
    return (
        f"{faults.height} of {received} rows are bad ({faults.height / received:.1%}; the feed's "
        f"bad_row_limit is {limit:.1%}). Most frequent: {reasons}"
    )
