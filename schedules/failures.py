"""Writes every failed run to the outbox, where notifiers pick it up."""

import dagster as dg

from fraud_assets.jobs import JOBS
from resources.lake import Lake
from resources.notifier import Outbox


@dg.run_failure_sensor(
    name="failure_sensor",
    monitored_jobs=list(JOBS),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A failed run becomes one message in the outbox.",
)
def failure_sensor(context: dg.RunFailureSensorContext, lake: dg.ResourceParam[Lake]) -> None:
    """One message a failed run, also when the tick is repeated."""
    run = context.dagster_run
    reason = context.failure_event.message or "no reason given"
    Outbox(lake).publish_failure(run.run_id, run.job_name, reason)
