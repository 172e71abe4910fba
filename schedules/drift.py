"""Looks for drift every night, and asks for a training when it lasts."""

from datetime import UTC, datetime
from itertools import groupby

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from fraud_assets.drift_report import latest_records
from fraud_assets.drift_schemas import WindowRecord
from fraud_assets.feeds import load_feeds
from fraud_assets.jobs import DRIFT, JOB_TAG, TRAIN
from fraud_assets.training import Trainable, assess
from gpu_ops.drift_windows import retraining_due
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.settings import Settings
from resources.versions import Versions

_IN_FLIGHT = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)


@dg.schedule(
    name="nightly_drift",
    job=DRIFT,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Measures drift: labels ripen also on days on which nothing lands.",
)
def nightly_drift() -> dg.RunRequest:
    """One run a night, before the training; windows that are known already are kept."""
    return dg.RunRequest()


@dg.sensor(
    name="drift_retraining",
    job=TRAIN,
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Two bad windows in a row start a training; the gate decides about its model.",
)
def drift_retraining(
    context: dg.SensorEvaluationContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> dg.SensorResult | dg.SkipReason:
    """One tick: a training for each feed whose last two windows are bad, once a window.

    The run key is feed and end of the window, so a repeated report asks for nothing new; the
    cursor holds those that were asked for and are still due. A feed whose labels allow no training
    yet is asked about again. Windows of a former champion ask for nothing, since it scores no
    more; data faults never do. Nothing is promoted here: the job ends at the gate.
    """
    if not settings.drift_retraining:
        return dg.SkipReason("FRAUD_DRIFT_RETRAINING is off.")
    versions = Versions(lake)
    due = [
        last
        for _, mine in groupby(latest_records(versions), key=lambda one: one.feed)
        if (last := _due(versions, list(mine))) is not None
    ]
    if not due:
        return dg.SkipReason("No feed has two bad windows in a row.")
    if context.instance.get_runs_count(
        RunsFilter(statuses=list(_IN_FLIGHT), tags={JOB_TAG: TRAIN.name})
    ):
        return dg.SkipReason("A training is queued or running.")
    asked = set((context.cursor or "").split()) & {_run_key(one) for one in due}
    new = [one for one in due if _run_key(one) not in asked]
    if not new:
        return dg.SkipReason("A training was asked for each of these windows.")
    feeds, now = load_feeds(settings.feeds_dir), datetime.now(UTC)
    requests, reasons = [], []
    for one in new:
        found = assess(versions, feeds[one.feed], settings, now) if one.feed in feeds else None
        if isinstance(found, Trainable):
            requests.append(_request(one))
        else:
            reasons.append(f"{one.feed}: {'no such feed' if found is None else found.reason}")
    if not requests:
        return dg.SkipReason(f"Drift, but nothing to train on. {'; '.join(reasons)}")
    keys = {str(one.run_key) for one in requests}
    return dg.SensorResult(run_requests=requests, cursor=" ".join(sorted(asked | keys)))


def _due(versions: Versions, windows: list[WindowRecord]) -> WindowRecord | None:
    """The second of two bad windows in a row of a feed's champion."""
    feed = windows[-1].feed
    champion = ModelRegistry(versions).champion(feed)
    if champion is None:
        return None
    mine = [one for one in windows if one.model == champion.name]
    last = retraining_due([one.finding for one in mine])
    return next((one for one in mine if last is not None and one.end == last.end), None)


def _run_key(window: WindowRecord) -> str:
    return f"{window.feed}-{window.end:%Y-%m-%dT%H:%M:%SZ}"


def _request(window: WindowRecord) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=_run_key(window),
        run_config={"ops": {"training_set": {"config": {"feeds": [window.feed]}}}},
        tags={"fraud/drift": f"{window.feed} {window.end:%Y-%m-%d}"},
    )
