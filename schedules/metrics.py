"""Measures every run that ends; part of the code location only where metrics are switched on."""

from datetime import UTC, datetime
from typing import Final

import dagster as dg

from fraud_assets.jobs import FEED_TAG
from resources.measurements import MetricSink
from schedules.run_measurements import Ended, Made, run_measurements


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    name="succeeded_runs_metrics",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Durations, rows, scores and alerts of runs that succeeded become metrics.",
)
def succeeded_runs_metrics(
    context: dg.RunStatusSensorContext, metrics: dg.ResourceParam[MetricSink]
) -> None:
    """One run; where metrics cannot be handed on, they are lost and the tick says so."""
    _measure(context, metrics)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.FAILURE,
    name="failed_runs_metrics",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Failed runs, and what they published before they failed, become metrics.",
)
def failed_runs_metrics(
    context: dg.RunStatusSensorContext, metrics: dg.ResourceParam[MetricSink]
) -> None:
    """One run; where metrics cannot be handed on, they are lost and the tick says so."""
    _measure(context, metrics)


METRICS_SENSORS: Final = (succeeded_runs_metrics, failed_runs_metrics)


def _measure(context: dg.RunStatusSensorContext, metrics: MetricSink) -> None:
    run = context.dagster_run
    record = context.instance.get_run_record_by_id(run.run_id)
    if record is None:  # deleted since
        return
    ended = record.end_time or record.update_timestamp.timestamp()
    metrics.emit(
        run_measurements(
            Ended(
                run_id=run.run_id,
                job=run.job_name,
                feed=run.tags.get(FEED_TAG),
                succeeded=run.status is dg.DagsterRunStatus.SUCCESS,
                at=datetime.fromtimestamp(ended, tz=UTC),
                seconds=None if record.start_time is None else ended - record.start_time,
            ),
            _made(context.instance, run.run_id),
        )
    )


def _made(instance: dg.DagsterInstance, run_id: str) -> list[Made]:
    """The run's materializations with their numbers."""
    found = []
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        made = entry.asset_materialization
        if made is not None:
            figures = {
                name: float(value.value)
                for name, value in made.metadata.items()
                if isinstance(value, dg.IntMetadataValue | dg.FloatMetadataValue)
                and value.value is not None
            }
            at = datetime.fromtimestamp(entry.timestamp, tz=UTC)
            found.append(Made("/".join(made.asset_key.path), at, figures))
    return found
