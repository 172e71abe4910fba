"""Graph and alerts: one generation of everything, each alert published exactly once."""

import json
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fraud_assets import layers, published
from fraud_assets.refresh import DIGEST
from resources.notifier import Outbox

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Rows, Trained

IDENTITY = ["alert_id", "rank", "event_day", "explanation", "published_in"]
GRAPHS = ("account_graph", "account_features", "fraud_rings")


@pytest.fixture
def copy(trained: "Trained", copy_of: "ProjectOf") -> "Project":
    """The trained project before its first refresh, to be changed at will."""
    return copy_of(trained.project)


@pytest.fixture(scope="module")
def bursts(rows: "Rows") -> pl.DataFrame:
    """Three payers who each make seven payments to different payees within an hour."""
    return rows(
        *(
            {
                "transaction_id": f"burst-{payer}-{number}",
                "hours": payer + number * 0.1,
                "amount": 20.0 + payer,
                "payer_id": f"payer-{payer}",
                "payee_id": f"payee-{payer}-{number}",
            }
            for payer in range(3)
            for number in range(7)
        )
    )


@pytest.fixture(scope="module")
def scored(bursts: pl.DataFrame, session_project_of: "ProjectOf") -> "Project":
    """A project without a model in which the bursts are scored; read-only."""
    project = session_project_of("bursts")
    project.ingest(bursts, "bursts.parquet")
    return project


@pytest.fixture
def alerting(scored: "Project", copy_of: "ProjectOf") -> "Project":
    """The same, to be changed at will; five alerts a day."""
    return copy_of(scored)


def told(project: "Project") -> Counter[str]:
    """How often each alert stands in the outbox."""
    keys = [info.key for info in project.lake.list("outbox/alerts")]
    lines = [line for key in keys for line in project.lake.get(key).decode().splitlines()]
    return Counter(json.loads(line)["alert_id"] for line in lines)


def refresh(project: "Project") -> None:
    outcome = project.run("refresh_alerts")
    assert outcome.success, outcome.reason


def test_graph_features_and_rings_are_of_one_generation(
    copy: "Project", trained: "Trained"
) -> None:
    refresh(copy)
    manifests = [copy.manifest(name) for name in (*GRAPHS, "transaction_alerts", "ring_alerts")]
    assert len({manifest.inputs[DIGEST] for manifest in manifests}) == 1
    latest = copy.table("raw_transactions", trained.later)["occurred_at"].max()
    assert {copy.manifest(name).extra["as_of"] for name in GRAPHS} == {
        str(latest).replace(" ", "T")
    }
    scored = copy.manifest("account_graph").extra["scored"]
    assert scored == {
        layers.upload_slot("augmented_transactions", "sim", trained.learned).prefix: 2,
        layers.upload_slot("augmented_transactions", "sim", trained.later).prefix: 1,
    }


def test_edges_are_the_payments_of_the_window_by_pair(
    project_of: "ProjectOf", rows: "Rows"
) -> None:
    project = project_of(graph_window_days=30)
    project.ingest(
        rows(
            {"hours": 0, "amount": 1.0, "payee_id": "too-old"},
            {"hours": 24 * 31, "amount": 5.0},
            {"hours": 24 * 32, "amount": 7.0},
            {"hours": 24 * 33, "amount": 2.0, "payer_id": "ann", "payee_id": "ann"},
        ),
        "four.parquet",
    )
    refresh(project)
    (edge,) = project.table("account_graph").iter_rows(named=True)
    assert (edge["payer"], edge["payee"]) == ("sim:account:payer-0001", "sim:account:payee-0001")
    assert (edge["n_transactions"], edge["amount_sum"], edge["amount_max"]) == (2, 12.0, 7.0)
    accounts = project.table("account_features")
    assert accounts["account"].to_list() == ["sim:account:payee-0001", "sim:account:payer-0001"]


def test_nothing_scored_gives_no_graph(project: "Project") -> None:
    assert project.make("account_graph").reason == "Nothing is scored yet."
    assert project.make("fraud_rings").reason.startswith("account_graph has no version yet")


def test_the_planted_ring_becomes_one_alert_with_its_payments(copy: "Project") -> None:
    refresh(copy)
    ring = copy.table("published_alerts").filter(alert_type="ring", rank=1).row(0, named=True)
    assert ring["reasons"] == ["RING_FAN_IN"]
    assert sorted(ring["transaction_ids"]) == [f"ring-{number}" for number in range(10)]
    assert ring["accounts"][0] == "sim:account:ring-collector"
    assert ring["amount"] == 9045.0
    assert ring["ranked_by"] == "ring_score"
    assert "Fan-in of 11 accounts" in ring["explanation"]
    assert "ring-collector" not in ring["explanation"]
    drawn = copy.versions.read_bytes(copy.manifest("fraud_rings"), f"{ring['subject_id']}.svg")
    assert b"fan-in: 11 accounts, 10 payments" in drawn


