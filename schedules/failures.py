"""Writes every failed run to the outbox, where notifiers pick it up."""

import dagster as dg

from resources.lake import Lake
from resources.notifier import Outbox


# No list of jobs: a single asset that somebody started in the UI fails as a run of none of them.
@dg.run_failure_sensor(
    name="failure_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A failed run becomes one message in the outbox.",
)
def failure_sensor(context: dg.RunFailureSensorContext, lake: dg.ResourceParam[Lake]) -> None:
    """One message a failed run, also when the tick is repeated."""
    run = context.dagster_run
    steps = [_of_step(event) for event in context.get_step_failure_events()]
    # Without a failed step the run itself tells why: its process was lost, it took too long.
    reason = "; ".join(steps) or context.failure_event.message or "no reason given"
    Outbox(lake).publish_failure(run.run_id, run.job_name, reason)


def _of_step(event: dg.DagsterEvent) -> str:
    """The step and its error in its own words, without the stack."""
    failure = event.step_failure_data
    described = failure.user_failure_data
    if described is not None and described.description:
        return f"{event.step_key}: {described.description}"
    error = failure.error
    # Dagster wraps an error of an asset's body in one of its own.
    cause = error.cause if error is not None and error.cause is not None else error
    return f"{event.step_key}: {cause.message.strip() if cause is not None else 'no reason given'}"
