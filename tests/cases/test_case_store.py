"""What a case store promises, held by a SQLite file and by a PostgreSQL server alike."""

import multiprocessing
import os
import re
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from fraud_assets.case_work import change_case, change_lists, take_in_alerts
from gpu_ops import case_actions
from gpu_ops.case_book import Book
from gpu_ops.case_events import Draft
from gpu_ops.case_lists import put_on_list
from gpu_ops.case_model import Case, CaseRuleError
from resources.case_database import CaseConflictError, CaseStoreError
from resources.case_location import CaseLocation
from resources.case_postgres import PostgresDatabase
from resources.case_sqlite import SqliteDatabase
from resources.case_store import CaseStore
from tests.cases.conftest import PASSWORD
from tests.cases.made_alerts import NOON, WEEK, entity, payment, ring


def one_case(store: CaseStore) -> Case:
    take_in_alerts(store, [payment("1", related=("2",))], now=NOON, due=WEEK)
    (case,) = store.book().cases()
    return case


def closing(store: CaseStore, case: Case, by: str = "Bea") -> Draft:
    return case_actions.close(
        store.book(), case, verdict="confirmed", reason="denied", by=by, now=NOON
    )


def test_a_store_that_was_never_written_is_empty(store: CaseStore) -> None:
    assert store.book() == Book()
    assert store.events() == []
    assert store.unlanded() == []
    assert store.problems() == []


def test_what_was_appended_is_there_and_sealed(store: CaseStore) -> None:
    alerts = [payment("1"), payment("né…2", "o'neill % ?"), ring("r", ("1", "9"))]
    told = take_in_alerts(store, alerts, now=NOON, due=WEEK)
    assert (told.alerts, told.opened, told.joined, told.passed_over) == (3, 2, 1, 0)
    book = store.book()
    assert book == told.book
    assert [one.number for one in store.events()] == [1, 2, 3, 4, 5]
    assert store.events()[-1].digest == book.digest == store.digest_at(5)
    assert store.digest_at(6) is None
    assert [one.alert_id for one in book.open_case(entity("o'neill % ?")).alerts] == ["tx-né…2"]  # type: ignore[union-attr]
    assert store.problems() == []


def test_the_same_intake_again_appends_nothing(store: CaseStore) -> None:
    alerts = [payment("1"), ring("r", ("1", "9"))]
    take_in_alerts(store, alerts, now=NOON, due=WEEK)
    again = take_in_alerts(store, alerts, now=NOON + WEEK, due=WEEK)
    assert again.alerts == 0
    assert len(store.events()) == 3


