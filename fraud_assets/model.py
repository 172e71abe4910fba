"""The model assets: labelled rows, a trained model, its evaluation, and the gate's verdict."""

from collections.abc import Iterator
from typing import Final

import dagster as dg
import polars as pl
from pydantic import Field

from fraud_assets import layers, pictures
from fraud_assets.checks import column_schema
from fraud_assets.feeds import load_feeds
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import lineage, preview
from fraud_assets.modelling import (
    MAX_TRAINING_ROWS,
    SPLIT,
    Comparison,
    FeedRows,
    compare,
    fit,
)
from fraud_assets.publication import (
    HEAVY_POOL,
    SCIENCE,
    Draft,
    PublicationEvent,
    materialization,
    publish,
    rejected_label,
)
from fraud_assets.refresh import snapshot
from fraud_assets.schemas import EVALUATION, MEANING, TRAINING_SET
from fraud_assets.training import (
    IDENTITY,
    ROLES,
    TRAINED_ON,
    Trainable,
    assess,
    training_frame,
)
from gpu_ops.gate import GateBounds, Status, decide
from resources.lake import Lake
from resources.registry import ModelRegistry, ModelVersion, write_model
from resources.settings import Settings
from resources.versions import Manifest, Versions

_SPLITS: Final = "splits"
_EVIDENCE: Final = "evidence.json"


class TrainingConfig(dg.Config):
    """Which feeds to train."""

    feeds: list[str] = Field([], description="Names of feeds; empty: all whose labels allow.")