def test_an_alert_keeps_id_rank_and_text_over_repeats_and_new_uploads(
    copy: "Project", rows: "Rows"
) -> None:
    refresh(copy)
    first = copy.table("published_alerts").select(IDENTITY)
    assert first.height > 10
    assert set(told(copy).values()) == {1}
    refresh(copy)
    assert copy.table("published_alerts").select(IDENTITY).equals(first)
    # A larger loss on a day that is full does not push out what an analyst may be looking at.
    large = [
        {
            "hours": 24 * 29 + number * 0.1,
            "amount": 9e6,
            "payer_id": f"rich-{number}",
            "transaction_id": f"rich-{number}",
        }
        for number in range(6)
    ]
    copy.ingest(rows(*large, {"hours": 24 * 40, "amount": 9e6}), "more.parquet")
    refresh(copy)
    after = copy.table("published_alerts")
    assert first.join(after, on=IDENTITY, how="anti").is_empty()
    new = after.join(first, on="alert_id", how="anti")
    assert set(new.filter(alert_type="transaction")["subject_id"]) == {"t-00006"}
    assert told(copy) == Counter(after["alert_id"].to_list())


def test_capacity_is_per_day_over_all_feeds(alerting: "Project", bursts: pl.DataFrame) -> None:
    project = alerting
    lines = bursts.select(
        pl.format(
            "{},{},{},{},{}",
            "transaction_id",
            pl.col("occurred_at").dt.strftime("%Y-%m-%d %H:%M:%S"),
            "amount",
            "payer_id",
            "payee_id",
        )
    ).to_series()
    header = "TRANSACTION_ID,TX_DATETIME,TX_AMOUNT,CUSTOMER_ID,TERMINAL_ID"
    key = project.ingest("\n".join([header, *lines]), "theirs.csv", feed="card")
    assert project.table("augmented_transactions", key)["may_alert"].sum() == 5
    refresh(project)
    alerts = project.table("published_alerts").filter(alert_type="transaction")
    assert alerts["rank"].to_list() == [1, 2, 3, 4, 5]
    assert alerts["event_day"].n_unique() == 1
    assert project.table("transaction_alerts").height == 5
    assert all(alerts["reasons"].list.contains("BURST_OF_PAYMENTS"))
    # One id in two feeds is two transactions, so two alerts.
    assert alerts["alert_id"].n_unique() == 5


def test_an_outbox_that_broke_once_is_filled_by_the_next_run_and_not_twice(
    alerting: "Project", monkeypatch: pytest.MonkeyPatch
) -> None:
    project = alerting

    def broken(_outbox: Outbox, number: int, _alerts: pl.DataFrame) -> bool:
        raise OSError(f"no space left for publication {number}")

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "publish_alerts", broken)
        outcome = project.run("refresh_alerts")
        assert not outcome.success
        assert "no space left" in outcome.reason
    alerts = project.table("published_alerts")
    assert alerts.height > 0
    assert told(project) == Counter()
    refresh(project)
    assert told(project) == Counter(alerts["alert_id"].to_list())
    refresh(project)
    assert told(project) == Counter(alerts["alert_id"].to_list())
    names = [info.key for info in project.lake.list("outbox/alerts")]
    numbers = project.versions.all_numbers(layers.snapshot_slot("published_alerts"))
    assert names == [f"outbox/alerts/{number:08d}.jsonl" for number in numbers]


def test_the_outbox_is_filled_without_a_run(
    alerting: "Project", monkeypatch: pytest.MonkeyPatch
) -> None:
    project = alerting
    with monkeypatch.context() as patch:
        patch.setattr(published, "fill_outbox", lambda _versions: [])
        refresh(project)
    assert told(project) == Counter()
    assert published.fill_outbox(project.versions) == [1]
    assert published.fill_outbox(project.versions) == []
    assert told(project) == Counter(project.table("published_alerts")["alert_id"].to_list())


def test_a_ranking_from_before_the_last_publication_is_refused(
    alerting: "Project",
) -> None:
    project = alerting
    refresh(project)
    before = project.manifest("published_alerts")
    outcome = project.make("published_alerts")
    assert not outcome.success
    assert "run refresh_alerts again" in outcome.reason
    assert project.manifest("published_alerts") == before


def test_alerts_ranked_over_the_capacity_are_not_published(
    scored: "Project", copy_of: "ProjectOf"
) -> None:
    wide = copy_of(scored, daily_capacity=5)
    wide.must(*GRAPHS, "transaction_alerts", "ring_alerts")
    narrow = copy_of(scored, daily_capacity=4)
    outcome = narrow.make("published_alerts")
    assert not outcome.success
    check = outcome.checks["published_alerts", "within_capacity"]
    assert not check.passed
    assert check.metadata["days_over"].value == 1
    assert narrow.versions.latest(layers.snapshot_slot("published_alerts")) is None
    assert told(narrow) == Counter()


def test_a_capacity_that_was_lowered_keeps_what_was_published_under_the_larger_one(
    scored: "Project", copy_of: "ProjectOf"
) -> None:
    wide = copy_of(scored, daily_capacity=5)
    refresh(wide)
    narrow = copy_of(scored, daily_capacity=2)
    refresh(narrow)
    assert narrow.table("published_alerts").filter(alert_type="transaction").height == 5


def test_a_ranking_that_withdraws_an_alert_is_not_published(
    alerting: "Project",
) -> None:
    project = alerting
    refresh(project)
    before = project.manifest("published_alerts")
    project.must("transaction_alerts", "ring_alerts")
    ranked = project.manifest("transaction_alerts")
    attempt = project.versions.begin(layers.snapshot_slot("transaction_alerts"), "by-hand")
    attempt.write_table(project.table("transaction_alerts").head(-1))
    project.versions.publish(attempt, inputs=ranked.inputs)
    outcome = project.make("published_alerts")
    assert not outcome.success
    check = outcome.checks["published_alerts", "none_withdrawn"]
    assert (check.passed, check.metadata["missing"].value) == (False, 1)
    assert project.manifest("published_alerts") == before