def test_an_intake_beside_another_starts_over(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CaseStore(store._database)
    appended = store.append

    def overtaken(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(store, "append", appended)
        take_in_alerts(other, [payment("1"), payment("2")], now=NOON, due=WEEK)
        return appended(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "append", overtaken)
    told = take_in_alerts(store, [payment("1"), payment("3")], now=NOON, due=WEEK)
    assert told.alerts == 1
    (case,) = store.book().cases()
    assert [one.alert_id for one in case.alerts] == ["tx-1", "tx-2", "tx-3"]


def test_what_was_based_on_an_older_state_is_refused(store: CaseStore) -> None:
    case = one_case(store)
    draft = closing(store, case, "Ada")
    store.append([closing(store, case)], seen={case.case_id: case.version})
    with pytest.raises(
        CaseConflictError,
        match=rf"{case.case_id} was changed meanwhile: closed as confirmed by Bea at 2024-03-02 ",
    ):
        store.append([draft], seen={case.case_id: case.version})
    assert len(store.events()) == 3


def test_who_judged_a_transaction_last_is_known_after_reading_too(store: CaseStore) -> None:
    first = one_case(store)
    store.append([closing(store, first)])
    take_in_alerts(store, [ring("r", ("1", "3"))], now=NOON, due=WEEK)
    (second,) = (one for one in store.book().cases() if one.is_work)

    def judged(*names: str) -> Callable[[Book, Case], Draft]:
        return lambda book, case: case_actions.close(
            book, case, verdict="false", reason="r", by="A", now=NOON, transaction_ids=names
        )

    def judge() -> str | None:
        return store.book().judge_of("card", "1")

    change_case(store, second.case_id, judged("1"))
    assert judge() == second.case_id
    # What happens to the first one since is no verdict on it.
    change_case(store, first.case_id, _reopening)
    assert judge() == second.case_id
    change_case(store, first.case_id, judged("2"))
    assert judge() == second.case_id
    change_case(store, first.case_id, _reopening)
    book = store.book()
    found = book.case(first.case_id)
    assert found is not None
    book.apply(judged("1")(book, found))
    assert book.judge_of("card", "1") == first.case_id
    change_case(store, first.case_id, judged("1"))
    assert judge() == first.case_id


def test_a_change_is_whole_or_not_at_all(store: CaseStore) -> None:
    case = one_case(store)
    other = put_on_list(
        store.book(), entity("x"), "allowed", until=NOON + WEEK, by="B", reason="r", now=NOON
    )
    wrong = closing(store, case).model_copy(update={"stream": "case-unknown"})
    with pytest.raises(ValueError, match=r"event 4 .closed. cannot have happened to case-unknown"):
        store.append([other, wrong])
    assert len(store.events()) == 2
    assert list(store.book().entries()) == []


def test_what_fails_halfway_leaves_nothing(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = one_case(store)
    with monkeypatch.context() as patch:
        patch.setattr("resources.case_store._replace", lambda *_: 1 // 0)  # After the events.
        with pytest.raises(ZeroDivisionError):
            store.append([closing(store, case)])
    assert len(store.events()) == 2
    assert store.unlanded() == []
    assert store.problems() == []


def test_a_closing_without_a_transaction_has_no_labels(store: CaseStore) -> None:
    case = one_case(store)
    store.append([closing(store, case)])
    again = [payment("3", related=("1",)).model_copy(update={"transaction_ids": ("3", "1")})]
    take_in_alerts(store, again, now=NOON, due=WEEK)
    (second,) = (one for one in store.book().cases() if one.is_work)
    draft = closing(store, second)
    (event,) = store.unlanded()
    store.note_landed(event.number, "landing/card-labels/a.csv")
    empty = draft.change.model_copy(update={"transaction_ids": ()})
    store.append([draft.model_copy(update={"change": empty})])
    assert store.unlanded() == []


def test_a_file_may_be_called_anything(tmp_path: Path) -> None:
    file = tmp_path / "what?mode=ro#%41" / "cases 1.sqlite"
    one_case(CaseStore(SqliteDatabase(file)))
    assert file.exists()
    assert len(CaseStore(SqliteDatabase(file)).events()) == 2


def test_who_reads_sees_one_moment(store: CaseStore) -> None:
    case = one_case(store)
    count = "SELECT count(*) FROM case_events"
    with store._database.reading() as run:
        assert run is not None
        assert run(count, ()) == [(2,)]
        store.append([closing(store, case)])
        assert run(count, ()) == [(2,)]
    assert len(store.events()) == 3


def test_labels_wait_until_they_have_landed(store: CaseStore) -> None:
    case = one_case(store)
    (event,) = store.append([closing(store, case)])
    assert store.unlanded() == [event]
    store.note_landed(event.number, "landing/card-labels/a.csv")
    assert store.unlanded() == []


def test_of_two_who_close_at_once_one_wins(url: str) -> None:
    store = CaseStore.at(CaseLocation.parse(url))
    case = one_case(store)
    barrier, errors = threading.Barrier(2), list[str]()

    def work(name: str) -> None:
        mine = CaseStore.at(CaseLocation.parse(url))

        def make(book: Book, case: Case) -> Draft:
            barrier.wait(10)  # Both have read the open case.
            return case_actions.close(book, case, verdict="false", reason="seen", by=name, now=NOON)

        try:
            change_case(mine, case.case_id, make)
        except CaseConflictError as error:
            errors.append(f"{name}: {error}")

    threads = [threading.Thread(target=work, args=(name,)) for name in ("Ada", "Bea")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    winner = store.book().case(case.case_id)
    assert winner is not None
    (told,) = errors
    assert {winner.closed_by, told.split(":")[0]} == {"Ada", "Bea"}
    assert f"closed as false by {winner.closed_by}" in told
    assert len(store.unlanded()) == 1


def test_a_reopened_case_does_not_race_past_one_that_opens_about_the_same(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = one_case(store)
    store.append([closing(store, case)])
    other, appended = CaseStore(store._database), store.append

    def overtaken(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(store, "append", appended)
        take_in_alerts(other, [payment("9")], now=NOON, due=WEEK)
        return appended(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "append", overtaken)
    with pytest.raises(CaseRuleError, match="about the same entity is open; work there"):
        change_case(store, case.case_id, _reopening)
    (open_one,) = (one for one in store.book().cases() if one.is_open)
    assert [one.alert_id for one in open_one.alerts] == ["tx-9"]


def _reopening(book: Book, case: Case) -> Draft:
    return case_actions.reopen(book, case, reason="new facts", by="Ada", now=NOON, due=WEEK)


def test_what_happens_to_other_cases_meanwhile_is_looked_at_and_no_reason_to_refuse(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = one_case(store)
    other, appended = CaseStore(store._database), store.append
    names = iter("abcdefghijkl")

    def overtaken(*arguments: object, **options: object) -> object:
        name = next(names)
        take_in_alerts(other, [payment(name, name)], now=NOON, due=WEEK)
        return appended(*arguments, **options)  # type: ignore[arg-type]

    def make(book: Book, case: Case) -> Draft:
        if len(list(book.cases())) == 5:
            monkeypatch.setattr(store, "append", appended)
        return case_actions.assign(case, to="Ada", by="Bea", now=NOON)

    monkeypatch.setattr(store, "append", overtaken)
    assert change_case(store, case.case_id[:12], make).number == 11
    monkeypatch.setattr(store, "append", overtaken)
    with pytest.raises(CaseConflictError, match="5 times meanwhile; nothing was changed"):
        change_case(
            store,
            case.case_id,
            lambda _, case: case_actions.assign(case, to="Bea", by="Bea", now=NOON),
        )
    assert store.events(case.case_id)[-1].number == 11


def _append_and_hang(url: str, case_id: str) -> None:
    """Begin a transaction that closes a case, and never end it."""
    store = CaseStore.at(CaseLocation.parse(url))
    case = store.book().case(case_id)
    assert case is not None
    with store._database.writing() as run:
        event = closing(store, case).sealed(3, "0" * 64)
        run(
            "INSERT INTO case_events (stream, at, done_by, change, number, before, digest) "
            "VALUES (?, '', '', '', ?, '', '')",
            [event.stream, event.number],
        )
        Path(f"/tmp/hangs-{os.getpid()}").touch()  # noqa: S108 - the test removes it
        time.sleep(60)


def test_a_writer_that_is_killed_leaves_nothing_half_written(url: str) -> None:
    store = CaseStore.at(CaseLocation.parse(url))
    case = one_case(store)
    worker = multiprocessing.get_context("fork").Process(
        target=_append_and_hang, args=(url, case.case_id)
    )
    worker.start()
    sign = Path(f"/tmp/hangs-{worker.pid}")  # noqa: S108 - removed below
    try:
        deadline = time.monotonic() + 20
        while not sign.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
    finally:
        sign.unlink(missing_ok=True)
    assert len(store.events()) == 2
    assert store.problems() == []
    store.append([closing(store, case)], seen={case.case_id: case.version})
    assert len(store.events()) == 3


def test_a_file_is_in_wal_mode(sqlite_url: str) -> None:
    store = CaseStore.at(CaseLocation.parse(sqlite_url))
    one_case(store)
    with store._database.writing() as run:
        assert run("PRAGMA journal_mode", ()) == [("wal",)]
        assert run("PRAGMA synchronous", ()) == [(2,)]


def test_a_writer_that_does_not_end_is_told(url: str) -> None:
    location = CaseLocation.parse(url)
    store = CaseStore.at(location)
    case = one_case(store)
    hasty = CaseStore(
        PostgresDatabase(location, 0.2)
        if location.file is None
        else SqliteDatabase(location.file, 0.2)
    )
    with store._database.writing():
        assert len(hasty.book().streams) == 1  # Readers do not wait.
        with pytest.raises(CaseStoreError, match=r"try again in a moment\. Nothing was changed\."):
            hasty.append([closing(hasty, case)])
    assert len(store.events()) == 2


def test_nobody_changes_the_log(store: CaseStore) -> None:
    one_case(store)
    for statement in (
        "UPDATE case_events SET done_by = 'nobody'",
        "DELETE FROM case_events WHERE number = 1",
    ):
        with (
            pytest.raises(CaseStoreError, match="append-only"),
            store._database.writing() as run,
        ):
            run(statement, ())
    assert len(store.events()) == 2


def test_nobody_empties_the_log_of_a_server(postgres_url: str) -> None:
    store = CaseStore.at(CaseLocation.parse(postgres_url))
    one_case(store)
    with pytest.raises(CaseStoreError, match="append-only"), store._database.writing() as run:
        run("TRUNCATE case_events", ())
    assert len(store.events()) == 2


def test_what_a_driver_tells_of_a_password_is_not_repeated() -> None:
    location = CaseLocation.parse("postgresql://ada:s3%40cret@db.example/cases")
    told = PostgresDatabase(location)._told(Exception("cannot use s3@cret for ada\n"))
    assert told == "cannot use <secret> for ada; check FRAUD_CASES_URL and the server"


def test_a_log_that_was_changed_all_the_same_is_found(sqlite_url: str) -> None:
    store = CaseStore.at(CaseLocation.parse(sqlite_url))
    one_case(store)
    connection = sqlite3.connect(store.place)
    connection.execute("DROP TRIGGER case_events_no_update")
    connection.execute("UPDATE case_events SET done_by = 'nobody' WHERE number = 2")
    connection.commit()
    (problem,) = store.problems()
    assert problem.startswith("event 2 of the case store ")
    connection.execute("UPDATE case_events SET done_by = 'intake' WHERE number = 2")
    connection.execute("UPDATE case_streams SET body = replace(body, 'new', 'assigned')")
    connection.commit()
    connection.close()
    (problem,) = store.problems()
    assert "is not what its events give" in problem


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    file = tmp_path / "cases.sqlite"
    file.write_text("account ids, no database" * 100)
    store = CaseStore(SqliteDatabase(file))
    with pytest.raises(CaseStoreError, match="the file is damaged; put it back from a copy"):
        store.book()
    with pytest.raises(CaseStoreError, match="put it back from a copy"):
        take_in_alerts(store, [payment("1")], now=NOON, due=WEEK)
    assert file.read_text().startswith("account ids")


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    store = CaseStore(SqliteDatabase(tmp_path / "taken" / "cases.sqlite"))
    with pytest.raises(CaseStoreError, match=r"cannot write the case store .*taken/cases.sqlite"):
        take_in_alerts(store, [payment("1")], now=NOON, due=WEEK)


def test_a_store_of_a_later_release_is_left_alone(store: CaseStore) -> None:
    one_case(store)
    with store._database.writing() as run:
        run("UPDATE case_format SET format = 2", ())
    for look in (store.book, store.events, store.unlanded):
        with pytest.raises(CaseStoreError, match="a format that this release does not know"):
            look()


def test_no_error_shows_the_password(postgres_url: str) -> None:
    wrong = [
        postgres_url.replace("pass%40", "wrong%40"),
        re.sub(r":\d+/", ":1/", postgres_url),
        postgres_url.rpartition("/")[0] + "/nowhere",
        postgres_url + "?sslmode=nonsense",
        postgres_url + "?no_such_option=1",
    ]
    for address in wrong:
        store = CaseStore.at(CaseLocation.parse(address))
        with pytest.raises(CaseStoreError) as caught:
            store.book()
        told = f"{caught.value} {caught.value!r} {store.place}"
        assert "postgresql://analyst@127.0.0.1:" in told
        assert PASSWORD not in told
        assert "word%2F" not in told
        assert caught.value.__cause__ is None


def test_a_connection_that_breaks_before_the_answer_promises_nothing(postgres_url: str) -> None:
    store = CaseStore.at(CaseLocation.parse(postgres_url))
    one_case(store)
    with pytest.raises(CaseStoreError, match="kept whole or not at all; look before") as caught:
        _write_and_be_cut_off(store)
    assert "Nothing was changed" not in str(caught.value)
    assert caught.value.__cause__ is None
    # The next one connects anew.
    assert len(store.events()) == 2


def _write_and_be_cut_off(store: CaseStore) -> None:
    with store._database.writing() as run:
        ((mine,),) = run("SELECT pg_backend_pid()", ())
        with store._database.reading() as other:
            assert other is not None
            other("SELECT pg_terminate_backend(?)", [mine])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sqlite:///var/lib/cases.sqlite", "/var/lib/cases.sqlite"),
        ("postgresql://ada:secret@db.example:5433/cases?sslmode=require", None),
        ("postgres://db.example/cases", "postgresql://db.example/cases"),
    ],
)
def test_where_a_store_may_be(text: str, shown: str | None) -> None:
    expected = shown or "postgresql://ada@db.example:5433/cases"
    assert str(CaseLocation.parse(text)) == expected
    assert "secret" not in repr(CaseLocation.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cases.sqlite",
        "sqlite://relative.sqlite",
        "sqlite:///folder/",
        "mysql://u:secret@h/d",
        "postgresql://u:secret@host",
        "postgresql://u:secret@:5432/db",
        "postgresql://u:secret@host:port/db",
        # The driver would read all behind the first @ as the server's name, and tell it.
        "postgresql://u:p@secret@host/db",
        "postgresql://u:secret%zz@host/db",
        "postgresql://u:secret%00@host/db",
    ],
)
def test_where_a_store_may_not_be(text: str) -> None:
    with pytest.raises(ValueError, match="expected sqlite:///") as caught:
        CaseLocation.parse(text)
    assert "secret" not in str(caught.value)


def test_an_address_needs_a_server() -> None:
    with pytest.raises(ValueError, match="needs an address"):
        PostgresDatabase(CaseLocation(Path("x")))
    assert CaseLocation(None, SecretStr("postgresql://h/d")).password is None


def test_a_list_is_looked_at_anew_after_whoever_was_first(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(book: Book) -> Draft:
        until = NOON + WEEK
        return put_on_list(book, entity("x"), "allowed", until=until, by="B", reason="r", now=NOON)

    other, appended = CaseStore(store._database), store.append

    def overtaken(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(store, "append", appended)
        change_lists(other, put)
        return appended(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "append", overtaken)
    with pytest.raises(CaseRuleError, match="it is allowed until 2024-03-09 12:00 UTC already"):
        change_lists(store, put)
    assert len(store.entries()) == 1
