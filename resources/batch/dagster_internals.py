"""Everything of Dagster that is private and used by this project, in this one module.

Dagster's step launchers are public (`dagster.StepLauncher`) and superseded by Pipes, but kept; what
a launcher needs to hand a step to another process is not public. Each import below says what for.
`tests/batch/test_step_in_a_process.py` runs all of them in a real second process, so that an
upgrade of Dagster that changes one of them is seen there first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import dagster as dg

# Loads the repository by a module's name, in the container, whatever the host's paths were.
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.definitions.data_version import DataVersion
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository

# What a step refers to, made for launchers: run, key, retry mode and known state.
from dagster._core.definitions.step_launcher import StepRunRef

# Lets a waiting step be interrupted: during a step Dagster holds interrupts back.
from dagster._core.errors import raise_execution_interrupts

# An event of the run that belongs to no output, with metadata.
from dagster._core.events import EngineEventData

# Where a step keeps the versions of its inputs; see `_KnownVersions`.
from dagster._core.execution.context.data_version_cache import (
    DataVersionCache,
    InputAssetVersionInfo,
)

# The two ways to run a step here: with its errors made events (container), and plainly (host).
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.execute_step import core_dagster_event_sequence_for_step

# The container's side of a launcher: an instance in memory, and a step's context on it.
from dagster._core.execution.plan.external_step import (
    external_instance_from_step_run_ref,
    step_run_ref_to_step_context,
)

# Dagster's own JSON, which makes only classes that Dagster registered for it: no pickle.
from dagster._serdes import deserialize_value, serialize_value

# Takes SIGTERM over while a step's own code runs; see `own_sigterm`.
from dagster._utils import interrupts

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext
    from dagster._core.execution.plan.state import KnownExecutionState
    from dagster._core.execution.retries import RetryMode
    from dagster_shared.serdes.serdes import PackableValue

    StepContext: TypeAlias = StepExecutionContext

Metadata = Mapping[str, dg.MetadataValue | str | int]

_TERMINAL: Final = frozenset(
    {
        dg.DagsterEventType.STEP_SUCCESS,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.STEP_UP_FOR_RETRY,
        dg.DagsterEventType.STEP_SKIPPED,
    }
)
# What an attempt of a step leaves in the event log for others to read.
_RESULTS: Final = frozenset(
    {
        dg.DagsterEventType.STEP_OUTPUT,
        dg.DagsterEventType.HANDLED_OUTPUT,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_OBSERVATION,
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.STEP_EXPECTATION_RESULT,
    }
)


def as_text(step_context: "StepContext") -> str:
    """A step, with the events and versions of its inputs, as JSON for another process.

    The repository is not in it: the other process loads its own. So no path and no name of a
    module of this machine travels, and none has to be trusted over there.
    """
    run = step_context.dagster_run._replace(job_code_origin=None, remote_job_origin=None)
    # Fetched here, where the history is: the container's instance has none.
    step_context.fetch_external_input_asset_version_info()
    versions = step_context.input_asset_records or {}
    seeds = [step_context.instance.get_latest_materialization_event(key) for key in versions]
    return serialize_value(
        {
            "run": run,
            "run_config": cast("PackableValue", step_context.run_config),
            "retry_mode": step_context.retry_mode,
            "step_key": step_context.step.key,
            "known_state": step_context.get_known_state(),
            "versions": [_version_text(key, version) for key, version in versions.items()],
            "seeds": [seed for seed in seeds if seed is not None],
        }
    )


def from_text(
    text: str, module: str, attribute: str, listener: Callable[[dg.EventLogEntry], None]
) -> "StepContext":
    """The step of `as_text` in this process, on an instance in memory.

    Args:
        text: What `as_text` made.
        module: The module of this process's own code location.
        attribute: The name of the Definitions in it.
        listener: Gets every event of the step.
    """
    parts = cast("Mapping[str, object]", deserialize_value(text))
    run = cast("dg.DagsterRun", parts["run"])
    repository = ReconstructableRepository(ModuleCodePointer(module, attribute))
    reference = StepRunRef(
        run_config=cast("Mapping[str, object]", parts["run_config"]),
        dagster_run=run,
        run_id=run.run_id,
        retry_mode=cast("RetryMode", parts["retry_mode"]),
        step_key=cast("str", parts["step_key"]),
        recon_job=ReconstructableJob(repository, run.job_name),
        known_state=cast("KnownExecutionState", parts["known_state"]),
    )
    instance = external_instance_from_step_run_ref(reference, event_listener_fn=listener)
    for seed in cast("Sequence[dg.EventLogEntry]", parts["seeds"]):
        instance.store_event(seed)
    step_context = step_run_ref_to_step_context(reference, instance)
    _add_partition(step_context)
    versions = cast("Sequence[Sequence[str | int | float | None]]", parts["versions"])
    step_context._data_version_cache = _KnownVersions(step_context, versions)  # noqa: SLF001
    return step_context


def run_here(step_context: "StepContext") -> Iterator[dg.DagsterEvent]:
    """Run a step of `from_text` to its end; errors of the step become its last event."""
    return dagster_event_sequence_for_step(step_context, force_local_execution=True)


def run_in_process(step_context: "StepContext") -> Iterator[dg.DagsterEvent]:
    """What Dagster itself does with a step that has no launcher; for use in `launch_step`."""
    return core_dagster_event_sequence_for_step(step_context)


def engine_event(step_context: "StepContext", message: str, metadata: Metadata) -> dg.DagsterEvent:
    """Record an event of the run that belongs to no output."""
    return dg.DagsterEvent.engine_event(step_context, message, EngineEventData(metadata))


def interruptible() -> AbstractContextManager[None]:
    """A block in which the end of the run is raised as DagsterExecutionInterruptedError."""
    return raise_execution_interrupts()


@contextmanager
def own_sigterm() -> Iterator[None]:
    """A block in which SIGTERM stays with the handler that the process gave it.

    Dagster has it do what SIGINT does, and makes the interruption the end of the step, a failure
    or a retry; but the container of a machine that is taken away is started again.
    """
    functions = vars(interrupts)
    theirs = functions["setup_interrupt_handlers"]
    functions["setup_interrupt_handlers"] = lambda: None
    try:
        yield
    finally:
        functions["setup_interrupt_handlers"] = theirs


def load_location(module: str, attribute: str) -> None:
    """Load a code location as a step's container does; whatever its code raises is raised."""
    ReconstructableRepository(ModuleCodePointer(module, attribute)).get_definition()


