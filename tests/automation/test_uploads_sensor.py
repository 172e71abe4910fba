"""Every landed file becomes one run request, sooner or later, under one run key."""

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from resources.errors import LakeUnavailableError
from resources.lake import Lake, ObjectInfo

if TYPE_CHECKING:
    from dagster._core.definitions.sensor_definition import SensorExecutionData

    from tests.automation.conftest import Automation

ONE = "a\n1\n"  # SHA-256 309b0e45...
TWO = "a\n2\n"  # SHA-256 fa39ab7b...


def requested(tick: "SensorExecutionData") -> list[str]:
    """The run keys of a tick; each request must be for the partition of that name."""
    requests = tick.run_requests or []
    assert [one.run_key for one in requests] == [one.partition_key for one in requests]
    assert len({one.run_key for one in requests}) == len(requests)
    added = [key for add in tick.dynamic_partitions_requests or [] for key in add.partition_keys]
    assert added == [one.partition_key for one in requests]
    return added


def test_files_of_all_feeds_are_requested_oldest_first(automation: "Automation") -> None:
    automation.drop("sim/b.csv", ONE, changed=2_000)
    automation.drop("card/a.csv", ONE, changed=1_000)
    automation.drop("sim/a.csv", TWO, changed=3_000)
    automation.drop("aml/deep/c.csv", TWO, changed=2_500)
    tick = automation.tick("uploads_sensor")
    assert requested(tick) == [
        "card-a-309b0e45",
        "sim-b-309b0e45",
        "aml-c-fa39ab7b",
        "sim-a-fa39ab7b",
    ]
    assert [one.tags["feed"] for one in tick.run_requests or []] == ["card", "sim", "aml", "sim"]
    assert [add.partitions_def_name for add in tick.dynamic_partitions_requests or []] == [
        "uploads"
    ]
    assert tick.cursor == "4"


def test_an_empty_landing_is_a_skip_with_its_reason(automation: "Automation") -> None:
    tick = automation.tick("uploads_sensor")
    assert requested(tick) == []
    assert tick.skip_message == "No new upload."


def test_a_tick_takes_its_fill_and_the_next_one_the_rest(automation: "Automation") -> None:
    """Also while nothing of what was requested is processed yet."""
    automation.configure(uploads_per_tick=2)
    for number in range(1, 6):
        automation.drop(f"sim/f{number}.csv", changed=1_000 + number)
    new: list[list[str]] = []
    cursor: str | None = None
    for _ in range(3):
        before = {key for keys in new for key in keys}
        tick = automation.tick("uploads_sensor", cursor)
        cursor = tick.cursor
        new.append([key for key in requested(tick) if key not in before])
    assert new == [
        ["sim-f1-309b0e45", "sim-f2-309b0e45"],
        ["sim-f3-309b0e45", "sim-f4-309b0e45"],
        ["sim-f5-309b0e45"],
    ]
    assert cursor == "5"


@pytest.mark.parametrize(
    ("setting", "most"), [("uploads_per_tick", 2), ("upload_hash_bytes_per_tick", 2 * len(ONE))]
)
def test_a_tick_reads_no_more_than_the_settings_say(
    automation: "Automation", setting: str, most: int
) -> None:
    automation.configure(**{setting: most})
    for number in range(1, 4):
        automation.drop(f"sim/f{number}.csv", ONE, changed=1_000 + number)
    automation.tick("uploads_sensor")
    assert [one.file for one in automation.uploads.all()] == ["f1.csv", "f2.csv"]


def test_what_is_already_registered_is_capped_too(automation: "Automation") -> None:
    for number in range(1, 4):
        automation.drop(f"sim/f{number}.csv", changed=1_000 + number)
    automation.register()
    automation.configure(uploads_per_tick=2)
    tick = automation.tick("uploads_sensor")
    assert requested(tick) == ["sim-f1-309b0e45", "sim-f2-309b0e45"]
    assert tick.cursor == "2"


def test_new_content_under_an_old_name_is_a_new_upload(automation: "Automation") -> None:
    automation.drop("sim/a.csv", ONE, changed=1_000)
    first = automation.tick("uploads_sensor")
    automation.score("sim-a-309b0e45")
    automation.drop("sim/a.csv", TWO, changed=2_000)
    second = automation.tick("uploads_sensor", first.cursor)
    assert requested(second) == ["sim-a-fa39ab7b"]
    assert second.cursor == "2"


