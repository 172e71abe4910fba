"""Every night the lake loses what killed and superseded runs left in it."""

import os
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.versions import Slot

if TYPE_CHECKING:
    from tests.automation.conftest import Automation

SLOT = Slot.snapshot("graphs/account_graph")
TWO_DAYS = 2 * 86_400.0


def files(automation: "Automation") -> list[str]:
    """The attempts that have tables."""
    return sorted(path.parent.name for path in automation.lake.rglob("part-*.parquet"))


def publish(automation: "Automation", *numbers: int) -> None:
    for number in numbers:
        attempt = automation.versions.begin(SLOT, f"run-{number}")
        attempt.write_table(_table(number))
        automation.versions.publish(attempt, inputs={})
    unfinished = automation.versions.begin(SLOT, "run-killed")
    unfinished.write_table(_table(0))


def _table(number: int) -> pl.DataFrame:
    return pl.DataFrame({"number": [number]})


def age(automation: "Automation", seconds: float) -> None:
    """Make all files of the lake so much older."""
    for path in automation.lake.rglob("*"):
        if path.is_file():
            changed = path.stat().st_mtime - seconds
            os.utime(path, (changed, changed))


def test_every_night_starts_one_cleaning(automation: "Automation") -> None:
    tick = automation.night("nightly_cleaning")
    assert tick.skip_message is None
    assert tick.run_requests is not None
    assert len(tick.run_requests) == 1


def test_it_runs_without_being_switched_on(automation: "Automation") -> None:
    schedule = automation.definitions.resolve_schedule_def("nightly_cleaning")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * *", "UTC")


def test_it_removes_what_is_superseded_or_unfinished_and_older_than_a_day(
    automation: "Automation",
) -> None:
    publish(automation, 1, 2, 3, 4)
    assert automation.run("clean_lake").success
    assert len(files(automation)) == 5, "a run may still be writing these"
    age(automation, TWO_DAYS)
    assert automation.run("clean_lake").success
    assert files(automation) == ["attempt=run-3", "attempt=run-4"]


def test_an_empty_lake_is_clean(automation: "Automation") -> None:
    assert automation.run("clean_lake").success
    assert not automation.lake.exists()
