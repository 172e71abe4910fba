"""What the case store asks of a database, and what can go wrong with one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeAlias

Value: TypeAlias = str | int | None
Run: TypeAlias = Callable[[str, Sequence[Value]], list[tuple[Value, ...]]]
"""Runs one statement with `?` for each value, and returns its rows."""

WAIT_SECONDS: Final = 10.0
"""How long a writer waits for another one."""

TABLES: Final = ("case_events", "case_streams", "case_labels", "case_format")


class CaseStoreError(Exception):
    """The case store cannot do what was asked; nothing was changed. The message says what to do."""


class CaseConflictError(CaseStoreError):
    """Somebody else changed what this change was based on; nothing was changed."""


class CasesMovedError(CaseConflictError):
    """Something else happened to cases or lists meanwhile; made up anew, the change may still fit.

    Nothing was changed.
    """


class Database(Protocol):
    """Transactions: each is done whole or not at all, also where the process is killed."""

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        ...

    def reading(self) -> AbstractContextManager[Run | None]:
        """One consistent view of what is stored; None where nothing ever was.

        Raises:
            CaseStoreError: It cannot be read.
        """
        ...

    def writing(self) -> AbstractContextManager[Run]:
        """A transaction beside which nobody else writes; it is undone where the block raises.

        Raises:
            CaseStoreError: It cannot be written, or another writer does not end.
        """
        ...


def schema(guards: Sequence[str]) -> tuple[str, ...]:
    """The statements that make the tables.

    Args:
        guards: Those that keep the log from being changed, in the database's own words.
    """
    return (
        "CREATE TABLE case_format (format BIGINT NOT NULL)",
        (
            "CREATE TABLE case_events (number BIGINT PRIMARY KEY, stream TEXT NOT NULL, "
            "at TEXT NOT NULL, done_by TEXT NOT NULL, change TEXT NOT NULL, before TEXT NOT NULL, "
            "digest TEXT NOT NULL)"
        ),
        "CREATE INDEX case_events_by_stream ON case_events (stream, number)",
        (
            "CREATE TABLE case_streams (stream TEXT PRIMARY KEY, version BIGINT NOT NULL, "
            "kind TEXT NOT NULL, is_work BIGINT NOT NULL, body TEXT NOT NULL)"
        ),
        "CREATE TABLE case_labels (number BIGINT PRIMARY KEY, landed_as TEXT)",
        "INSERT INTO case_format (format) VALUES (1)",
        *guards,
    )
