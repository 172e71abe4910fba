"""The sensor: off without settings, failed ticks keep what they did, a daemon may be lost."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import dagster as dg
import pytest
from pydantic import SecretStr

from fraud_assets.definitions import build
from resources.delivery import DeliveryError
from resources.lake import Lake
from resources.settings import Settings
from schedules.delivery import delivery_sensor

if TYPE_CHECKING:
    from tests.notifications.conftest import Publish, Receiver


def tick(lake: Lake, **settings: object) -> str:
    """What a tick with these settings says."""
    folder = cast("Path", lake.folder)
    made = Settings(lake=str(folder)).model_copy(update=settings)
    context = dg.build_sensor_context(resources={"lake": lake, "settings": made})
    result = delivery_sensor(context)
    assert isinstance(result, dg.SkipReason)
    return result.skip_message or ""


def test_it_is_part_of_the_code_location(tmp_path: Path) -> None:
    definitions = build(Settings(lake=str(tmp_path / "lake")))
    assert "delivery_sensor" in {one.name for one in definitions.sensors or []}


def test_without_settings_it_does_nothing(lake: Lake, publish: "Publish") -> None:
    publish(1, "a")
    assert tick(lake) == "No target is set: FRAUD_SNS_TOPIC, FRAUD_WEBHOOK_URL."
    assert lake.list("outbox/delivered") == []


def test_it_delivers_and_says_how_many(
    lake: Lake, publish: "Publish", receiver: "Receiver"
) -> None:
    publish(1, "a", "b")
    url = SecretStr(receiver.url)
    assert tick(lake, webhook_url=url) == "webhook: 2 delivered."
    assert tick(lake, webhook_url=url) == "webhook: 0 delivered."
    assert receiver.taken == ["a", "b"]


def test_an_outage_fails_the_tick_keeps_its_progress_and_stops_no_other_target(
    lake: Lake, publish: "Publish", receiver: "Receiver", monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "a", "b", "c")
    # Nobody listens at this port: SNS is away.
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr("resources.delivery_work._RETRY_SECONDS", 0.0)
    both = {
        "sns_topic": "arn:aws:sns:eu-west-1:123456789012:alerts",
        "webhook_url": SecretStr(receiver.url),
    }
    receiver.answers = [200, 400, 500]
    with pytest.raises(DeliveryError) as failed:
        tick(lake, **both)
    lines = str(failed.value).splitlines()
    assert lines[0].startswith("sns: SNS cannot be reached")
    assert lines[1].startswith("webhook: the webhook answered 500; tried again after ")
    assert lines[2:] == ["sns: 0 delivered.", "webhook: 1 delivered, 1 refused and set aside."]
    assert "token-in-path" not in str(failed.value)
    assert receiver.taken == ["a"]
    # While both are left alone nothing is tried and the tick does not fail.
    assert tick(lake, **both).count("left alone until") == 2
    assert len(receiver.got) == 3
    lake.delete(["outbox/delivered/webhook/pause.json"])
    assert "1 delivered" in tick(lake, webhook_url=SecretStr(receiver.url))
    assert receiver.taken == ["a", "c"]
