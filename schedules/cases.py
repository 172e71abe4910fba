"""Starts `take_in_cases` when alerts were published, or people decided cases."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from fraud_assets.case_due import why_due
from fraud_assets.jobs import CASES, JOB_TAG
from resources.case_store import CaseStoreError
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

_IN_FLIGHT: Final = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
_CALM: Final = timedelta(hours=1)
"""The table in the lake follows what people do at this distance; each one holds the whole log."""

_PAUSE: Final = timedelta(minutes=5)
"""Between runs that fail."""


@dg.sensor(
    name="cases_sensor",
    job=CASES,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes published alerts into cases, and lands the labels of closed ones.",
)
def cases_sensor(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult | dg.SkipReason:
    """One tick: one run at a time, as long as the table of cases is behind.

    There is no cursor: lake and store tell what is due, so nothing is lost with the instance. A
    store that is away skips the tick; alerts wait in the lake.
    """
    store = settings.open_cases(settings.lake)
    if store is None:
        return dg.SkipReason("A lake in S3 keeps cases with FRAUD_CASES_URL only.")
    now = datetime.now(UTC)
    try:
        due = why_due(Versions(lake), store, now, _CALM)
    except CaseStoreError as error:
        return dg.SkipReason(str(error))
    if due is None:
        return dg.SkipReason("The cases are up to date.")
    running = context.instance.get_runs_count(
        RunsFilter(statuses=list(_IN_FLIGHT), tags={JOB_TAG: CASES.name})
    )
    if running:
        return dg.SkipReason("Cases are being taken in.")
    last = context.instance.get_run_records(
        RunsFilter(statuses=[DagsterRunStatus.FAILURE], tags={JOB_TAG: CASES.name}), limit=1
    )
    ended = datetime.fromtimestamp((last[0].end_time if last else None) or 0.0, UTC)
    if ended + _PAUSE > now:
        return dg.SkipReason("The last run failed; the next one waits for 5 minutes.")
    return dg.SensorResult(run_requests=[dg.RunRequest()])
