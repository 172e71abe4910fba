"""Runs of the project's jobs in this process, on an instance that is kept."""

import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources as package_files
from pathlib import Path
from typing import Final

import dagster as dg
import psutil
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter

HOST_TAG: Final = "fraud/host"
PID_TAG: Final = "fraud/pid"
STARTED_TAG: Final = "fraud/process_started"
COMMAND_TAG: Final = "fraud/command"

_UNFINISHED: Final = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
_REASON_LENGTH: Final = 600
# The console shows what a person must know; every event is in the instance all the same.
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class AssetFigures:
    """What one or more materializations of an asset took."""

    rows: int
    seconds: float
    peak_mib: float

    def __add__(self, other: "AssetFigures") -> "AssetFigures":
        return AssetFigures(
            self.rows + other.rows,
            round(self.seconds + other.seconds, 3),
            max(self.peak_mib, other.peak_mib),
        )


@dataclass(frozen=True)
class RunOutcome:
    """How one run ended."""

    run_id: str
    success: bool
    reason: str = ""
    assets: Mapping[str, AssetFigures] = field(default_factory=dict)


def instance_home() -> Path:
    """The folder of the kept instance: DAGSTER_HOME, else `.dagster` here."""
    return Path(os.environ.get("DAGSTER_HOME") or ".dagster").resolve()


def open_instance() -> dg.DagsterInstance:
    """The kept instance; its folder and `dagster.yaml` are made where they are absent."""
    home = instance_home()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    if not config.exists():
        shutil.copyfile(_default_config(), config)
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()


def _default_config() -> Path:
    root = Path(str(package_files.files("fraud_assets"))).parent / "dagster.yaml"
    if not root.exists():
        raise FileNotFoundError(
            f"no dagster.yaml in {instance_home()} and none at {root}; copy the project's there"
        )
    return root


def process_tags(command: str) -> dict[str, str]:
    """Tags that say which process a run lives in."""
    me = psutil.Process()
    return {
        HOST_TAG: socket.gethostname(),
        PID_TAG: str(me.pid),
        STARTED_TAG: f"{me.create_time():.2f}",
        COMMAND_TAG: command,
    }


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report as failed the command line's unfinished runs whose process is gone.

    Their pool slots are freed, else a killed run in a pooled asset would block the next one. Runs
    without the command line's tags, those of `dagster dev`, are left alone, and so are runs of
    other hosts, whose processes cannot be seen from here.

    Returns:
        The ids of the runs that were reported.
    """
    filters = RunsFilter(statuses=list(_UNFINISHED), tags={HOST_TAG: socket.gethostname()})
    dead = [run for run in instance.get_runs(filters) if not _process_lives(run)]
    for run in dead:
        instance.report_run_failed(run, message="The process of this run ended before it did.")
    _free_slots(instance, dead)
    return [run.run_id for run in dead]


def _process_lives(run: DagsterRun) -> bool:
    try:
        process = psutil.Process(int(run.tags[PID_TAG]))
        return f"{process.create_time():.2f}" == run.tags[STARTED_TAG]
    except (psutil.Error, KeyError, ValueError):
        return False


def _free_slots(instance: dg.DagsterInstance, runs: Iterable[DagsterRun]) -> None:
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        for run in runs:
            storage.free_concurrency_slots_for_run(run.run_id)


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    *,
    tags: Mapping[str, str],
    partition_key: str | None = None,
    config: Mapping[str, object] | None = None,
) -> RunOutcome:
    """Run a job to its end in this process and say how it went."""
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=partition_key,
        tags=dict(tags),
        run_config={**_QUIET, **(config or {})},
        raise_on_error=False,
    )
    figures: dict[str, AssetFigures] = {}
    for event in result.all_events:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            materialization = event.step_materialization_data.materialization
            name = materialization.asset_key.to_user_string()
            found = _figures(materialization.metadata)
            figures[name] = figures[name] + found if name in figures else found
    return RunOutcome(result.run_id, result.success, _reason(result), figures)


def _figures(metadata: Mapping[str, dg.MetadataValue]) -> AssetFigures:
    def number(key: str) -> float:
        value = metadata[key].value if key in metadata else 0.0
        return float(value) if isinstance(value, int | float) else 0.0

    return AssetFigures(int(number("dagster/row_count")), number("seconds"), number("peak_mib"))


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """The first failed step's own words, without a stack."""
    for event in result.all_events:
        if event.event_type is DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            described = failure.user_failure_data
            if described is not None and described.description:
                return described.description[:_REASON_LENGTH]
            error = failure.error
            cause = error.cause if error is not None and error.cause is not None else error
            text = cause.message.strip() if cause is not None else "no reason given"
            return f"{event.step_key}: {text}"[:_REASON_LENGTH]
    for event in result.all_events:
        if event.event_type is DagsterEventType.PIPELINE_FAILURE:
            return str(event.message)[:_REASON_LENGTH]
    return ""
