"""From the settings to the resource `batch` of the heavy assets."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import dagster as dg
from pydantic import SecretStr

from resources.batch.aws import AwsBatch
from resources.batch.launcher import BatchStepLauncher, RowCounter, StepJob, to_stderr
from resources.batch.local import LocalBatch
from resources.batch.routing import in_a_job
from resources.batch.settings import BatchSettings
from resources.batch.watch import Patience
from resources.bedrock_settings import BedrockSettings
from resources.delivery_settings import DeliverySettings
from resources.lake import Lake
from resources.s3 import S3Options
from resources.settings import PREFIX, Settings

if TYPE_CHECKING:
    from resources.batch.port import Batch

# What a container has no use for, secrets above all, and what says something of the host alone.
_LEFT_OUT: Final = frozenset(
    {
        *("lake", "engine", "feeds_dir", "rules_dir", "scratch", "threads"),
        *BatchSettings.model_fields,
        *BedrockSettings.model_fields,
        *DeliverySettings.model_fields,
    }
)
_LEFT_OUT_PREFIXES: Final = ("sagemaker_", "uploads_")
_LOCAL_PATIENCE: Final = Patience(ending=5, shortest_pause=0.1, longest_pause=1)


def bind_batch(
    settings: Settings,
    lake: Lake,
    rows: RowCounter,
    *,
    say: Callable[[str], None] = to_stderr,
) -> BatchStepLauncher | dg.ResourceDefinition:
    """The resource `batch`: a launcher where FRAUD_BATCH asks for one, else nothing.

    Args:
        settings: Which Batch, and which kind of job.
        lake: The lake of the settings.
        rows: Counts a step's input rows.
        say: Gets the lines of the jobs' logs.
    """
    if settings.batch == "off":
        return dg.ResourceDefinition.none_resource()
    local = settings.batch == "local"
    batch: Batch = LocalBatch() if local else AwsBatch(settings.s3_region)
    minute = 60
    job = StepJob(
        queue=settings.batch_queue or "local",
        definition=settings.batch_definition or "local",
        environment=container_environment(settings, lake, settings.batch_engine or settings.engine),
        # A laptop has what it has: a number of its own would only keep jobs from starting.
        vcpus=None if local else settings.batch_vcpus,
        memory_mib=settings.batch_memory_mib,
        gpus=settings.batch_gpus,
        attempts=settings.batch_attempts,
        timeout_seconds=settings.batch_attempt_minutes * minute,
    )
    patience = _LOCAL_PATIENCE if local else Patience()
    return BatchStepLauncher(
        batch,
        lake,
        job,
        rows=rows,
        cpu_job=_cpu_job(settings, lake, job),
        limit=settings.batch_rows,
        # A step that already is in a job stays there, whatever its image's environment says.
        available=not in_a_job(),
        feeds_dir=settings.feeds_dir,
        rules_dir=settings.rules_dir,
        patience=Patience(
            queue=settings.batch_queue_minutes * minute,
            deaths=settings.batch_retries,
            ending=patience.ending,
            shortest_pause=patience.shortest_pause,
            longest_pause=patience.longest_pause,
        ),
        say=say,
    )


def _cpu_job(settings: Settings, lake: Lake, job: StepJob) -> StepJob | None:
    """The job of steps that need no GPU; None where they have no queue of their own."""
    queue, definition = settings.batch_cpu_queue, settings.batch_cpu_definition
    if settings.batch == "local" or queue is None or definition is None:
        return None
    # Whatever engine the others have: where there is no GPU, only one of the CPU works.
    engine = "cpu" if settings.engine == "gpu" else settings.engine
    return replace(
        job,
        queue=queue,
        definition=definition,
        environment=container_environment(settings, lake, engine),
        gpus=None,
    )


def container_environment(settings: Settings, lake: Lake, engine: str) -> dict[str, str]:
    """The variables by which a container comes to the host's settings; no credentials.

    In AWS the host's own folders of feeds and rules, and its number of threads, are left to the
    image.

    Args:
        settings: The host's.
        lake: The lake of the settings.
        engine: The container's engine.
    """
    chosen = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    values = {
        name: value
        for name, value in chosen.items()
        if name not in _LEFT_OUT
        and not name.startswith(_LEFT_OUT_PREFIXES)
        and not isinstance(getattr(settings, name), SecretStr)
    }
    values |= {"batch": "off", "lake": lake.url, "engine": engine}
    if settings.batch == "local":
        values |= {
            name: folder.absolute()
            for name in ("feeds_dir", "rules_dir")
            if (folder := getattr(settings, name)) is not None
        }
        values |= {"threads": settings.threads}
    if lake.folder is None:
        options = S3Options(settings.s3_endpoint, settings.s3_allow_http, settings.s3_region)
        values["s3_region"] = options.resolved_region
    return {
        f"{PREFIX}{name.upper()}": str(value) for name, value in values.items() if value is not None
    }