@dg.asset(
    deps=["raw_transactions", "prepped_transactions"],
    group_name="model",
    kinds={"polars", "parquet"},
    owners=list(SCIENCE),
    code_version="1",
    check_specs=[TRAINING_SET.spec("training_set")],
)
def training_set(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """Labelled transactions with their features, split by time into train, validation and test.

    Gaps of the feed's label delay lie between the windows, and only labels known when the test
    begins are learned from. Payers known to be compromised leave the test.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        feeds = load_feeds(settings.feeds_dir)
        found = [assess(versions, feeds[name], settings) for name in config.feeds or sorted(feeds)]
        ready = [one for one in found if isinstance(one, Trainable)]
        if not ready:
            reasons = "; ".join(
                f"{one.feed.name}: {one.reason}" for one in found if not isinstance(one, Trainable)
            )
            raise dg.Failure(
                description=f"No feed has labels to train on. {reasons}", allow_retries=False
            )
        attempt = versions.begin(layers.snapshot_slot("training_set"), context.run.run_id)
        checks = []
        for one in ready:
            frame = training_frame(
                versions, one, max_training_rows=MAX_TRAINING_ROWS, seed=settings.seed
            )
            attempt.write_table(frame, part=f"part-{one.feed.name}")
            keys = frame.select(*IDENTITY, *ROLES).rename({"is_fraud": "label"})
            checks += TRAINING_SET.violations(keys)
        draft = Draft(
            attempt=attempt,
            checks=[TRAINING_SET.result(checks, rejected_label(attempt))],
            inputs={one.prepped.slot: one.prepped.content_id for f in ready for one in f.sources},
            extra={
                _SPLITS: {one.feed.name: SPLIT.dump_python(one.split, mode="json") for one in ready}
            },
            metadata={
                "feeds": ", ".join(one.feed.name for one in ready),
                "preview": preview(keys),
                "dagster/column_schema": column_schema(TRAINING_SET, MEANING.get),
                "dagster/column_lineage": lineage(
                    "raw_transactions",
                    {"label": ["is_fraud", "label_known_at"], "window": ["occurred_at"]},
                ),
            },
        )
        yield from publish(versions, draft, meter)


@dg.asset(
    deps=["training_set"],
    group_name="model",
    kinds={"xgboost", "scikitlearn"},
    owners=list(SCIENCE),
    code_version="1",
    pool=HEAVY_POOL,
)
def fraud_model(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.MaterializeResult[None]]:
    """Per feed: gradient-boosted trees, an isolation forest and a calibration of one window.

    Trees stop and probabilities are calibrated on the validation window. A model is not served
    until the gate approved it.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        training = snapshot(versions, "training_set")
        newest: Manifest | None = None
        figures: dict[str, float | str] = {}
        for rows in _feed_rows(versions, training):
            attempt = versions.begin(ModelRegistry.slot(rows.feed), context.run.run_id)
            card = write_model(attempt, fit(rows, settings, settings.engine))
            features = {
                slot: content
                for slot, content in training.inputs.items()
                if slot.startswith(f"prepped/feed={rows.feed}/")
            }
            newest = versions.publish(
                attempt, inputs=_trained_on(training), extra={TRAINED_ON: {**features}}
            )
            figures[f"{rows.feed}_model"] = f"{rows.feed}-{newest.number}"
            figures |= {f"{rows.feed}_{name}_rows": n.rows for name, n in card.windows.items()}
        if newest is None:
            raise dg.Failure(description="The training set is empty.", allow_retries=False)
        yield materialization(newest, meter, figures)


@dg.asset(
    deps=["training_set", "fraud_model"],
    group_name="model",
    kinds={"polars"},
    owners=list(SCIENCE),
    code_version="1",
    check_specs=[EVALUATION.spec("model_evaluation")],
)
def model_evaluation(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """How good each new model is on days it never saw, beside the best and the random order.

    Average precision first. The present champion is measured on the same rows.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        registry = ModelRegistry(versions)
        training = snapshot(versions, "training_set")
        compared: dict[str, Comparison] = {}
        for rows in _feed_rows(versions, training):
            model = _trained(registry, rows.feed, training)
            # A damaged champion cannot be measured, and must not keep its successor out.
            is_damaged = registry.damage(rows.feed) is not None
            champion = None if is_damaged else registry.champion(rows.feed)
            if champion is not None and champion.version == model.version:
                # Trained again to the same model, or by two runs at once: it is no rival of itself.
                champion = None
            compared[rows.feed] = compare(rows, model, champion, settings)
        table = _figures(compared)
        attempt = versions.begin(layers.snapshot_slot("model_evaluation"), context.run.run_id)
        attempt.write_table(table)
        draft = Draft(
            attempt=attempt,
            checks=[EVALUATION.evaluate(table, rejected_label(attempt))],
            inputs=_trained_on(training)
            | {feed: str(_trained(registry, feed, training).version) for feed in compared},
            extra={"evidence": {feed: one.to_json() for feed, one in compared.items()}},
            metadata={
                **_plotted(compared),
                "preview": preview(table),
                "dagster/column_schema": column_schema(EVALUATION, MEANING.get),
                "dagster/column_lineage": lineage(
                    "training_set", {"value": ["is_fraud"], "ceiling": ["is_fraud"]}
                ),
            },
        )
        yield from publish(versions, draft, meter)


@dg.asset(
    deps=["model_evaluation"],
    group_name="model",
    kinds={"json"},
    owners=list(SCIENCE),
    code_version="1",
)
def registered_model(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult[None]]:
    """The gate's verdict on each new model: approved, pending or rejected, and why.

    Only an approved model scores transactions.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        registry = ModelRegistry(versions)
        judged = snapshot(versions, "model_evaluation")
        evidence = judged.extra["evidence"]
        if not isinstance(evidence, dict):
            raise TypeError(f"{judged.slot}@{judged.number} holds no evidence")
        metadata: dict[str, float | str] = {}
        for feed, stored in evidence.items():
            if not isinstance(stored, dict):
                raise TypeError(f"{judged.slot}@{judged.number} holds no evidence on {feed}")
            verdict = decide(*Comparison.read(stored), GateBounds())
            version = int(judged.inputs[feed])
            metadata[f"{feed}_version"] = version
            champion = None if registry.damage(feed) is not None else registry.champion(feed)
            if champion is not None and champion.version == version:
                # The same rows gave the same model: only the clock could judge it otherwise.
                metadata[f"{feed}_status"] = str(Status.APPROVED)
                metadata[f"{feed}_reasons"] = "trained anew to the same model; its approval stands"
                metadata[f"{feed}_approved"] = 1
                continue
            registry.register(feed, version, verdict, by="gate", run_id=context.run.run_id)
            metadata[f"{feed}_status"] = str(verdict.status)
            metadata[f"{feed}_reasons"] = "; ".join(verdict.reasons)
            metadata[f"{feed}_approved"] = int(verdict.status is Status.APPROVED)
        yield materialization(judged, meter, metadata)


def _trained_on(training: Manifest) -> dict[str, str]:
    return {training.slot: training.content_id}


def _trained(registry: ModelRegistry, feed: str, training: Manifest) -> ModelVersion:
    """The newest model of a feed; it must be of this training set."""
    model = registry.latest(feed)
    if model is None or model.manifest.inputs != _trained_on(training):
        raise dg.Failure(
            description=f"There is no model of {feed} for the visible training set; "
            "materialize fraud_model first.",
            allow_retries=False,
        )
    return model


def _feed_rows(versions: Versions, training: Manifest) -> Iterator[FeedRows]:
    splits = training.extra[_SPLITS]
    if not isinstance(splits, dict):
        raise TypeError(f"{training.slot}@{training.number} names no splits")
    for feed, split in splits.items():
        rows = versions.scan(training, table=f"part-{feed}.").collect()
        yield FeedRows(feed, SPLIT.validate_python(split), rows)


def _figures(compared: dict[str, Comparison]) -> pl.DataFrame:
    """One row a feed and metric: value, ceiling, random, and the champion's value."""
    rows = []
    for feed, one in compared.items():
        for metric, figure in one.challenger.figures.items():
            champion = None if one.champion is None else one.champion.value(metric)
            rows.append((feed, metric, figure.value, figure.ceiling, figure.random, champion))
    columns = {
        "feed": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
        "ceiling": pl.Float64,
        "random": pl.Float64,
        "champion": pl.Float64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def _plotted(compared: dict[str, Comparison]) -> dict[str, dg.MetadataValue | float | str]:
    """Metrics as numbers, which the UI plots over time, and the precision-recall curve."""
    metadata: dict[str, dg.MetadataValue | float | str] = {}
    for feed, one in compared.items():
        for metric, figure in one.challenger.figures.items():
            if figure.value is not None:
                metadata[f"{feed}_{metric}"] = figure.value
        metadata[f"{feed}_p99_latency_ms"] = one.p99_latency_ms
        picture = pictures.precision_recall_picture(one.challenger, title=feed)
        metadata[f"{feed}_curve"] = dg.MetadataValue.md(
            pictures.as_markdown(picture, f"precision and recall of {feed}")
        )
    return metadata
