"""What serves on SageMaker: the endpoint of each feed, and scores of whole uploads at once."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

import dagster as dg
import polars as pl
from pydantic import Field

from fraud_assets import layers
from fraud_assets.feeds import load_feeds
from fraud_assets.measure import StepMeter
from fraud_assets.publication import SCIENCE, materialization
from fraud_assets.sagemaker import GROUP, as_failures, told
from resources.lake import Lake
from resources.leases import lease
from resources.registry import ModelRegistry, ModelVersion
from resources.sagemaker.api import SageMaker, SageMakerError
from resources.sagemaker.approval import deployable
from resources.sagemaker.batch_scores import batch_scores
from resources.sagemaker.deployment import Candidate, Deployment, deploy
from resources.sagemaker.records import SAMPLE
from resources.sagemaker.smoke import SmokeTest
from resources.settings import Settings
from resources.versions import Manifest, Slot, Versions

ENDPOINT_FILE: Final = "endpoint.json"
_NO_MODEL: Final = "No feed has an approved model; train one first."


class EndpointConfig(dg.Config):
    """Which models to serve."""

    feeds: list[str] = Field([], description="Names of feeds; empty: all with an approved model.")
    version: int = Field(
        0, ge=0, description="Number of the model, for one feed; 0: the one approved last."
    )


class BatchConfig(dg.Config):
    """Which rows to score."""

    uploads: list[str] = Field(
        [], description="Keys of uploads; empty: the newest of each feed with an approved model."
    )


@dg.asset(
    deps=["sagemaker_model_package"],
    group_name=GROUP,
    kinds={"sagemaker"},
    owners=list(SCIENCE),
    code_version="1",
)
def sagemaker_endpoint(
    context: dg.AssetExecutionContext,
    config: EndpointConfig,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    sagemaker: dg.ResourceParam[SageMaker],
) -> Iterator[dg.MaterializeResult[None]]:
    """Per feed: an endpoint that scores single transactions with the model approved last.

    A new model first has to score stored rows as expected on an endpoint of its own; only then
    the traffic moves, and back again if anything is wrong. An earlier version can be chosen.
    """
    with StepMeter() as meter, as_failures():
        versions = Versions(lake)
        newest: Manifest | None = None
        figures: dict[str, float | str] = {}
        problems = []
        for model in _models(versions, settings, config.feeds, config.version):
            try:
                done, newest = _deployed(sagemaker, versions, model, context.run.run_id)
            except SageMakerError as error:
                # Other feeds have endpoints of their own.
                problems.append(told(error))
                continue
            figures |= {
                f"{model.feed}_model": model.name,
                f"{model.feed}_endpoint": done.names.endpoint,
                f"{model.feed}_config": done.names.config,
                f"{model.feed}_previous_config": done.previous_config or "none",
                f"{model.feed}_deviation": done.deviation,
                f"{model.feed}_is_new": int(done.is_new),
            }
        if problems or newest is None:
            raise dg.Failure(description=" ".join(problems) or _NO_MODEL, allow_retries=False)
        yield materialization(newest, meter, figures)


@dg.asset(
    deps=["sagemaker_model_package", "prepped_transactions"],
    group_name=GROUP,
    kinds={"sagemaker", "parquet"},
    owners=list(SCIENCE),
    code_version="1",
)
def sagemaker_batch_scores(
    context: dg.AssetExecutionContext,
    config: BatchConfig,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    sagemaker: dg.ResourceParam[SageMaker],
) -> Iterator[dg.MaterializeResult[None]]:
    """Scores of whole uploads from SageMaker transform jobs, by the model approved last.

    Alerts rest on the scores of the augmented layer, not on these: they serve to score much at
    once without an endpoint, and to compare.
    """
    with StepMeter() as meter, as_failures():
        versions = Versions(lake)
        newest: Manifest | None = None
        figures: dict[str, float | str] = {}
        for model in _models(versions, settings):
            prepped = layers.visible(versions, "prepped_transactions", model.feed)
            latest = max(prepped, key=lambda key: prepped[key].published_at, default=None)
            wanted = config.uploads or ([] if latest is None else [latest])
            for key in (one for one in wanted if one in prepped):
                newest = batch_scores(sagemaker, versions, model, prepped[key], context.run.run_id)
                mean = versions.scan(newest).select(pl.col("probability").mean()).collect().item()
                figures |= {f"{key}_rows": newest.rows, f"{key}_mean_probability": mean or 0.0}
        if newest is None:
            raise dg.Failure(
                description=f"{_NO_MODEL} Or none of the uploads is of a feed with one.",
                allow_retries=False,
            )
        yield materialization(newest, meter, figures)


def endpoint_slot(feed: str) -> Slot:
    """Where it is recorded what serves a feed; below `models`, whose versions are all kept."""
    return Slot.snapshot(f"models/{feed}/sagemaker/endpoint")


def _models(
    versions: Versions, settings: Settings, feeds: Sequence[str] = (), version: int = 0
) -> list[ModelVersion]:
    """The models that are asked for; whether they may serve is decided later."""
    registry = ModelRegistry(versions)
    if version:
        if len(feeds) != 1:
            raise dg.Failure(description="Name the one feed of the version.", allow_retries=False)
        return [registry.get(feeds[0], version)]
    found = [registry.champion(feed) for feed in feeds or sorted(load_feeds(settings.feeds_dir))]
    return [model for model in found if model is not None]


def _deployed(
    sagemaker: SageMaker, versions: Versions, model: ModelVersion, run_id: str
) -> tuple[Deployment, Manifest]:
    record, archive = deployable(sagemaker, versions, model)
    sample = versions.scan(archive, table=SAMPLE).collect()
    smoke = SmokeTest.of(model, sample)
    candidate = Candidate(model.feed, model.version, record.arn)
    with lease(versions.lake, f"sagemaker-endpoint-{model.feed}"):
        done = deploy(
            sagemaker,
            candidate,
            lambda name: smoke.deviation(sagemaker.api, name),
            _recorded_config(versions, model.feed),
        )
    attempt = versions.begin(endpoint_slot(model.feed), run_id)
    serving = {**asdict(done.names), "package": record.arn, "model_version": model.version}
    attempt.write_bytes(ENDPOINT_FILE, json.dumps(serving, indent=1).encode())
    manifest = versions.publish(
        attempt,
        inputs={model.manifest.slot: model.manifest.content_id},
        extra={"previous_config": done.previous_config, "deviation": done.deviation},
    )
    return done, manifest


def _recorded_config(versions: Versions, feed: str) -> str:
    """The endpoint configuration of a feed's last deployment that went through; or empty."""
    recorded = versions.latest(endpoint_slot(feed))
    if recorded is None:
        return ""
    return str(json.loads(versions.read_bytes(recorded, ENDPOINT_FILE))["config"])
