"""The sensor asks for cases to be taken in while they are behind, one run at a time."""

from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from fraud_assets.jobs import JOB_TAG
from resources.case_settings import STORE_FILE
from resources.settings import Settings
from schedules.cases import cases_sensor
from tests.cases.made_lake import made, paid, published


def tick(settings: Settings, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    resources = {"settings": settings, "lake": settings.open_lake()}
    with dg.build_sensor_context(instance=instance, resources=resources) as context:
        result = cases_sensor(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def skipped(settings: Settings, instance: dg.DagsterInstance) -> str | None:
    result = tick(settings, instance)
    return result.skip_message if isinstance(result, dg.SkipReason) else None


def test_a_run_is_asked_for_while_cases_are_behind(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path / "lake"))
    with dg.DagsterInstance.ephemeral() as instance:
        assert skipped(settings, instance) == "The cases are up to date."
        published(settings, paid("t1"))
        result = tick(settings, instance)
        assert isinstance(result, dg.SensorResult)
        assert len(result.run_requests or []) == 1
        made(settings)
        assert skipped(settings, instance) == "The cases are up to date."


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTED, DagsterRunStatus.NOT_STARTED])
def test_one_run_at_a_time(tmp_path: Path, status: DagsterRunStatus) -> None:
    settings = Settings(lake=str(tmp_path / "lake"))
    published(settings, paid("t1"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_run(
            dg.DagsterRun(job_name="take_in_cases", status=status, tags={JOB_TAG: "take_in_cases"})
        )
        assert skipped(settings, instance) == "Cases are being taken in."


def test_a_run_that_fails_is_not_repeated_at_once(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path / "lake"))
    published(settings, paid("t1"))
    with dg.DagsterInstance.ephemeral() as instance:
        run = dg.DagsterRun(
            job_name="take_in_cases",
            status=DagsterRunStatus.STARTED,
            tags={JOB_TAG: "take_in_cases"},
        )
        instance.add_run(run)
        instance.report_run_failed(run)
        assert (
            skipped(settings, instance) == "The last run failed; the next one waits for 5 minutes."
        )


def test_a_store_that_is_away_skips_the_tick(tmp_path: Path) -> None:
    settings = Settings(lake=str(tmp_path / "lake"))
    published(settings, paid("t1"))
    made(settings)
    (tmp_path / "lake" / STORE_FILE).write_text("no database " * 100)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "put it back from a copy" in str(skipped(settings, instance))
        in_s3 = Settings(lake="s3://bucket/lake")
        assert "FRAUD_CASES_URL" in str(skipped(in_s3, instance))
