"""Runs the steps of heavy assets on Batch, and small ones where they are."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import dagster as dg

from resources.batch import dagster_internals as internals
from resources.batch.errors import masked
from resources.batch.mail import Address
from resources.batch.pace import Pace
from resources.batch.payload import PROJECT, CodeLocation, Fingerprint, StepPayload, digest
from resources.batch.port import (
    SPOT_RULES,
    Batch,
    BatchUnavailableError,
    JobSpec,
    RetryRule,
    job_name,
    tag_value,
)
from resources.batch.routing import Decision, compute_of, route
from resources.batch.watch import Patience, StepWatch
from resources.lake import Lake

if TYPE_CHECKING:
    from resources.batch.dagster_internals import StepContext

STEPS: Final = "steps"
"""The folder of the lake through which host and containers talk."""

ENTRY: Final = ("python", "-m", "resources.batch.entry")

RowCounter: TypeAlias = Callable[[str, str | None], int | None]
"""Input rows of an asset and, where it has partitions, of one; None if unknown."""


@dataclass(frozen=True)
class StepJob:
    """What kind of job a step becomes.

    Attributes:
        queue: Name or ARN of the job queue.
        definition: Name, `name:revision` or ARN of the job definition.
        environment: Variables of the container; its settings, never credentials.
        command: What starts the container's side; arguments are added.
        vcpus: None: as the definition says.
        memory_mib: None: as the definition says.
        gpus: None: as the definition says.
        attempts: How often Batch may start the container.
        retry_rules: When it does so again; by default when a Spot instance was taken away.
        timeout_seconds: Longest run time of one attempt.
    """

    queue: str
    definition: str
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ENTRY
    vcpus: int | None = None
    memory_mib: int | None = None
    gpus: int | None = None
    attempts: int = 3
    retry_rules: tuple[RetryRule, ...] = SPOT_RULES
    timeout_seconds: int = 2 * 60 * 60


def to_stderr(line: str) -> None:
    """Say a line of a job's log; Dagster keeps a run's standard error among its compute logs.

    Not standard output: there the command line promises one JSON object and nothing else.
    """
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class BatchStepLauncher(dg.StepLauncher):
    """A resource; the steps of all assets that require it run on Batch if they are large enough.

    Everything that the container needs goes through the lake; it needs no access to Dagster's
    database. The step's retries, checks, metadata and partitions are those of the asset, as if it
    had run here. A plain object like the project's other resources, not a ConfigurableResource:
    Dagster makes those anew from their configuration, and a lake or a function is none.

    Args:
        batch: Where jobs run.
        lake: The lake that host and containers share.
        job: What kind of job a step becomes.
        cpu_job: The same for steps whose asset says by its tags that they need no GPU; None: as
            all others.
        rows: Counts a step's input rows.
        limit: Rows from which on a step goes to Batch.
        available: Whether there is a Batch to go to; a step that is in a job already stays in it.
        location: The code that steps belong to.
        feeds_dir: The user's folder of feed definitions, of which the image must hold the same.
        rules_dir: The same of screening rules.
        patience: How long is waited for what.
        say: Gets the lines of the job's log.
    """

    def __init__(  # noqa: PLR0913 - the launcher is where these meet
        self,
        batch: Batch,
        lake: Lake,
        job: StepJob,
        *,
        rows: RowCounter,
        limit: int,
        cpu_job: StepJob | None = None,
        available: bool = True,
        location: CodeLocation = PROJECT,
        feeds_dir: Path | None = None,
        rules_dir: Path | None = None,
        patience: Patience | None = None,
        say: Callable[[str], None] = to_stderr,
    ) -> None:
        self._batch = batch
        self._lake = lake
        self._jobs = {"gpu": job, "cpu": cpu_job or job}
        self._rows = rows
        self._limit = limit
        self._available = available
        self._location = location
        self._feeds_dir = feeds_dir
        self._rules_dir = rules_dir
        self._patience = patience or Patience()
        self._say = say

    def launch_step(self, step_context: "StepContext") -> Iterator[dg.DagsterEvent]:
        """The step's events, wherever it runs; Dagster calls this for each step."""
        decision = self._decide(step_context)
        yield internals.engine_event(
            step_context, f"Runs {decision.place}: {decision.reason}.", decision.metadata()
        )
        if decision.place == "in process":
            internals.add_metadata(step_context, decision.metadata())
            yield from internals.run_in_process(step_context)
        else:
            job = self._jobs[compute_of(step_context.op_def.tags)]
            address = self._submitted(step_context, decision, job)
            yield from StepWatch(
                context=step_context,
                batch=self._batch,
                lake=self._lake,
                address=address,
                queue=job.queue,
                patience=self._patience,
                say=self._say,
            ).events()

    def _decide(self, step_context: "StepContext") -> Decision:
        counts = [self._rows(*part) for part in _parts(step_context)]
        known = [count for count in counts if count is not None]
        rows = sum(known) if counts and len(known) == len(counts) else None
        return route(rows, self._limit, batch_available=self._available)

    def _submitted(self, step_context: "StepContext", decision: Decision, job: StepJob) -> Address:
        """Leave the step in the lake and start a job for it."""
        run_id, step_key = step_context.run_id, step_context.step.key
        # The number of Dagster's retry, else a retry would read the first try's events.
        folder = f"{STEPS}/{run_id}/{_key_part(step_key)}/{step_context.previous_attempt_count}"
        payload = StepPayload(
            module=self._location.module,
            attribute=self._location.attribute,
            host=Fingerprint.of(self._location, self._feeds_dir, self._rules_dir),
            step=internals.as_text(step_context),
            metadata=decision.metadata(),
        ).encoded()
        self._lake.put(f"{folder}/step.json", payload)
        arguments = ("run", "--folder", folder, "--sha256", digest(payload))
        job_id = self._submit(
            step_context,
            JobSpec(
                name=job_name(f"{step_key}-{run_id[:8]}"),
                queue=job.queue,
                definition=job.definition,
                command=(*job.command, *arguments),
                environment=job.environment,
                vcpus=job.vcpus,
                memory_mib=job.memory_mib,
                gpus=job.gpus,
                attempts=job.attempts,
                retry_rules=job.retry_rules,
                timeout_seconds=job.timeout_seconds,
                tags={
                    "dagster/run_id": tag_value(run_id),
                    "dagster/step_key": tag_value(step_key),
                },
            ),
        )
        return Address(folder, job_id)

    def _submit(self, step_context: "StepContext", spec: JobSpec) -> str:
        """Queue a job, with the patience of a host that waits for one; its id."""
        pace = Pace(self._patience.shortest_pause, self._patience.longest_pause)
        deadline = time.monotonic() + self._patience.outage
        while True:
            try:
                return self._batch.submit(spec)
            except BatchUnavailableError as error:
                if time.monotonic() >= deadline:
                    raise
                step_context.log.warning("Batch takes no job now, it is asked again: %s", error)
            with internals.interruptible():
                time.sleep(pace.pause(changed=False))

    def __repr__(self) -> str:
        jobs = ", ".join(
            f"{compute}: {masked(job.queue)!r} {masked(job.definition)!r}"
            for compute, job in self._jobs.items()
        )
        return f"BatchStepLauncher({jobs})"


def _parts(step_context: "StepContext") -> list[tuple[str, str | None]]:
    """The assets of a step, with their partition where they have one."""
    partition = step_context.partition_key if step_context.has_partition_key else None
    return [
        (key.to_user_string(), partition) for key in sorted(step_context.get_output_asset_keys())
    ]


def _key_part(text: str) -> str:
    """A part of a key in the lake; step keys of mapped steps have brackets."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
