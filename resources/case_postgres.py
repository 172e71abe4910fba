"""The case store's database on a server: PostgreSQL, through psycopg2 of the extra `aws`."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Final, Protocol, cast

from resources.case_database import TABLES, WAIT_SECONDS, CaseStoreError, Run, Value, schema
from resources.case_location import CaseLocation
from resources.scrubbing import scrubbed

_ONE_WRITER: Final = 7_031_998_441_235
"""The advisory lock that writers take; also while the tables are made."""

_FUNCTION: Final = """
CREATE FUNCTION case_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the log of cases is append-only'; END $$
"""
_GUARDS: Final = (
    _FUNCTION,
    (
        "CREATE TRIGGER case_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON case_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION case_events_append_only()"
    ),
)


class _Cursor(Protocol):
    description: Sequence[object] | None

    def execute(self, statement: str, values: Sequence[Value] = ...) -> None: ...
    def fetchall(self) -> list[tuple[Value, ...]]: ...
    def close(self) -> None: ...


class _Connection(Protocol):
    def cursor(self) -> _Cursor: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...
    def set_session(self, *, isolation_level: str, readonly: bool) -> None: ...


class _Driver(Protocol):
    """What is used of psycopg2, which has no types of its own."""

    Error: type[Exception]

    def connect(self, dsn: str, *, connect_timeout: int, application_name: str) -> _Connection: ...


class PostgresDatabase:
    """Tables in the schema that the address leads to; they are made at the first write."""

    def __init__(self, location: CaseLocation, wait_seconds: float = WAIT_SECONDS) -> None:
        """Takes how long a writer waits for another one; nobody is contacted yet."""
        if location.url is None:
            raise ValueError("a PostgreSQL database needs an address")
        self._location = location
        self._url = location.url
        self._wait_seconds = wait_seconds

    @property
    def place(self) -> str:
        """The address without the password."""
        return str(self._location)

    @contextmanager
    def reading(self) -> Iterator[Run | None]:
        """As `Database.reading`."""
        with self._connected("read") as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            run = _runner(connection)
            yield run if _has_tables(run) else None

    @contextmanager
    def writing(self) -> Iterator[Run]:
        """As `Database.writing`."""
        with self._connected("write") as connection:
            connection.set_session(isolation_level="READ COMMITTED", readonly=False)
            run = _runner(connection)
            run("SELECT set_config('lock_timeout', ?, true)", [f"{self._wait_seconds * 1000:.0f}"])
            run("SELECT pg_advisory_xact_lock(?)", [_ONE_WRITER])
            if not _has_tables(run):
                for statement in schema(_GUARDS):
                    run(statement, ())
            yield run
            self._commit(connection)

    @contextmanager
    def _connected(self, doing: str) -> Iterator[_Connection]:
        """A connection; what is not committed when the block ends is undone."""
        driver = _driver()
        try:
            with closing(
                driver.connect(
                    self._url.get_secret_value(),
                    connect_timeout=max(2, round(self._wait_seconds)),
                    application_name="fraud-assets",
                )
            ) as connection:
                try:
                    yield connection
                finally:
                    with suppress(driver.Error):
                        connection.rollback()
        except driver.Error as error:
            raise CaseStoreError(
                f"cannot {doing} the case store {self.place}: {self._told(error)}. "
                "Nothing was changed."
            ) from None

    def _commit(self, connection: _Connection) -> None:
        try:
            connection.commit()
        except _driver().Error as error:
            raise CaseStoreError(
                f"the connection to the case store {self.place} broke while a change was kept: "
                f"{self._told(error)}. It was kept whole or not at all; look before you repeat it"
            ) from None

    def _told(self, error: Exception) -> str:
        """The server's or driver's own words in one line, without what the address holds."""
        text = " ".join(str(error).split()) or type(error).__name__
        if "lock timeout" in text:
            return "another writer does not end; try again in a moment"
        for secret in (self._url.get_secret_value(), self._location.password):
            text = text.replace(secret, "<secret>") if secret else text
        return f"{scrubbed(text).rstrip('.')}; check FRAUD_CASES_URL and the server"


def _driver() -> _Driver:
    try:
        # No type stubs: the protocol above is what is used of it.
        return cast("_Driver", importlib.import_module("psycopg2"))
    except ModuleNotFoundError as error:
        raise CaseStoreError(
            "a case store on PostgreSQL needs psycopg2: pip install 'fraud-assets[aws]'"
        ) from error


def _runner(connection: _Connection) -> Run:
    def run(statement: str, values: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        with closing(connection.cursor()) as cursor:
            if values:
                cursor.execute(statement.replace("?", "%s"), tuple(values))
            else:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description is not None else []

    return run


def _has_tables(run: Run) -> bool:
    found = run(
        "SELECT count(*) FROM unnest(string_to_array(?, ',')) AS name "
        "WHERE to_regclass(name) IS NOT NULL",
        [",".join(TABLES)],
    )
    return found == [(len(TABLES),)]
