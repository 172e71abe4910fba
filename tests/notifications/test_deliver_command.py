"""`fraud-assets deliver`: the outbox goes out without a daemon, and what was refused again."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from resources.lake import Lake

if TYPE_CHECKING:
    from tests.notifications.conftest import Publish, Receiver


def call(lake: Lake, receiver: "Receiver | None", *arguments: str) -> Result:
    from fraud_assets.cli import main

    assert isinstance(lake.folder, Path)
    environment: dict[str, str | None] = {"FRAUD_LAKE": str(lake.folder), "FRAUD_SNS_TOPIC": None}
    environment["FRAUD_WEBHOOK_URL"] = None if receiver is None else receiver.url
    return CliRunner().invoke(main, ["deliver", *arguments], env=environment)


def test_it_sends_what_the_outbox_holds_once(
    lake: Lake, publish: "Publish", receiver: "Receiver"
) -> None:
    publish(1, "a", "b")
    told = [call(lake, receiver) for _ in range(2)]
    assert [one.stdout for one in told] == ["webhook: 2 delivered.\n", "webhook: 0 delivered.\n"]
    assert [one.exit_code for one in told] == [0, 0]
    assert receiver.taken == ["a", "b"]


def test_what_was_refused_is_named_and_goes_out_again_when_asked_for(
    lake: Lake, publish: "Publish", receiver: "Receiver"
) -> None:
    publish(1, "a", "b")
    receiver.answers = [200, 422]
    refused = call(lake, receiver)
    assert refused.exit_code == 1
    assert refused.stdout.splitlines() == [
        "webhook: 1 delivered, 1 refused and set aside.",
        "webhook will not get outbox/alerts/00000001, line 2 (b): the webhook answered 422",
    ]
    assert (call(lake, receiver).exit_code, receiver.taken) == (0, ["a"])
    again = call(lake, receiver, "--again", "webhook")
    assert again.exit_code == 0
    assert again.stdout.splitlines() == [
        "1 messages that were set aside go out again.",
        "webhook: 1 delivered.",
    ]
    assert receiver.taken == ["a", "b"]


def test_json_is_one_object_and_an_outage_exits_1(
    lake: Lake, publish: "Publish", receiver: "Receiver"
) -> None:
    publish(1, "a")
    receiver.always = 500
    away, waiting = (call(lake, receiver, "--json") for _ in range(2))
    assert (away.exit_code, waiting.exit_code) == (1, 1)
    (told,) = json.loads(away.stdout)["targets"]
    assert told["problems"][0].startswith("the webhook answered 500; tried again after ")
    assert json.loads(waiting.stdout)["targets"][0]["waiting_until"].startswith("20")
    assert len(receiver.got) == 1
    assert "token-in-path" not in away.output
    # Whoever says that it is mended need not wait until the pause is over.
    receiver.always = None
    mended = call(lake, receiver, "--json", "--again", "webhook")
    assert json.loads(mended.stdout) == {
        "again": 0,
        "targets": [
            {
                "target": "webhook",
                "delivered": 1,
                "repeated": 1,
                "set_aside": [],
                "problems": [],
                "waiting_until": None,
                "busy": None,
            }
        ],
    }


@pytest.mark.parametrize(
    ("is_set", "arguments", "status", "words"),
    [
        (False, (), 1, "No target is set: FRAUD_SNS_TOPIC, FRAUD_WEBHOOK_URL."),
        (True, ("--again", "sns"), 2, "sns is no target that is set: webhook"),
    ],
)
def test_a_target_that_is_not_set_is_told(
    *,
    lake: Lake,
    receiver: "Receiver",
    is_set: bool,
    arguments: tuple[str, ...],
    status: int,
    words: str,
) -> None:
    refused = call(lake, receiver if is_set else None, *arguments)
    assert refused.exit_code == status
    assert words in refused.stderr
    assert refused.stdout == ""
