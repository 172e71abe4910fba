"""What was scored without a model is scored again once its feed has one."""

from typing import TYPE_CHECKING

from gpu_ops.gate import Status, Verdict
from resources.registry import ModelRegistry

if TYPE_CHECKING:
    from dagster._core.definitions.sensor_definition import SensorExecutionData

    from tests.automation.conftest import Automation

IDLE = "Every upload is scored by a model, or its feed has none."


def judge(automation: "Automation", feed: str, status: Status, version: int = 1) -> None:
    """A verdict on a model of which only the manifest matters here."""
    slot = ModelRegistry.slot(feed)
    while len(automation.versions.all_numbers(slot)) < version:
        automation.publish(slot, {"v": [len(automation.versions.all_numbers(slot))]})
    registry = ModelRegistry(automation.versions)
    registry.register(feed, version, Verdict(status, ("a test says so",)), by="gate")


def requests(tick: "SensorExecutionData") -> list[tuple[str | None, str | None, str]]:
    """Run key, partition and feed of each request."""
    return [(one.run_key, one.partition_key, one.tags["feed"]) for one in tick.run_requests or []]


def test_without_a_champion_nothing_is_scored_again(automation: "Automation") -> None:
    automation.score("sim-a-1")
    judge(automation, "sim", Status.PENDING)
    tick = automation.tick("first_model_sensor")
    assert requests(tick) == []
    assert tick.skip_message == IDLE


def test_a_first_champion_scores_what_had_none(automation: "Automation") -> None:
    automation.score("sim-b-2")
    automation.score("sim-a-1")
    automation.score("sim-c-3", model="sim/1")
    automation.score("card-a-1", "card")
    judge(automation, "sim", Status.APPROVED)
    tick = automation.tick("first_model_sensor")
    assert requests(tick) == [
        ("sim-a-1-sim/1", "sim-a-1", "sim"),
        ("sim-b-2-sim/1", "sim-b-2", "sim"),
    ]
    # The instance need not know these partitions: the command line may have made them elsewhere.
    (added,) = tick.dynamic_partitions_requests or []
    assert (added.partitions_def_name, added.partition_keys) == ("uploads", ["sim-a-1", "sim-b-2"])


def test_a_later_champion_leaves_what_a_former_one_scored(automation: "Automation") -> None:
    automation.score("sim-a-1", model="sim/1")
    automation.score("sim-b-2")
    judge(automation, "sim", Status.APPROVED)
    judge(automation, "sim", Status.APPROVED, version=2)
    # Another run key than with the first champion, whose run may have failed.
    assert requests(automation.tick("first_model_sensor")) == [("sim-b-2-sim/2", "sim-b-2", "sim")]


def test_a_withdrawn_champion_scores_nothing(automation: "Automation") -> None:
    automation.score("sim-a-1")
    judge(automation, "sim", Status.APPROVED)
    judge(automation, "sim", Status.REJECTED)
    tick = automation.tick("first_model_sensor")
    assert requests(tick) == []
    assert tick.skip_message == IDLE


def test_ticks_are_capped_and_take_turns(automation: "Automation") -> None:
    """An upload whose scoring always fails must not keep the last ones waiting."""
    automation.configure(uploads_per_tick=2)
    for key in ("sim-a-1", "sim-b-2", "sim-c-3"):
        automation.score(key)
    judge(automation, "sim", Status.APPROVED)
    cursor: str | None = None
    found = []
    for _ in range(3):
        tick = automation.tick("first_model_sensor", cursor)
        cursor = tick.cursor
        found.append([key for _, key, _ in requests(tick)])
    assert found == [["sim-a-1", "sim-b-2"], ["sim-c-3"], ["sim-a-1", "sim-b-2"]]
