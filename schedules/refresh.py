"""Starts `refresh_alerts` when something was scored since the alerts were made."""

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from fraud_assets.jobs import JOB_TAG, REFRESH
from fraud_assets.refresh import digest_of, published_digest, scored_uploads
from resources.lake import Lake
from resources.versions import Versions

_IN_FLIGHT = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
)


@dg.sensor(
    name="refresh_sensor",
    job=REFRESH,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Renews account graph, rings and alerts when transactions were scored.",
)
def refresh_sensor(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult | dg.SkipReason:
    """One tick: at most one run at a time, one run a digest, again if that run failed.

    The cursor is `<digest>-<try>`, which is also the run key: a failed run is requested again
    under the next number, a digest that was published never.
    """
    versions = Versions(lake)
    digest = digest_of(scored_uploads(versions))
    if digest is None:
        return dg.SkipReason("Nothing is scored yet.")
    if digest == published_digest(versions):
        return dg.SkipReason("The alerts are up to date.")
    running = context.instance.get_runs_count(
        RunsFilter(statuses=list(_IN_FLIGHT), tags={JOB_TAG: REFRESH.name})
    )
    if running:
        return dg.SkipReason("A refresh is queued or running.")
    run_key = f"{digest}-{_tries(context.cursor, digest) + 1}"
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key)], cursor=run_key)


def _tries(cursor: str | None, digest: str) -> int:
    """How often a run was requested for this digest."""
    asked, _, tries = (cursor or "").rpartition("-")
    return int(tries) if asked == digest else 0
