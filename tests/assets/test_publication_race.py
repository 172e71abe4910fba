"""Two writers of published alerts, one of which slept: one publishes, the other leaves no trace."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from uuid import uuid4

import pytest

from fraud_assets import layers
from fraud_assets.alerts import draft
from fraud_assets.publication import Draft
from tests.assets.conftest import Outcome, Project, ProjectOf, Rows
from tests.s3_server import BUCKET, REGION, s3_server

SLOT = layers.snapshot_slot("published_alerts")
RANKING = ("account_graph", "account_features", "fraud_rings", "transaction_alerts", "ring_alerts")


def burst(day: int) -> list[dict[str, object]]:
    """Seven payments of one payer to different payees within an hour of a day."""
    return [
        {
            "transaction_id": f"burst-{day}-{number}",
            "hours": 24 * day + number * 0.1,
            "payer_id": f"payer-{day}",
            "payee_id": f"payee-{day}-{number}",
        }
        for number in range(7)
    ]


@pytest.fixture(scope="module")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def ranked(session_project_of: ProjectOf, rows: Rows) -> Project:
    """A project whose alerts are ranked and not published yet; read-only."""
    project = session_project_of("ranked")
    project.ingest(rows(*burst(0)), "first.parquet")
    project.must(*RANKING)
    return project


@pytest.fixture(params=["folder", "s3"])
def project(
    request: pytest.FixtureRequest, ranked: Project, copy_of: ProjectOf, project_of: ProjectOf
) -> Project:
    """The same, to be changed at will, once in a folder and once in S3."""
    if request.param == "folder":
        return copy_of(ranked)
    copy = project_of(
        lake=f"s3://{BUCKET}/{uuid4().hex}",
        s3_endpoint=request.getfixturevalue("s3_endpoint"),
        s3_allow_http=True,
        s3_region=REGION,
    )
    for info in ranked.lake.list(""):
        copy.lake.put(info.key, ranked.lake.get(info.key))
    return copy


def told(project: Project) -> Counter[str]:
    """How often each alert stands in the outbox."""
    keys = [info.key for info in project.lake.list("outbox/alerts")]
    lines = [line for key in keys for line in project.lake.get(key).decode().splitlines()]
    return Counter(json.loads(line)["alert_id"] for line in lines)


def overtaken(project: Project, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Publish alerts, and let a second run do the same between this one's draft and manifest.

    The lease keeps nobody out: its holder slept for longer than its time to live.
    """
    others: list[Outcome] = []

    def slow(*arguments: object, **options: object) -> Draft:
        staged = draft(*arguments, **options)  # type: ignore[arg-type] # passed on
        with monkeypatch.context() as awake:
            awake.setattr("fraud_assets.published.draft", draft)
            others.append(project.make("published_alerts"))
        return staged

    with monkeypatch.context() as asleep:
        asleep.setattr("fraud_assets.published.lease", lambda *_, **__: nullcontext())
        asleep.setattr("fraud_assets.published.draft", slow)
        outcome = project.make("published_alerts")
    assert [other.reason for other in others] == [""]
    return outcome


def test_the_second_to_publish_fails_and_each_alert_is_told_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = overtaken(project, monkeypatch)
    assert not outcome.success
    assert "published_alerts got version 1 meanwhile" in outcome.reason
    assert "run again" in outcome.reason
    assert outcome.metadata == {}
    assert project.versions.all_numbers(SLOT) == [1]
    alerts = project.table("published_alerts")
    assert outcome.run_id not in alerts["published_in"].to_list()
    assert set(told(project)) == set(alerts["alert_id"].to_list())
    assert set(told(project).values()) == {1}


@pytest.mark.slow
def test_the_same_holds_between_later_publications(
    project: Project, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.must("published_alerts")
    before = project.table("published_alerts")["alert_id"]
    assert before.len() > 0
    project.ingest(rows(*burst(1)), "second.parquet")
    project.must(*RANKING)
    outcome = overtaken(project, monkeypatch)
    assert "version 2 meanwhile, and this one goes on from version 1" in outcome.reason
    assert project.versions.all_numbers(SLOT) == [1, 2]
    alerts = project.table("published_alerts")
    assert set(before) < set(alerts["alert_id"])
    assert told(project) == Counter(alerts["alert_id"].to_list())
    # What failed is done by ranking again.
    project.must("transaction_alerts", "ring_alerts", "published_alerts")
    assert told(project) == Counter(alerts["alert_id"].to_list())
