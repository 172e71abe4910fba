"""Old publications of alerts leave the lake, and no alert is lost by it."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fraud_assets import layers, published, restoring
from fraud_assets.cleaning import clean
from fraud_assets.restoring import restore_published_alerts
from resources.lake import LakeError
from resources.notifier import Outbox
from resources.versions import OvertakenError

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Rows

SLOT = layers.snapshot_slot("published_alerts")
ANY_AGE = timedelta(seconds=-5)


def bursts_of(rows: "Rows", day: int) -> pl.DataFrame:
    """Two payers who each make seven payments to different payees within an hour of a day."""
    return rows(
        *(
            {
                "transaction_id": f"burst-{day}-{payer}-{number}",
                "hours": 24 * day + payer + number * 0.1,
                "amount": 20.0 + payer,
                "payer_id": f"payer-{day}-{payer}",
                "payee_id": f"payee-{day}-{payer}-{number}",
            }
            for payer in range(2)
            for number in range(7)
        )
    )


@pytest.fixture(scope="module")
def four_times(session_project_of: "ProjectOf", rows: "Rows") -> "Project":
    """A project that published four times, each time something new; read-only."""
    project = session_project_of("four_times")
    for day in range(4):
        project.ingest(bursts_of(rows, day), f"day-{day}.parquet")
        outcome = project.run("refresh_alerts")
        assert outcome.success, outcome.reason
    return project


@pytest.fixture
def project(four_times: "Project", copy_of: "ProjectOf") -> "Project":
    """The same, to be changed at will."""
    return copy_of(four_times)


def stored(project: "Project") -> list[int]:
    """The publications whose tables are in the lake."""
    return [
        number
        for number in project.versions.all_numbers(SLOT)
        if not project.versions.damage(project.versions.get(SLOT, number))
    ]


def outbox(project: "Project") -> dict[str, bytes]:
    return {info.key: project.lake.get(info.key) for info in project.lake.list("outbox/alerts")}


def path_of(project: "Project", number: int) -> Path:
    manifest = project.versions.get(SLOT, number)
    (key,) = manifest.table_keys()
    return project.folder / "lake" / key


def test_the_two_newest_publications_stay_and_hold_every_alert(project: "Project") -> None:
    before = project.table("published_alerts")
    told = outbox(project)
    assert [len(lines.splitlines()) > 0 for lines in told.values()] == [True] * 4
    assert len(clean(project.lake, ANY_AGE)) >= 2
    assert stored(project) == [3, 4]
    assert project.table("published_alerts").equals(before)
    assert outbox(project) == told
    outcome = project.run("refresh_alerts")
    assert outcome.success, outcome.reason
    assert project.table("published_alerts").equals(before)


def test_what_is_young_stays(project: "Project") -> None:
    assert clean(project.lake, timedelta(days=1)) == []
    assert stored(project) == [1, 2, 3, 4]


def test_a_publication_that_the_outbox_was_not_told_of_stays(project: "Project") -> None:
    told = outbox(project)
    project.lake.delete(["outbox/alerts/00000001.jsonl"])
    clean(project.lake, ANY_AGE)
    assert stored(project) == [1, 3, 4]
    assert published.fill_outbox(project.versions) == [1]
    assert outbox(project) == told
    clean(project.lake, ANY_AGE)
    assert stored(project) == [3, 4]


def test_the_outbox_is_told_again_from_a_later_publication(project: "Project") -> None:
    told = outbox(project)
    clean(project.lake, ANY_AGE)
    project.lake.delete([*told])
    assert published.fill_outbox(project.versions) == [1, 2, 3, 4]
    assert outbox(project) == told


def test_both_kept_publications_can_be_lost(project: "Project") -> None:
    """The outbox alone brings every alert back under its id, rank and text."""
    before = project.table("published_alerts")
    clean(project.lake, ANY_AGE)
    for number in (3, 4):
        path_of(project, number).write_bytes(b"torn")
    told = outbox(project)
    restored = restore_published_alerts(project.versions, "repair")
    assert restored is not None
    after = project.versions.scan(restored).collect()
    columns = [name for name in before.columns if name in after.columns]
    assert set(columns) == set(before.columns)
    assert after.select(columns).sort("alert_id").equals(before.sort("alert_id"))
    # A publication that brings back is no news, also where its run publishes more.
    assert published.fill_outbox(project.versions) == [5]
    assert outbox(project) == {**told, "outbox/alerts/00000005.jsonl": b""}


def test_a_repaired_publication_tells_nothing_twice(project: "Project", rows: "Rows") -> None:
    """Repair and new alerts come from one run; each alert stands once in the outbox."""
    path_of(project, 4).write_bytes(b"torn")
    project.ingest(bursts_of(rows, 4), "day-4.parquet")
    for _ in range(2):
        outcome = project.run("refresh_alerts")
        assert outcome.success, outcome.reason
    assert outbox(project)["outbox/alerts/00000006.jsonl"] != b""
    clean(project.lake, ANY_AGE)
    assert stored(project) == [6, 7], "the one that brought back is gone"
    project.lake.delete([info.key for info in project.lake.list("outbox/alerts")])
    published.fill_outbox(project.versions)
    told = [
        json.loads(line)["alert_id"]
        for lines in outbox(project).values()
        for line in lines.splitlines()
    ]
    assert sorted(told) == sorted(project.table("published_alerts")["alert_id"].to_list())


def test_an_outbox_object_that_is_gone_is_named_and_its_alerts_are_not_withdrawn(
    project: "Project",
) -> None:
    """Publication 2 was told, since 3 and 4 were; without its object its alerts are nowhere."""
    clean(project.lake, ANY_AGE)
    project.lake.delete(["outbox/alerts/00000002.jsonl"])
    for number in (3, 4):
        path_of(project, number).write_bytes(b"torn")
    left = outbox(project)
    with pytest.raises(LakeError, match=r"outbox/alerts/00000002\.jsonl was told and is gone"):
        restore_published_alerts(project.versions, "repair")
    assert project.versions.all_numbers(SLOT) == [1, 2, 3, 4]
    assert outbox(project) == left
    outcome = project.run("refresh_alerts")
    assert not outcome.success
    assert "00000002.jsonl was told and is gone" in outcome.reason
    assert outbox(project) == left


def test_what_was_told_to_nobody_is_told_in_order_before_a_damaged_one_is_closed(
    project: "Project",
) -> None:
    """A hole that a repair left below others would look like a loss the next time."""
    told = outbox(project)
    project.lake.delete(["outbox/alerts/00000003.jsonl", "outbox/alerts/00000004.jsonl"])
    path_of(project, 4).write_bytes(b"torn")
    restored = restore_published_alerts(project.versions, "repair")
    assert restored is not None
    assert outbox(project) == {**told, "outbox/alerts/00000004.jsonl": b""}
    for number in (3, 5):
        path_of(project, number).write_bytes(b"torn")
    assert restore_published_alerts(project.versions, "again") is not None


@pytest.mark.parametrize("damage", ["manifest", "part"])
def test_a_repair_that_slept_does_not_withdraw_what_was_published_meanwhile(
    project: "Project", rows: "Rows", damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if damage == "part":
        path_of(project, 4).write_bytes(b"torn")
    else:
        project.lake.put("alerts/published_alerts/manifest/4.json", b"{")
    project.ingest(bursts_of(rows, 4), "day-4.parquet")
    untold = restoring._untold

    def slow(outbox: Outbox, numbers: Sequence[int]) -> list[int]:
        monkeypatch.setattr(restoring, "_untold", untold)
        outcome = project.run("refresh_alerts")
        assert outcome.success, outcome.reason
        return untold(outbox, numbers)

    # The lease keeps nobody out: its holder slept for longer than its time to live.
    monkeypatch.setattr(restoring, "lease", lambda *_, **__: nullcontext())
    monkeypatch.setattr(restoring, "_untold", slow)
    with pytest.raises(OvertakenError, match="got version 6 meanwhile"):
        restore_published_alerts(project.versions, "slow")
    assert project.versions.all_numbers(SLOT) == [1, 2, 3, 4, 5, 6]
    told = outbox(project)
    assert sorted(told) == [f"outbox/alerts/{number:08d}.jsonl" for number in range(1, 7)]
    assert told["outbox/alerts/00000006.jsonl"] != b""


def test_of_two_equal_repairs_one_becomes_a_version(
    project: "Project", monkeypatch: pytest.MonkeyPatch
) -> None:
    path_of(project, 4).write_bytes(b"torn")
    untold = restoring._untold

    def slow(outbox: Outbox, numbers: Sequence[int]) -> list[int]:
        monkeypatch.setattr(restoring, "_untold", untold)
        assert restore_published_alerts(project.versions, "other") is not None
        return untold(outbox, numbers)

    monkeypatch.setattr(restoring, "lease", lambda *_, **__: nullcontext())
    monkeypatch.setattr(restoring, "_untold", slow)
    restored = restore_published_alerts(project.versions, "slow")
    assert restored is not None
    assert (restored.number, restored.run_id) == (5, "other")
    assert project.versions.all_numbers(SLOT) == [1, 2, 3, 4, 5]