def test_the_same_bytes_again_are_nothing_new(automation: "Automation") -> None:
    automation.drop("sim/a.csv", ONE, changed=1_000)
    first = automation.tick("uploads_sensor")
    automation.score("sim-a-309b0e45")
    automation.drop("sim/a.csv", ONE, changed=2_000)
    second = automation.tick("uploads_sensor", first.cursor)
    assert requested(second) == []
    assert second.skip_message == "No new upload."


def test_a_late_file_with_an_old_time_is_found(automation: "Automation") -> None:
    automation.drop("sim/b.csv", changed=2_000)
    first = automation.tick("uploads_sensor")
    automation.score("sim-b-309b0e45")
    automation.drop("sim/a.csv", changed=1_000)
    automation.drop("card/a.csv", changed=2_000)
    second = automation.tick("uploads_sensor", first.cursor)
    assert requested(second) == ["sim-a-309b0e45", "card-a-309b0e45"]


def test_a_file_that_changed_a_moment_ago_waits(
    automation: "Automation", monkeypatch: pytest.MonkeyPatch
) -> None:
    automation.drop("sim/done.csv", changed=time.time() - 10)
    assert requested(automation.tick("uploads_sensor")) == ["sim-done-309b0e45"]
    automation.score("sim-done-309b0e45")
    # A minute in place of three seconds, since a busy machine may need those for the tick.
    monkeypatch.setattr("schedules.uploads.SETTLED_AFTER", timedelta(minutes=1))
    automation.drop("sim/growing.csv", changed=time.time())
    tick = automation.tick("uploads_sensor", "1")
    assert requested(tick) == []
    assert tick.skip_message == "No new upload; 1 still being written."
    automation.drop("sim/growing.csv", changed=time.time() - 61)
    assert requested(automation.tick("uploads_sensor", "1")) == ["sim-growing-309b0e45"]


def test_uploads_before_the_cursor_are_looked_at_again(automation: "Automation") -> None:
    """One that the command line registered is requested, one that is done or refused is not."""
    for number in range(1, 5):
        automation.drop(f"sim/f{number}.csv", changed=1_000 + number)
    automation.register()
    automation.score("sim-f1-309b0e45")
    automation.uploads.record_refusal("sim-f3-309b0e45", "no header", feed_digest="0")
    tick = automation.tick("uploads_sensor", "4")
    assert requested(tick) == ["sim-f2-309b0e45", "sim-f4-309b0e45"]
    assert tick.cursor == "4"


def test_the_look_back_is_fifty_uploads(automation: "Automation") -> None:
    for number in range(1, 53):
        automation.drop(f"sim/f{number:02d}.csv", changed=1_000 + number)
    automation.register()
    keys = [f"sim-f{number:02d}-309b0e45" for number in range(3, 53)]
    assert requested(automation.tick("uploads_sensor", "52")) == keys


def test_the_cursor_of_another_lake_hides_nothing(automation: "Automation") -> None:
    automation.drop("sim/a.csv")
    tick = automation.tick("uploads_sensor", "200")
    assert requested(tick) == ["sim-a-309b0e45"]
    assert tick.cursor == "1"


@pytest.mark.parametrize("place", ["landing", "augmented"])
def test_an_error_fails_the_tick_and_loses_nothing(
    automation: "Automation", place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    automation.drop("sim/a.csv", changed=1_000)
    cursor = automation.tick("uploads_sensor").cursor
    automation.score("sim-a-309b0e45")
    automation.drop("sim/b.csv", changed=2_000)
    automation.drop("card/c.csv", changed=3_000)
    listing = Lake.list

    def failing(lake: Lake, prefix: str) -> list[ObjectInfo]:
        if prefix == place:
            raise LakeUnavailableError(f"no permission to list {prefix}")
        return listing(lake, prefix)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "list", failing)
        with pytest.raises(LakeUnavailableError, match=f"no permission to list {place}"):
            automation.tick("uploads_sensor", cursor)
    tick = automation.tick("uploads_sensor", cursor)
    assert requested(tick) == ["sim-b-309b0e45", "card-c-309b0e45"]


def test_what_nobody_reads_is_only_warned_of(
    automation: "Automation", capfd: pytest.CaptureFixture[str]
) -> None:
    automation.drop("nobody/a.csv")
    automation.drop("sim/x.csv#1")
    automation.drop("sim/notes.docx")
    automation.drop("sim/a.csv")
    tick = automation.tick("uploads_sensor")
    assert requested(tick) == ["sim-a-309b0e45"]
    written = capfd.readouterr().err
    assert "landing/nobody/: no feed has this name (1 files); feeds: aml, card, " in written
    assert "landing/sim/x.csv#1: its name hides it from listings; rename it" in written
    assert "landing/sim/notes.docx: expected one of .csv " in written
