"""Runs of the project's jobs in this process, on an instance that is kept."""

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import dagster as dg
import psutil
from dagster import DagsterEventType, DagsterRun, DagsterRunStatus, RunsFilter
from sqlalchemy.exc import SQLAlchemyError

HOST_TAG: Final = "fraud/host"
PID_TAG: Final = "fraud/pid"
STARTED_TAG: Final = "fraud/process_started"
COMMAND_TAG: Final = "fraud/command"

DEAD_RUNS_LOOKED_FOR_SECONDS: Final = 20.0

_UNFINISHED: Final = (
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
_REASON_LENGTH: Final = 600
# Errors of this project are written for people; those of libraries need their class to be found.
_OWN_ERROR: Final = re.compile(r"^(?:fraud_assets|resources|gpu_ops|schedules)\.[\w.]+: ")
# Two readings of one process's start may differ by the correction of the clock in between.
_START_TOLERANCE_SECONDS: Final = 2.0
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
    dead = [run for run in instance.get_runs(filters) if _process_is_gone(run)]
    for run in dead:
        instance.report_run_failed(run, message="The process of this run ended before it did.")
    _free_slots(instance, dead)
    return [run.run_id for run in dead]


@contextmanager
def dead_runs_watched(
    instance: dg.DagsterInstance,
    say: Callable[[str], None],
    every_seconds: float = DEAD_RUNS_LOOKED_FOR_SECONDS,
) -> Iterator[None]:
    """Reports dead runs now and, while a block works, again and again.

    A run of another process may be killed while this one waits for its pool slot.

    Args:
        instance: Whose runs.
        say: Gets a line for each.
        every_seconds: Time between two looks.
    """
    ended = threading.Event()

    def report() -> None:
        for run_id in fail_dead_runs(instance):
            say(f"run {run_id[:8]} had been killed; reported as failed, its work starts anew")

    def keep_looking() -> None:
        while not ended.wait(every_seconds):
            # A database that is busy for long must not end the watch: the next look is as good.
            with suppress(SQLAlchemyError, dg.DagsterError):
                report()

    report()
    watch = threading.Thread(target=keep_looking, name="dead-runs", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _process_is_gone(run: DagsterRun) -> bool:
    """Whether the process that a run names has ended; a run that names none is not ours."""
    try:
        pid, started = int(run.tags[PID_TAG]), float(run.tags[STARTED_TAG])
    except (KeyError, ValueError):
        return False
    try:
        process = psutil.Process(pid)
        has_ended = process.status() == psutil.STATUS_ZOMBIE
        return has_ended or abs(process.create_time() - started) > _START_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
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
    only: Sequence[str] | None = None,
) -> RunOutcome:
    """Run a job, or `only` some of its assets, to its end in this process; say how it went."""
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=partition_key,
        asset_selection=None if only is None else [dg.AssetKey(name) for name in only],
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
            text = "no reason given" if cause is None else plain(cause.message)
            return f"{event.step_key}: {text}"
    for event in result.all_events:
        if event.event_type is DagsterEventType.PIPELINE_FAILURE:
            return plain(str(event.message))
    return ""


def plain(message: str) -> str:
    """The first line of an error; the class is left out where the text is written for a person."""
    first = (message.strip().splitlines() or ["no reason given"])[0]
    return _OWN_ERROR.sub("", first)[:_REASON_LENGTH]
