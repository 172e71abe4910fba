"""Training on SageMaker and the model packages: the assets and the job that makes them.

None of this is in the code location unless FRAUD_SAGEMAKER_ROLE is set.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from fraud_assets.comparison import compare, rival_of
from fraud_assets.measure import StepMeter
from fraud_assets.model import feed_rows, inputs_of
from fraud_assets.modelling import SPLIT, FeedRows, features_of
from fraud_assets.publication import SCIENCE, materialization
from fraud_assets.refresh import snapshot
from fraud_assets.sagemaker_fit import Hyperparameters
from fraud_assets.training import TRAINED_ON, catalogue_trained_on, trained_on_of
from fraud_assets.tuned_settings import chosen_settings
from gpu_ops.model_files import ModelFileError
from gpu_ops.splits import TimeSplit
from resources.errors import LakeError
from resources.lake import Lake
from resources.registry import ModelRegistry, ModelVersion, RegistryEntry
from resources.sagemaker import requests
from resources.sagemaker.api import SageMaker, SageMakerError
from resources.sagemaker.archive import PackedModel, unpack
from resources.sagemaker.config import safe_name
from resources.sagemaker.jobs import TRAINING, FinishedJob, run_job
from resources.sagemaker.packages import register
from resources.sagemaker.records import archived, verdict_on
from resources.sagemaker.smoke import SAMPLE_ROWS
from resources.sagemaker.waiting import Patience
from resources.settings import Settings
from resources.versions import Manifest, Versions

GROUP: Final = "sagemaker"
# Room for the number of the attempt.
_LONGEST_BASE: Final = 58
# A job that SageMaker ends by its own time limit is described as such, which says more.
_GRACE_SECONDS: Final = 600


@dg.asset(
    deps=["training_set"],
    group_name=GROUP,
    kinds={"sagemaker", "xgboost"},
    owners=list(SCIENCE),
    code_version="1",
)
def sagemaker_training_job(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    sagemaker: dg.ResourceParam[SageMaker],
) -> Iterator[dg.MaterializeResult[None]]:
    """Per feed: the model that this project would fit itself, fitted by a SageMaker training job.

    It becomes a version in the same registry as all other models, and is not served until the
    gate approved it. A job that has run on the same rows is used again.
    """
    with StepMeter() as meter, as_failures():
        versions = Versions(lake)
        training = snapshot(versions, "training_set")
        newest: Manifest | None = None
        figures: dict[str, float | str] = {}
        for feed, split in _splits(training).items():
            catalogue = catalogue_trained_on(training, feed)
            chosen = chosen_settings(versions, feed, catalogue).model_dump_json()
            given = Hyperparameters.of(
                feed, split, settings, on_gpu=sagemaker.config.trains_on_gpu
            ).model_copy(update={"catalogue": catalogue, "chosen": chosen})
            job = _train(sagemaker, lake, training, given)
            context.log.info("%s: training job %s completed", feed, job.name)
            newest = _published(versions, training, job, given, context.run.run_id)
            figures |= {
                f"{feed}_model": f"{feed}-{newest.number}",
                f"{feed}_job": job.name,
                f"{feed}_was_reused": int(job.is_reused),
                f"{feed}_training_seconds": job.state.training_seconds,
                f"{feed}_billable_seconds": job.state.billable_seconds,
            }
        if newest is None:
            raise dg.Failure(description="The training set is empty.", allow_retries=False)
        yield materialization(newest, meter, figures)


@dg.asset(
    deps=["training_set", "sagemaker_training_job", "registered_model"],
    group_name=GROUP,
    kinds={"sagemaker"},
    owners=list(SCIENCE),
    code_version="1",
)
def sagemaker_model_package(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    sagemaker: dg.ResourceParam[SageMaker],
) -> Iterator[dg.MaterializeResult[None]]:
    """Each feed's newest model in its SageMaker model package group, with the verdict of the gate.

    A model that nobody judged yet is measured and judged here, by the same rules as any other.
    Only an approved package can be deployed.
    """
    with StepMeter() as meter, as_failures():
        versions = Versions(lake)
        registry = ModelRegistry(versions)
        training = snapshot(versions, "training_set")
        newest: Manifest | None = None
        figures: dict[str, float | str] = {}
        for rows in feed_rows(versions, training):
            model = _newest(registry, rows.feed, training)
            verdict = verdict_on(registry, model) or _judged(
                registry, model, rows, settings, context.run.run_id
            )
            sample = features_of(rows.window("test")).head(SAMPLE_ROWS)
            archive = archived(versions, model, sample, context.run.run_id)
            done = register(sagemaker, versions, model, verdict, archive, context.run.run_id)
            newest = done.manifest
            figures |= {
                f"{rows.feed}_model": model.name,
                f"{rows.feed}_status": done.record.approval,
                f"{rows.feed}_reasons": "; ".join(verdict.reasons),
                f"{rows.feed}_package": done.record.arn.rsplit(":", 1)[-1],
                f"{rows.feed}_is_new": int(done.is_new),
            }
            if done.stricter:
                figures[f"{rows.feed}_set_in_sagemaker"] = done.stricter
        if newest is None:
            raise dg.Failure(description="The training set is empty.", allow_retries=False)
        yield materialization(newest, meter, figures)


@contextmanager
def as_failures() -> Iterator[None]:
    """Turns what SageMaker or the lake refuses into a failure that a person reads."""
    try:
        yield
    except (SageMakerError, ModelFileError, LakeError) as error:
        notes = getattr(error, "__notes__", [])
        raise dg.Failure(
            description="; ".join([str(error), *notes]), allow_retries=False
        ) from error


def told(error: Exception) -> str:
    """An error's message and what was noted on it later."""
    return "; ".join([str(error), *getattr(error, "__notes__", [])])


