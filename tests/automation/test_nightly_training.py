"""Every night the feeds are trained whose labels allow it; the others say why not."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from fraud_assets import layers
from fraud_assets.feed_catalogue import catalogue_digest, feed_catalogue
from fraud_assets.feeds import load_feeds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.automation.conftest import Automation

START = datetime(2026, 3, 2, tzinfo=UTC)


def seed(automation: "Automation", feed: str, *, days: int, frauds: bool = True) -> None:
    """Two payments an hour, one of them fraud, and features made of them."""
    times = [START + timedelta(hours=hour) for hour in range(days * 24) for _ in range(2)]
    table: Mapping[str, object] = {
        "transaction_id": [f"t-{number:05d}" for number in range(len(times))],
        "occurred_at": times,
        "payer_id": [f"p-{number:05d}" for number in range(len(times))],
        "amount": [1.0] * len(times),
        "is_fraud": [frauds and number % 2 == 0 for number in range(len(times))],
        "label_known_at": [at + timedelta(hours=1) for at in times],
    }
    catalogue = catalogue_digest(feed_catalogue(load_feeds()[feed]))
    key = f"{feed}-a-1"
    raw = automation.publish(layers.upload_slot("raw_transactions", feed, key), table)
    automation.publish(
        layers.upload_slot("prepped_transactions", feed, key),
        {"occurred_at": times},
        {raw.slot: raw.content_id, "catalogue": catalogue},
    )


def test_a_night_without_labels_is_skipped_with_a_reason_a_feed(automation: "Automation") -> None:
    tick = automation.night()
    assert tick.run_requests == []
    assert tick.skip_message == (
        "No feed can be trained. aml: no prepared transactions; card: no prepared transactions; "
        "paysim: no prepared transactions; sim: no prepared transactions"
    )


@pytest.mark.parametrize(
    ("days", "frauds", "reason"),
    [(5, True, "sim: too short to train and test: "), (40, False, "has 0 known frauds; 20 needed")],
)
def test_a_feed_that_cannot_be_trained_says_why(
    automation: "Automation", days: int, *, frauds: bool, reason: str
) -> None:
    seed(automation, "sim", days=days, frauds=frauds)
    tick = automation.night()
    assert tick.run_requests == []
    assert reason in (tick.skip_message or "")


def test_a_run_names_the_feeds_that_can_be_trained(automation: "Automation") -> None:
    seed(automation, "sim", days=40)
    seed(automation, "card", days=40)
    seed(automation, "paysim", days=40, frauds=False)
    tick = automation.night()
    (request,) = tick.run_requests or []
    assert request.run_config == {"ops": {"training_set": {"config": {"feeds": ["card", "sim"]}}}}
    assert tick.skip_message is None
    job = automation.definitions.resolve_job_def("train_model")
    assert dg.validate_run_config(job, request.run_config)


def test_it_runs_at_half_past_two_utc(automation: "Automation") -> None:
    schedule = automation.definitions.resolve_schedule_def("nightly_training")
    assert schedule.cron_schedule == "30 2 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