def add_metadata(step_context: "StepContext", metadata: Metadata) -> None:
    """Add metadata to whatever the step will materialize."""
    for output in step_context.op_def.output_defs:
        if not output.is_dynamic:
            step_context.add_output_metadata(metadata, output_name=output.name)


def events_to_text(entries: Sequence[dg.EventLogEntry]) -> str:
    """Log entries as JSON."""
    return serialize_value(list(entries))


def events_from_text(text: str) -> list[dg.EventLogEntry]:
    """The log entries of `events_to_text`.

    Raises:
        ValueError: The text is something else.
    """
    entries = deserialize_value(text)
    if not isinstance(entries, list) or not all(isinstance(e, dg.EventLogEntry) for e in entries):
        raise ValueError("these are no entries of an event log")
    return entries


def is_terminal(entry: dg.EventLogEntry) -> bool:
    """Whether a step's attempt is over with this entry."""
    event = entry.dagster_event
    return event is not None and event.event_type in _TERMINAL


def is_result(entry: dg.EventLogEntry) -> bool:
    """Whether an entry states what an attempt made; it counts only if the attempt ended well."""
    event = entry.dagster_event
    return event is not None and event.event_type in _RESULTS


def is_of_step(entry: dg.EventLogEntry, step_context: "StepContext") -> bool:
    """Whether an entry is one that a step's own container may write.

    The start or end of a run would start or end it here, and the end of another step that one. An
    entry and the event in it each name a step.
    """
    own, event = step_context.step.key, entry.dagster_event
    if entry.run_id != step_context.run_id:
        return False
    if event is None:
        return entry.step_key in {None, own}
    named = {entry.step_key, event.step_key}
    return not event.is_job_event and named <= ({own} if event.is_step_event else {None, own})


class _KnownVersions(DataVersionCache):
    """Input versions as the host knows them.

    Events seeded into the container's instance get new storage ids there, and the versions of a
    partitioned input depend on partitions that the instance has never heard of. Taking over what
    the host found keeps `dagster/input_data_version/*` and `dagster/input_event_pointer/*` exact;
    without, Dagster records the inputs as INITIAL and shows the asset as stale.
    """

    def __init__(
        self, context: "StepContext", versions: Sequence[Sequence[str | int | float | None]]
    ) -> None:
        super().__init__(context)
        self._known = dict(map(_version_from, versions))

    def fetch_external_input_asset_version_info(self) -> None:
        self.input_asset_version_info = dict(self._known)
        self.is_external_input_asset_version_info_loaded = True


def _version_text(
    key: dg.AssetKey, version: InputAssetVersionInfo | None
) -> list[str | int | float | None]:
    if version is None:
        return [key.to_string()]
    return [
        key.to_string(),
        version.storage_id,
        version.event_type.value,
        None if version.data_version is None else version.data_version.value,
        version.run_id,
        version.timestamp,
    ]


def _version_from(
    parts: Sequence[str | int | float | None],
) -> tuple[dg.AssetKey, InputAssetVersionInfo | None]:
    key = dg.AssetKey.from_db_string(cast("str", parts[0]))
    if key is None:
        raise ValueError(f"{parts[0]!r} is no asset key")
    if len(parts) == 1:
        return key, None
    _, storage_id, event_type, data_version, run_id, timestamp = parts
    return key, InputAssetVersionInfo(
        storage_id=cast("int", storage_id),
        event_type=dg.DagsterEventType(event_type),
        data_version=None if data_version is None else DataVersion(str(data_version)),
        run_id=str(run_id),
        timestamp=cast("float", timestamp),
    )


def _add_partition(step_context: "StepContext") -> None:
    """Make the step's own dynamic partition known to the instance in memory.

    `run_step_from_ref` of Dagster does this; it is not used, since it gives no hold of the context.
    """
    if not step_context.has_partition_key:
        return
    for name in step_context.op_def.output_dict:
        partitions = step_context.partitions_def_for_output(output_name=name)
        if isinstance(partitions, dg.DynamicPartitionsDefinition) and partitions.name is not None:
            step_context.instance.add_dynamic_partitions(
                partitions.name, [step_context.partition_key]
            )
