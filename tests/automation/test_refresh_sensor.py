"""Alerts are renewed once for everything scored, one run at a time, and again if that failed."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster import DagsterRunStatus
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from fraud_assets import layers
from resources.notifier import Outbox

if TYPE_CHECKING:
    from dagster._core.definitions.sensor_definition import SensorExecutionData

    from tests.automation.conftest import Automation

# A queued run must say from which code location it is.
ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("fraud-assets"), "__repository__"),
    "refresh_alerts",
)
IN_FLIGHT = ["QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"]
ENDED = ["SUCCESS", "FAILURE", "CANCELED"]


def only_run_key(tick: "SensorExecutionData") -> str:
    (request,) = tick.run_requests or []
    assert request.run_key is not None
    assert tick.cursor == request.run_key
    return request.run_key


def run_of(
    automation: "Automation", job: str, status: DagsterRunStatus = DagsterRunStatus.STARTED
) -> dg.DagsterRun:
    definition = automation.definitions.resolve_job_def(job)
    return automation.instance.create_run_for_job(
        definition, status=status, tags=dict(definition.run_tags), remote_job_origin=ORIGIN
    )


def publish_alerts(automation: "Automation", digest: str) -> None:
    slot = layers.snapshot_slot("published_alerts")
    table = {"alert_id": ["t-1"], "published_in": ["run"]}
    automation.publish(slot, table, {"refresh": digest})


def test_nothing_scored_is_a_skip(automation: "Automation") -> None:
    tick = automation.tick("refresh_sensor")
    assert tick.run_requests == []
    assert tick.skip_message == "Nothing is scored yet."


def test_scored_uploads_are_refreshed_once(automation: "Automation") -> None:
    automation.score("sim-a-1")
    automation.score("card-b-2", "card")
    run_key = only_run_key(automation.tick("refresh_sensor"))
    digest, _, tries = run_key.rpartition("-")
    assert len(digest) == 32
    assert tries == "1"
    publish_alerts(automation, digest)
    for cursor in (run_key, None):
        tick = automation.tick("refresh_sensor", cursor)
        assert tick.run_requests == []
        assert tick.skip_message == "The alerts are up to date."


def test_what_a_killed_run_published_still_reaches_the_outbox(automation: "Automation") -> None:
    automation.score("sim-a-1")
    digest = only_run_key(automation.tick("refresh_sensor")).removesuffix("-1")
    publish_alerts(automation, digest)
    told = Outbox(automation.versions.lake)
    assert told.missing([1]) == [1]
    automation.tick("refresh_sensor")
    assert told.missing([1]) == []


@pytest.mark.parametrize("change", ["another upload", "another feed", "scored anew"])
def test_every_change_of_what_is_scored_is_refreshed(automation: "Automation", change: str) -> None:
    automation.score("sim-a-1")
    before = only_run_key(automation.tick("refresh_sensor"))
    publish_alerts(automation, before.removesuffix("-1"))
    if change == "another upload":
        automation.score("sim-b-2")
    elif change == "another feed":
        automation.score("card-a-1", "card")
    else:
        automation.score("sim-a-1", model="sim/1", value=2)
    after = only_run_key(automation.tick("refresh_sensor", before))
    assert after != before
    assert after.endswith("-1")


def test_alerts_made_of_something_else_are_renewed(automation: "Automation") -> None:
    automation.score("sim-a-1")
    publish_alerts(automation, "0" * 32)
    only_run_key(automation.tick("refresh_sensor"))


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_a_refresh_in_flight_is_waited_for(automation: "Automation", status: str) -> None:
    automation.score("sim-a-1")
    run_of(automation, "refresh_alerts", DagsterRunStatus[status])
    tick = automation.tick("refresh_sensor", "0-1")
    assert tick.run_requests == []
    assert tick.skip_message == "A refresh is queued or running."
    assert tick.cursor == "0-1"


@pytest.mark.parametrize("status", ENDED)
def test_a_refresh_that_ended_holds_up_nothing(automation: "Automation", status: str) -> None:
    automation.score("sim-a-1")
    run_of(automation, "refresh_alerts", DagsterRunStatus[status])
    run_of(automation, "ingest_upload", DagsterRunStatus.STARTED)
    only_run_key(automation.tick("refresh_sensor"))


def test_a_failed_refresh_is_requested_again_under_the_next_key(automation: "Automation") -> None:
    automation.score("sim-a-1")
    first = only_run_key(automation.tick("refresh_sensor"))
    automation.instance.report_run_failed(run_of(automation, "refresh_alerts"))
    second = only_run_key(automation.tick("refresh_sensor", first))
    assert second == first.removesuffix("-1") + "-2"


def test_what_fails_for_good_is_tried_ever_more_rarely(
    automation: "Automation", monkeypatch: pytest.MonkeyPatch
) -> None:
    automation.score("sim-a-1")
    digest = only_run_key(automation.tick("refresh_sensor")).removesuffix("-1")
    automation.instance.report_run_failed(run_of(automation, "refresh_alerts"))
    tick = automation.tick("refresh_sensor", f"{digest}-2")
    assert tick.run_requests == []
    assert tick.skip_message == "No refresh of 2 succeeded; the next waits for 0:01:00."
    assert tick.cursor == f"{digest}-2"

    for tries, minutes in ((2, 1), (3, 2), (5, 8), (20, 60), (5_000, 60)):
        for seconds, found in ((-10, []), (10, [f"{digest}-{tries + 1}"])):
            age = timedelta(minutes=minutes, seconds=seconds)
            ended = datetime.now(UTC) - age
            monkeypatch.setattr("schedules.refresh._last_end", lambda _, at=ended: at)
            tick = automation.tick("refresh_sensor", f"{digest}-{tries}")
            assert [one.run_key for one in tick.run_requests or []] == found, tries

    # Something else to refresh has failed at nothing yet.
    monkeypatch.setattr("schedules.refresh._last_end", lambda _: datetime.now(UTC))
    automation.score("sim-b-2")
    assert only_run_key(automation.tick("refresh_sensor", f"{digest}-9")).endswith("-1")
