"""`fraud-assets cases`: what a person decides in a terminal is what is kept, and no more."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from fraud_assets.case_command import moment_of
from fraud_assets.case_work import take_in_alerts
from fraud_assets.cli import main
from gpu_ops.case_model import Case
from resources.case_settings import STORE_FILE
from resources.case_sqlite import SqliteDatabase
from resources.case_store import CaseStore
from resources.lake import Lake
from tests.cases.made_alerts import NOON, WEEK, payment

Cli = Callable[..., Result]
WHY = ("--by", "Ada", "--reason", "denied")


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    """One case with two payments."""
    store = CaseStore(SqliteDatabase(tmp_path / "lake" / STORE_FILE))
    take_in_alerts(store, [payment("T-1"), payment("T-2")], now=NOON, due=WEEK)
    return store


@pytest.fixture
def cases(tmp_path: Path) -> Cli:
    def call(*arguments: str, **more: str) -> Result:
        environment = {"FRAUD_LAKE": str(tmp_path / "lake"), **more}
        result = CliRunner().invoke(main, ["cases", *arguments], env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


def only(store: CaseStore) -> Case:
    (case,) = store.book().cases()
    return case


def test_the_list_holds_what_is_open_unless_asked_for_more(cases: Cli, store: CaseStore) -> None:
    first = only(store).case_id
    cases("close", first, "--verdict", "false", *WHY)
    take_in_alerts(store, [payment("T-3")], now=NOON, due=WEEK)

    def listed(*arguments: str) -> list[str]:
        told = json.loads(cases("list", "--json", *arguments).stdout)["cases"]
        return [one["state"] for one in told]

    assert listed() == ["new"]
    assert listed("--state", "closed") == ["closed"]
    assert listed("--state", "all") == ["new", "closed"]
    (second,) = (one.case_id for one in store.book().cases() if one.is_open)
    # What an earlier case was closed as is part of the words.
    shown = " ".join(cases("show", second).stdout.split())
    assert f"Earlier: {first} (false, closed on 20" in shown


def test_a_case_is_escalated_to_somebody(cases: Cli, store: CaseStore) -> None:
    assert cases("escalate", "case-", *WHY, "--to", "Cyd").stdout.endswith(" is escalated\n")
    assert (only(store).escalated, only(store).assignee) == (True, "Cyd")


def test_what_was_changed_since_it_was_seen_is_not_decided(cases: Cli, store: CaseStore) -> None:
    case = only(store)
    cases("assign", case.case_id, "--to", "Ada", "--by", "Bea")
    close = ("close", "case-", "--verdict", "false", *WHY)
    for arguments in (close, ("escalate", "case-", *WHY)):
        refused = cases(*arguments, "--seen", f"{case.version}")
        assert refused.exit_code == 1
        assert f"was changed since version {case.version}, it has version " in refused.stderr
        assert only(store).version == case.version + 1
    seen = f"{only(store).version}"
    assert cases(*close, "--seen", seen).exit_code == 0
    refused = cases("reopen", "case-", *WHY, "--seen", seen)
    assert (refused.exit_code, only(store).state) == (1, "closed")


def test_naming_no_transaction_is_not_naming_all(cases: Cli, store: CaseStore) -> None:
    refused = cases("close", "case-", "--verdict", "confirmed", *WHY, "--transactions", " , ")
    assert refused.exit_code == 1
    assert "name at least one transaction, or none at all for the evidence" in refused.stderr
    assert only(store).state == "new"


def test_a_reopened_case_is_due_anew(cases: Cli, store: CaseStore) -> None:
    cases("close", "case-", "--verdict", "unsure", *WHY)
    before = datetime.now(UTC)
    assert cases("reopen", "case-", *WHY, FRAUD_CASE_DUE_DAYS="3").exit_code == 0
    assert timedelta(0) <= only(store).due_at - before - timedelta(days=3) < timedelta(minutes=1)


def test_labels_that_cannot_land_are_told_and_the_case_stays_closed(
    cases: Cli, store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "put_file", full)
        closed = cases("close", "case-", "--verdict", "confirmed", *WHY)
    case = only(store)
    assert closed.exit_code == 1
    assert closed.stdout == f"{case.case_id} is closed as confirmed\n"
    assert closed.stderr == (
        f"Error: the labels of {case.case_id} wait: [Errno 28] No space left on device; the next "
        "closing or run lands them\n"
    )
    assert case.state == "closed"
    take_in_alerts(store, [payment("T-9", "bea")], now=NOON, due=WEEK)
    (other,) = (one.case_id for one in store.book().cases() if one.is_open)
    landed = cases("close", other, "--verdict", "false", *WHY).stdout.splitlines()
    assert len(landed) == 3
    assert landed[1].startswith(f"landing/card-labels/{case.case_id}-")
    assert landed[2].startswith(f"landing/card-labels/{other}-")
    assert (tmp_path / "lake" / landed[1]).is_file()


def test_labels_land_for_a_feed_of_ones_own(cases: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "feeds"
    folder.mkdir()
    shop = (Path(__file__).parents[2] / "fraud_assets" / "feeds" / "card.yaml").read_text()
    (folder / "shop.yaml").write_text(shop.replace("name: card", "name: shop", 1))
    store = CaseStore(SqliteDatabase(tmp_path / "lake" / STORE_FILE))
    alert = payment("T-1")
    own = alert.model_copy(
        update={"subject": alert.subject.model_copy(update={"feed": "shop", "name": "shop:a:1"})}
    )
    take_in_alerts(store, [own], now=NOON, due=WEEK)
    closed = cases("close", "case-", "--verdict", "confirmed", *WHY, FRAUD_FEEDS_DIR=f"{folder}")
    assert closed.exit_code == 0, closed.stderr
    assert "landing/shop-labels/" in closed.stdout
    # Its cases are found after its definition has gone, too.
    found = cases("list", "--feed", "shop", "--state", "all")
    assert (found.exit_code, found.stdout.count("case-")) == (0, 1)


def test_a_store_that_was_tampered_with_is_told(cases: Cli, store: CaseStore) -> None:
    import sqlite3

    with sqlite3.connect(store.place) as connection:
        connection.execute("UPDATE case_streams SET body = replace(body, '\"new\"', '\"closed\"')")
    connection.close()
    told = cases("verify")
    assert told.exit_code == 1
    assert f"{only(store).case_id} in the case store" in told.stderr


def test_who_is_put_on_which_list(cases: Cli, store: CaseStore) -> None:
    assert cases("suppressions").stdout == "The lists are empty.\n"
    until = ("--until", "2090-01-01", *WHY)
    no_node = "name an account as feed:entity:id, or a case"
    for wrong, words in (
        *((one, no_node) for one in ("card:customer:", "card::7", ":customer:7", "card:7")),
        # In force, such an entry would cover nothing.
        ("cards:customer:7", "there is no feed 'cards'; known feeds: "),
        ("card:account:7", "card has no 'account'; its accounts are card:ENTITY:ID with customer"),
    ):
        refused = cases("suppress", wrong, *until)
        assert refused.exit_code == 2, wrong
        assert words in " ".join(refused.stderr.split()), wrong
    assert cases("suppress", "card:customer:7", *until).exit_code == 0
    assert cases("allow", "card:terminal:9", *until).exit_code == 0
    assert {one.subject.name: one.list_kind for one in store.book().entries()} == {
        "card:customer:7": "suppressed",
        "card:terminal:9": "allowed",
    }


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock is not in UTC."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        (" 2026-12-31T18:00 ", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+01:00", datetime(2026, 12, 31, 17, tzinfo=UTC)),
    ],
)
def test_a_moment_is_utc_unless_it_names_a_zone(text: str, moment: datetime) -> None:
    assert moment_of(text) == moment


def test_what_is_no_moment_is_refused() -> None:
    # The last two are none in UTC.
    for text in ("31.12.2026", "", "0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"):
        with pytest.raises(
            click.UsageError, match=r"is no date; write 2026-12-31 or 2026-12-31T18"
        ):
            moment_of(text)
