"""`fraud-assets cases`: what an analyst reads and decides in a terminal."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fraud_assets.case_work import take_in_alerts
from fraud_assets.cli import main
from resources.case_settings import STORE_FILE
from resources.case_sqlite import SqliteDatabase
from resources.case_store import CaseStore
from resources.errors import LakeUnavailableError
from resources.settings import Settings
from resources.versions import Versions
from tests.cases.made_alerts import NOON, WEEK, payment, ring
from tests.cases.made_lake import made, paid, published

Cli = Callable[..., Result]
ACCOUNT = "1111222233334444"


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    """Two cases: one of an account with two payments, one of a ring."""
    store = CaseStore(SqliteDatabase(tmp_path / "lake" / STORE_FILE))
    alerts = [
        payment("T-1", ACCOUNT, loss=70.0, reasons=(("EMPTIES_ACCOUNT", 1.0),)),
        payment("T-2", ACCOUNT, loss=30.0),
        ring("r", ("T-8", "T-9"), score=0.02, accounts=(ACCOUNT, "5555666677778888")),
    ]
    take_in_alerts(store, alerts, now=NOON, due=WEEK)
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


def id_of(cases: Cli, about: str) -> str:
    listed = json.loads(cases("list", "--json").stdout)["cases"]
    (found,) = [one["case_id"] for one in listed if one["about"] == about]
    return str(found)


def test_the_list_stands_in_the_order_of_work_and_is_masked(cases: Cli, store: CaseStore) -> None:
    lines = cases("list").stdout.splitlines()
    assert lines[0].split() == [
        *("case", "state", "about", "loss", "alerts"),
        *("age", "due", "assignee", "reasons"),
    ]
    assert "card …4444" in lines[1]
    assert "100.00" in lines[1]
    assert lines[1].endswith("EMPTIES_ACCOUNT, ANOMALY_HIGH")
    assert "2024-03-09 12:00 OVERDUE" in lines[1]
    assert "card r" in lines[2]
    assert len(lines) == 3
    assert ACCOUNT not in "".join(lines)
    (first, _) = json.loads(cases("list", "--json").stdout)["cases"]
    assert first["reasons"] == {"EMPTIES_ACCOUNT": 0.7, "ANOMALY_HIGH": 0.3}
    assert first["overdue"] is True
    assert ACCOUNT not in cases("list", "--json").stdout


def test_filters(cases: Cli, store: CaseStore) -> None:
    cases("assign", id_of(cases, "ring"), "--to", "Ada", "--by", "Bea")
    for arguments, count in (
        (["--state", "new"], 1),
        (["--state", "assigned"], 1),
        (["--assignee", "Ada"], 1),
        (["--assignee", "Bea"], 0),
        (["--feed", "card", "--overdue"], 2),
        (["--feed", "aml"], 0),
        (["--limit", "1"], 1),
        (["--state", "all"], 2),
        (["--state", "closed"], 0),
    ):
        listed = json.loads(cases("list", "--json", *arguments).stdout)["cases"]
        assert len(listed) == count, arguments
    assert cases("list", "--feed", "aml").stdout.startswith("No such case in ")
    unknown = cases("list", "--feed", "nosuch")
    assert unknown.exit_code == 2
    assert "there is no feed 'nosuch'; known feeds: aml, card, paysim, sim" in unknown.stderr


def test_whole_account_ids_only_where_asked_for(cases: Cli, store: CaseStore) -> None:
    name = id_of(cases, "entity")
    masked = cases("show", name[:9])
    assert masked.exit_code == 0
    assert "account card …4444, new" in masked.stdout
    assert "transactions: T-1" in masked.stdout
    assert "70%  EMPTIES_ACCOUNT: " in masked.stdout
    assert "3  2024-03-02 12:00  intake: opened" in masked.stdout
    assert ACCOUNT not in masked.stdout
    assert f"card:customer:{ACCOUNT}" in cases("show", name, "--full").stdout
    assert ACCOUNT not in cases("show", name, "--json").stdout
    told = json.loads(cases("show", name, "--json", "--full").stdout)
    assert told["subject"] == f"card:customer:{ACCOUNT}"
    assert [one["what"] for one in told["log"]] == ["opened", "alert_joined", "alert_joined"]


def test_a_case_from_its_assignment_to_its_labels_and_back(
    cases: Cli, store: CaseStore, tmp_path: Path
) -> None:
    name = id_of(cases, "entity")
    assert (
        cases("assign", name, "--to", "Ada", "--by", "Bea").stdout == f"{name} is assigned to Ada\n"
    )
    assert cases("escalate", name, "--by", "Ada", "--reason", "large").exit_code == 0
    done = cases(
        *("close", name, "--verdict", "confirmed", "--by", "Ada", "--reason", "denied"),
        *("--transactions", "T-2"),
    )
    assert done.exit_code == 0
    number = store.events(name)[-1].number
    assert done.stdout == (
        f"{name} is closed as confirmed\nlanding/card-labels/{name}-{number}.csv\n"
    )
    landed = (tmp_path / "lake" / f"landing/card-labels/{name}-{number}.csv").read_text()
    assert landed.splitlines()[1].startswith("T-2,fraud,20")
    again = cases("close", name, "--verdict", "false", "--by", "Bea", "--reason", "no")
    assert again.exit_code == 1
    assert f"{name} was closed as confirmed by Ada on " in again.stderr
    assert cases("reopen", name, "--by", "Bea", "--reason", "new facts").exit_code == 0
    assert "assigned, escalated" in cases("show", name).stdout
    case = store.book().case(name)
    assert case is not None
    stale = cases("assign", name, "--to", "Cyd", "--by", "Bea", "--seen", f"{case.version - 1}")
    assert stale.exit_code == 1
    assert f"it has version {case.version} now; nothing was changed" in stale.stderr
    assert (
        cases("assign", name, "--to", "Cyd", "--by", "B", "--seen", f"{case.version}").exit_code
        == 0
    )
    assert cases("verify").stdout.endswith("events, none changed\n")


def test_no_reason_looks_like_a_line_of_the_log(cases: Cli, store: CaseStore) -> None:
    name = id_of(cases, "entity")
    forged = "large\n  9  2024-03-02 12:00  Cyd: closed as false"
    cases("escalate", name, "--by", "Ada", "--reason", forged)
    cases("close", name, "--verdict", "unsure", "--by", "Ada", "--reason", forged)
    why = ("--until", "2090-01-01", "--by", "Ada", "--reason", forged)
    cases("suppress", "card:customer:77", *why)
    shown = [*cases("show", name).stdout.splitlines(), *cases("suppressions").stdout.splitlines()]
    assert sum("Cyd" in line for line in shown) == 4
    assert not any(line.startswith("  9") for line in shown)
    assert "  because: large 9 2024-03-02 12:00 Cyd: closed as false" in shown


def test_what_is_refused(cases: Cli, store: CaseStore) -> None:
    name = id_of(cases, "entity")
    why = ("--by", "Ada", "--reason", "x")
    for arguments, status, words in (
        (["show", "case-f00"], 1, "there is no case case-f00"),
        (["show", "case-"], 1, "2 cases have an id that begins with case-; give more of it"),
        (["close", name, "--verdict", "maybe", *why], 2, "'maybe' is not one of"),
        (["close", name, "--verdict", "false", "--by", " ", "--reason", "x"], 1, "a name must not"),
        (["close", name, "--verdict", "false", "--by", "A", "--reason", " "], 1, "a reason must"),
        (
            ["close", name, "--verdict", "false", *why, "--transactions", "T-1,T-77777"],
            1,
            "has no transaction …777",
        ),
        (["reopen", name, *why], 1, "is new, not closed"),
        (["suppress", name, "--until", "soon", *why], 2, "'soon' is no date"),
        (["suppress", name, "--until", "2024-03-01", *why], 1, "is over already"),
        (["suppress", "card:", "--until", "2090-01-01", *why], 2, "feed:entity:id"),
        (["lift", "list-0", *why], 1, "no list entries"),
        (["restore"], 1, "the lake has no table of cases yet"),
    ):
        refused = cases(*arguments)
        assert (refused.exit_code, words in refused.stderr) == (status, True), refused.stderr
    assert len(store.events()) == 5


def test_lists(cases: Cli, store: CaseStore) -> None:
    why = ("--until", "2090-01-01", "--by", "Ada", "--reason", "on holiday")
    assert cases("suppress", id_of(cases, "entity"), *why).stdout.endswith(
        "is in force until 2090-01-01 00:00 UTC\n"
    )
    again = cases("suppress", f"card:customer:{ACCOUNT}", *why)
    assert again.exit_code == 1
    assert "it is suppressed until 2090-01-01 00:00 UTC already, by Ada" in again.stderr
    assert cases("allow", "card:terminal:9", *why).exit_code == 0
    told = cases("suppressions").stdout
    assert "suppressed  card …4444  until 2090-01-01 00:00  0 alerts passed over  Ada:" in told
    assert ACCOUNT not in told
    take_in_alerts(store, [payment("T-3", ACCOUNT)], now=NOON, due=WEEK)
    first, second = json.loads(cases("suppressions", "--json").stdout)["entries"]
    assert (first["passed_over"], second["passed_over"]) == (1, 0)
    assert cases("lift", first["entry_id"], "--by", "B", "--reason", "back").exit_code == 0
    assert cases("lift", first["entry_id"], "--by", "B", "--reason", "back").exit_code == 1
    first, second = json.loads(cases("suppressions", "--json").stdout)["entries"]
    assert (first["in_force"], second["in_force"]) == (False, True)


def test_a_lost_store_comes_back(cases: Cli, store: CaseStore, tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path / "lake"))
    published(settings, paid("t1"))
    assert made(settings).success
    number = store.book().number
    (tmp_path / "lake" / STORE_FILE).unlink()
    restored = cases("restore")
    assert restored.stdout == f"{number} events came back from alerts/cases@1\n"
    assert store.book().number == number
    assert cases("restore").stdout == "0 events came back from alerts/cases@1\n"


@pytest.mark.parametrize("begins_anew", [False, True])
def test_a_lost_store_is_refused_by_every_command(
    cases: Cli,
    store: CaseStore,
    tmp_path: Path,
    begins_anew: bool,  # noqa: FBT001 - the column of the table above
) -> None:
    settings = Settings(lake=str(tmp_path / "lake"))
    published(settings, paid("t1"))
    assert made(settings).success
    file = tmp_path / "lake" / STORE_FILE
    file.unlink()
    if begins_anew:
        take_in_alerts(store, [payment("1")], now=NOON, due=WEEK)
    before, why = store.book().number, ("--by", "A", "--reason", "r")
    for arguments in (
        ["list"],
        ["suppressions"],
        ["verify"],
        ["show", "case-1"],
        ["assign", "case-1", "--to", "A", "--by", "B"],
        ["escalate", "case-1", *why],
        ["close", "case-1", "--verdict", "false", *why],
        ["reopen", "case-1", *why],
        ["suppress", "card:customer:1", "--until", "2090-01-01", *why],
        ["allow", "card:customer:1", "--until", "2090-01-01", *why],
        ["lift", "list-1", *why],
    ):
        refused = cases(*arguments)
        assert refused.exit_code == 1
        assert "is not the one that alerts/cases@1 was made of" in refused.stderr, arguments
        assert "`fraud-assets cases restore`" in refused.stderr
    assert store.book().number == before
    assert file.exists() is begins_anew


def test_a_lake_that_is_away_stops_no_decision_but_lets_no_log_begin(
    cases: Cli, store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = id_of(cases, "entity")

    def away(*_: object) -> list[int]:
        raise LakeUnavailableError("the lake is away")

    monkeypatch.setattr(Versions, "all_numbers", away)
    assert cases("assign", name, "--to", "Ada", "--by", "Bea").exit_code == 0
    (tmp_path / "lake" / STORE_FILE).unlink()
    refused = cases("list")
    assert (refused.exit_code, refused.stderr) == (1, "Error: the lake is away\n")


def test_a_store_that_is_away_is_told(cases: Cli, tmp_path: Path) -> None:
    assert cases("list").stdout.startswith("No such case in ")
    assert not (tmp_path / "lake").exists()
    refused = cases("list", FRAUD_LAKE="s3://bucket/lake")
    assert refused.exit_code == 1
    assert "set FRAUD_CASES_URL to a database" in refused.stderr


def test_a_locked_store_is_told_and_nothing_is_lost(
    cases: Cli, store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = id_of(cases, "entity")
    monkeypatch.setattr(SqliteDatabase.__init__, "__defaults__", (0.05,))
    other = sqlite3.connect(store.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    refused = cases("close", name, "--verdict", "false", "--by", "Ada", "--reason", "x")
    assert refused.exit_code == 1
    assert "another process works on it; try again in a moment" in refused.stderr
    other.execute("ROLLBACK")
    other.close()
    assert len(store.events()) == 5
