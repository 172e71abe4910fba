"""The raw layer: every received row is accepted, a duplicate, or in quarantine, and stays so."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from dagster import AssetCheckKey, AssetKey, DagsterEventType

from fraud_assets import layers, raw
from fraud_assets.feeds import ReadResult, read_upload

if TYPE_CHECKING:
    from tests.assets.conftest import Outcome, Project, ProjectOf

HEADER = "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id,is_fraud"


def csv(*lines: str) -> str:
    return "\n".join([HEADER, *lines]) + "\n"


def ordinary(first: int, last: int) -> list[str]:
    """Rows `o-<n>` on 2026-03-<n>, that nothing is wrong with."""
    return [
        f"o-{n},2026-03-{n:02d}T08:00:00Z,payment,{n}.50,EUR,ann,shop,false"
        for n in range(first, last)
    ]


# Out of order in time; o-1 twice with another amount; one amount that is none.
MIXED = csv(
    "x-late,2026-03-30T10:00:00Z,transfer,99.00,EUR,ann,bob,true",
    *ordinary(1, 20),
    "o-1,2026-03-01T08:00:00Z,payment,777.00,EUR,ann,shop,false",
    "x-bad,2026-03-21T10:00:00Z,transfer,many,EUR,ann,bob,false",
    "x-early,2026-02-27T10:00:00Z,transfer,1.00,EUR,ann,bob,",
)


def figures(project: "Project", key: str) -> dict[str, object]:
    extra = project.manifest("raw_transactions", key).extra
    return {name: extra[name] for name in ("received", "accepted", "duplicate", "quarantined")}


def test_rows_are_accepted_once_typed_and_in_order_of_time(project: "Project") -> None:
    key = project.land(MIXED, "mixed.csv")
    outcome = project.make("raw_transactions", key)
    assert outcome.success
    assert figures(project, key) == {
        "received": 23,
        "accepted": 21,
        "duplicate": 1,
        "quarantined": 1,
    }
    table = project.table("raw_transactions", key)
    ids = [f"o-{n}" for n in range(1, 20)]
    assert table["transaction_id"].to_list() == ["x-early", *ids, "x-late"]
    assert table["source_row"].to_list() == [23, *range(2, 21), 1]
    assert table["source_file"].unique().to_list() == ["mixed.csv"]
    assert table["amount"].to_list() == [1.0, *(n + 0.5 for n in range(1, 20)), 99.0]
    assert table.row(0, named=True) == {
        "transaction_id": "x-early",
        "occurred_at": datetime(2026, 2, 27, 10, tzinfo=UTC),
        "kind": "transfer",
        "amount": 1.0,
        "currency": "EUR",
        "payer_id": "ann",
        "payee_id": "bob",
        "payer_balance_before": None,
        "payee_balance_before": None,
        "is_fraud": None,
        "label_known_at": None,
        "source_file": "mixed.csv",
        "source_row": 23,
    }
    # The feed gives a label a day to become known.
    assert table["label_known_at"].to_list()[-1] == datetime(2026, 3, 31, 10, tzinfo=UTC)


def test_a_bad_row_is_kept_with_its_row_and_column_and_shown_masked(project: "Project") -> None:
    key = project.land(MIXED, "mixed.csv")
    outcome = project.make("raw_transactions", key)
    manifest = project.versions.latest(layers.quarantine_slot("sim", key))
    assert manifest is not None
    (row,) = project.versions.scan(manifest).collect().iter_rows(named=True)
    assert (row["file"], row["row"], row["column"]) == ("mixed.csv", 22, "amount")
    told = outcome.metadata["raw_transactions"]
    assert [told[name].value for name in ("received", "accepted", "duplicate", "quarantined")] == [
        23,
        21,
        1,
        1,
    ]
    assert "| amount |" in str(told["quarantine"].value)
    assert told["dagster/row_count"].value == 21


def test_a_transaction_belongs_to_the_upload_that_brought_it_first(project: "Project") -> None:
    first = project.land(csv(*ordinary(1, 5)), "first.csv")
    second = project.land(csv(*ordinary(3, 8)), "second.csv")
    project.must("raw_transactions", key=first)
    project.must("raw_transactions", key=second)
    assert figures(project, second) == {
        "received": 5,
        "accepted": 3,
        "duplicate": 2,
        "quarantined": 0,
    }
    # The first keeps its own rows when it is made again after the second.
    project.must("raw_transactions", key=first)
    assert project.table("raw_transactions", first)["transaction_id"].to_list() == [
        "o-1",
        "o-2",
        "o-3",
        "o-4",
    ]
    assert project.table("raw_transactions", second)["transaction_id"].to_list() == [
        "o-5",
        "o-6",
        "o-7",
    ]


def test_the_same_id_in_another_feed_is_another_transaction(project: "Project") -> None:
    ours = project.land(csv(*ordinary(1, 5)), "ours.csv")
    project.must("raw_transactions", key=ours)
    theirs = project.land(
        "TRANSACTION_ID,TX_DATETIME,TX_AMOUNT,CUSTOMER_ID,TERMINAL_ID,TX_FRAUD\n"
        "o-1,2026-03-01 08:00:00,1.5,5,6,0\n",
        "theirs.csv",
        feed="card",
    )
    project.must("raw_transactions", key=theirs)
    assert figures(project, theirs)["accepted"] == 1


def test_making_an_upload_again_changes_nothing(project: "Project") -> None:
    key = project.land(MIXED, "mixed.csv")
    project.must("raw_transactions", key=key)
    before = project.manifest("raw_transactions", key)
    project.must("raw_transactions", key=key)
    after = project.manifest("raw_transactions", key)
    assert after == before
    slot = layers.upload_slot("raw_transactions", "sim", key)
    assert project.versions.all_numbers(slot) == [1]
    folders = {
        one.key.split("/attempt=")[1].split("/")[0]
        for one in project.lake.list(slot.prefix)
        if "/attempt=" in one.key
    }
    assert folders == {before.attempt}


def test_a_refused_file_leaves_everything_else_alone(project: "Project") -> None:
    good = project.land(csv(*ordinary(1, 5)), "good.csv")
    project.must("raw_transactions", key=good)
    bad = project.land("nothing,of,use\n1,2,3\n", "bad.csv")
    outcome = project.make("raw_transactions", bad)
    assert not outcome.success
    assert outcome.reason.startswith("bad.csv was refused: ")
    refusal = project.uploads.refusal(bad)
    assert refusal is not None
    assert refusal.reason in outcome.reason
    states = project.states()
    assert (states[bad].state, states[good].state) == ("refused", "waiting")
    assert project.versions.latest(layers.upload_slot("raw_transactions", "sim", bad)) is None
    assert project.table("raw_transactions", good).height == 4


def test_a_file_that_a_mended_feed_accepts_is_refused_no_more(project: "Project") -> None:
    key = project.land(csv(*ordinary(1, 5)), "good.csv")
    project.uploads.record_refusal(key, "an earlier feed had no such kind", "another digest")
    project.must("raw_transactions", key=key)
    assert project.uploads.refusal(key) is None


def test_an_upload_whose_feed_is_gone_says_what_to_put_back(
    project_of: "ProjectOf", tmp_path: Path
) -> None:
    folder = tmp_path / "own feeds"
    folder.mkdir()
    shipped = resources.files("fraud_assets.feeds").joinpath("sim.yaml").read_text("utf-8")
    (folder / "mine.yaml").write_text(shipped.replace("name: sim", "name: mine"), "utf-8")
    key = project_of(feeds_dir=folder).land(csv(*ordinary(1, 5)), "week.csv", feed="mine")
    project_of(feeds_dir=folder).must("raw_transactions", key=key)
    outcome = project_of().make("raw_transactions", key)
    assert "there is no feed 'mine' here; known feeds: aml, card, paysim, sim" in outcome.reason


def test_an_upload_of_known_rows_alone_goes_all_the_way(project: "Project") -> None:
    lines = [
        line.replace("2026-03-", f"2026-{month:02d}-").replace("o-", f"o{month}-")
        for month in (1, 2, 3)
        for line in ordinary(1, 29)
    ]
    project.ingest(csv(*lines), "first.csv")
    again = project.ingest(csv(*lines[5:9]), "again.csv")
    assert figures(project, again) == {
        "received": 4,
        "accepted": 0,
        "duplicate": 4,
        "quarantined": 0,
    }
    assert project.table("augmented_transactions", again).height == 0
    assert project.states()[again].state == "accepted"
    outcome = project.run("refresh_alerts")
    assert outcome.success, outcome.reason


def _failed_check(outcome: "Outcome") -> tuple[str, int]:
    found = outcome.checks["raw_transactions", "received_is_accounted_for"]
    assert not found.passed
    assert found.blocking
    return str(found.metadata["version"].value), int(str(found.metadata["received"].value))


def test_a_lost_row_blocks_the_version_and_the_last_good_one_stays(
    project: "Project", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = project.land(csv(*ordinary(1, 20)), "week.csv")
    project.must("raw_transactions", key=key)
    before = project.manifest("raw_transactions", key)
    whole = read_upload

    def lossy_reader(*arguments: object, **options: object) -> ReadResult:
        read = whole(*arguments, **options)  # type: ignore[arg-type] # passed on
        return replace(read, table=read.table.head(read.rows - 1))

    monkeypatch.setattr(raw, "read_upload", lossy_reader)
    outcome = project.make("raw_transactions", key)
    assert not outcome.success
    assert "the last good version stays visible" in outcome.reason
    assert "18 of 19 received rows are accounted for" in outcome.reason
    assert project.manifest("raw_transactions", key) == before
    assert project.table("raw_transactions", key).height == 19

    rejected, received = _failed_check(outcome)
    assert rejected == f"{before.slot}/attempt={outcome.run_id}"
    assert received == 19
    # The log of the instance tells it to whoever looks later, and no materialization came after.
    check = AssetCheckKey(AssetKey("raw_transactions"), "received_is_accounted_for")
    (record,) = project.instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert record.run_id == outcome.run_id
    assert record.status.value == "FAILED"
    assert (
        project.instance.get_records_for_run(
            outcome.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION
        ).records
        == []
    )


def test_a_row_that_breaks_the_contract_blocks_the_first_version_too(
    project: "Project", monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = read_upload

    def careless(*arguments: object, **options: object) -> ReadResult:
        read = whole(*arguments, **options)  # type: ignore[arg-type] # passed on
        return replace(read, table=read.table.with_columns(amount=pl.lit(-1.0)))

    monkeypatch.setattr(raw, "read_upload", careless)
    key = project.land(csv(*ordinary(1, 5)), "week.csv")
    outcome = project.make("raw_transactions", key)
    assert not outcome.success
    assert outcome.checks["raw_transactions", "contract"].metadata["violations"].value == 4
    assert project.versions.latest(layers.upload_slot("raw_transactions", "sim", key)) is None