def _splits(training: Manifest) -> dict[str, TimeSplit]:
    splits = training.extra["splits"]
    if not isinstance(splits, dict):
        raise TypeError(f"{training.slot}@{training.number} names no splits")
    return {feed: SPLIT.validate_python(split) for feed, split in splits.items()}


def _train(
    sagemaker: SageMaker, lake: Lake, training: Manifest, given: Hyperparameters
) -> FinishedJob:
    """Runs the job of one feed; its name is made of all that it is made of."""
    config = sagemaker.config
    job = requests.TrainingInput(
        feed=given.feed,
        training_url=config.url(training.key_of(f"part-{given.feed}.parquet")),
        training_id=training.content_id,
        hyperparameters=given.texts(),
    )
    identity = [
        job.training_id,
        *given.texts().items(),
        config.training_image,
        config.instance_type,
    ]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    limit = config.max_wait_seconds if config.spot else config.max_runtime_seconds
    return run_job(
        sagemaker.api,
        TRAINING,
        safe_name(config.model_group, given.feed, digest, longest=_LONGEST_BASE),
        lambda name: requests.training_job(config, name, job),
        Patience(sagemaker.first_poll_seconds, limit + _GRACE_SECONDS),
        lambda name: lake.exists(_artifact(name)),
    )


def _artifact(job: str) -> str:
    """The key of a training job's model, as SageMaker names it below S3OutputPath."""
    return f"sagemaker/jobs/{job}/output/model.tar.gz"


def _published(
    versions: Versions, training: Manifest, job: FinishedJob, given: Hyperparameters, run_id: str
) -> Manifest:
    """The job's model as a version in the registry, once its files are what its card names."""
    with versions.lake.local_copy(_artifact(job.name)) as packed:
        files = unpack(packed)
    card = PackedModel.of(files).card
    if (card.feed, card.split) != (given.feed, SPLIT.validate_json(given.split)):
        raise ModelFileError(
            f"the model of the training job {job.name} is one of {card.feed}, or of other windows"
        )
    attempt = versions.begin(ModelRegistry.slot(given.feed), run_id)
    for name, data in files.items():
        attempt.write_bytes(name, data)
    made_of = trained_on_of(training, given.feed) | given.chosen_settings.trained_on(given.feed)
    return versions.publish(
        attempt, inputs=inputs_of(training), extra={TRAINED_ON: made_of, "job": job.name}
    )


def _newest(registry: ModelRegistry, feed: str, training: Manifest) -> ModelVersion:
    model = registry.latest(feed)
    if model is None or model.manifest.inputs != inputs_of(training):
        raise dg.Failure(
            description=f"There is no model of {feed} for the visible training set; "
            "materialize sagemaker_training_job or fraud_model first.",
            allow_retries=False,
        )
    return model


def _judged(
    registry: ModelRegistry, model: ModelVersion, rows: FeedRows, settings: Settings, run_id: str
) -> RegistryEntry:
    """The gate's verdict, measured here beside the champion and entered into the registry."""
    verdict = compare(rows, model, rival_of(registry, model, rows), settings).verdict(settings)
    return registry.register(rows.feed, model.version, verdict, by="gate", run_id=run_id)
