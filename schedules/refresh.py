"""Starts `refresh_alerts` when something was scored since the alerts were made."""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from fraud_assets.jobs import JOB_TAG, REFRESH
from fraud_assets.published import fill_outbox
from fraud_assets.refresh import digest_of, published_digest, scored_uploads
from resources.lake import Lake
from resources.versions import Versions

_IN_FLIGHT = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
_LONGEST_PAUSE: Final = timedelta(hours=1)


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
    under the next number, a digest that was published never. The second try comes at once, the
    next ones after 1, 2, 4 and more minutes: what fails for good must not fail twice a minute.
    """
    versions = Versions(lake)
    digest = digest_of(scored_uploads(versions))
    if digest is None:
        return dg.SkipReason("Nothing is scored yet.")
    if digest == published_digest(versions):
        # A run that was killed after it had published left its alerts out of the outbox; its
        # repetition cannot make up for it, since these alerts are published already.
        fill_outbox(versions)
        return dg.SkipReason("The alerts are up to date.")
    running = context.instance.get_runs_count(
        RunsFilter(statuses=list(_IN_FLIGHT), tags={JOB_TAG: REFRESH.name})
    )
    if running:
        return dg.SkipReason("A refresh is queued or running.")
    tries = _tries(context.cursor, digest)
    pause = _pause(tries)
    if pause and _last_end(context.instance) + pause > datetime.now(UTC):
        return dg.SkipReason(f"No refresh of {tries} succeeded; the next waits for {pause}.")
    run_key = f"{digest}-{tries + 1}"
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=run_key)], cursor=run_key)


def _tries(cursor: str | None, digest: str) -> int:
    """How often a run was requested for this digest."""
    asked, _, tries = (cursor or "").rpartition("-")
    return int(tries) if asked == digest else 0


def _pause(tries: int) -> timedelta:
    """How long after the last of so many tries the next one waits."""
    if tries <= 1:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(tries - 2, 10)), _LONGEST_PAUSE)


def _last_end(instance: dg.DagsterInstance) -> datetime:
    """When the last refresh ended, UTC."""
    last = instance.get_run_records(RunsFilter(tags={JOB_TAG: REFRESH.name}), limit=1)
    ended = last[0].end_time if last else None
    return datetime.fromtimestamp(ended or 0.0, UTC)
