"""The case store's database in one file: SQLite in WAL mode."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from resources.case_database import TABLES, WAIT_SECONDS, CaseStoreError, Run, Value, schema

_GUARDS: Final = tuple(
    f"CREATE TRIGGER case_events_no_{verb.lower()} BEFORE {verb} ON case_events "
    "BEGIN SELECT RAISE(ABORT, 'the log of cases is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)
_ADVICE: Final = (
    ("locked", "another process works on it; try again in a moment"),
    ("readonly", "make the file and its folder writable for this user"),
    ("unable to open", "make its folder writable for this user"),
    ("disk is full", "free some space and try again"),
    ("not a database", "the file is damaged; put it back from a copy"),
    ("malformed", "the file is damaged; put it back from a copy"),
)


class SqliteDatabase:
    """A file and, beside it while it is in use, `-wal` and `-shm`; not for network drives.

    A transaction is on the disk when it ends, also if the machine loses power.
    """

    def __init__(self, file: Path, wait_seconds: float = WAIT_SECONDS) -> None:
        """Takes how long a writer waits for another one; nothing is opened yet."""
        self._file = file
        self._wait_seconds = wait_seconds

    @property
    def place(self) -> str:
        """The file."""
        return str(self._file)

    @contextmanager
    def reading(self) -> Iterator[Run | None]:
        """As `Database.reading`."""
        with self._told("read"):
            if not self._file.exists():
                yield None
                return
            with closing(self._connect("rw")) as connection:
                connection.execute("BEGIN")
                yield _runner(connection) if _has_tables(connection) else None
                connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Run]:
        """As `Database.writing`."""
        with self._told("write"):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect("rwc")) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    if not _has_tables(connection):
                        for statement in schema(_GUARDS):
                            connection.execute(statement)
                    yield _runner(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        address = f"file:{quote(str(self._file))}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=self._wait_seconds, isolation_level=None)

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            advice = next((told for sign, told in _ADVICE if sign in text), "check FRAUD_CASES_URL")
            raise CaseStoreError(
                f"cannot {doing} the case store {self.place}: {text}; {advice}. "
                "Nothing was changed."
            ) from error
        except OSError as error:
            raise CaseStoreError(
                f"cannot {doing} the case store {self.place}: {error.strerror or error}. "
                "Nothing was changed."
            ) from error


def _runner(connection: sqlite3.Connection) -> Run:
    def run(statement: str, values: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        return connection.execute(statement, tuple(values)).fetchall()

    return run


def _has_tables(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return set(TABLES) <= {name for (name,) in found}
