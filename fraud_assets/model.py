"""The first half of the model layer: labelled rows, and a model trained on them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import polars as pl
from pydantic import Field

from fraud_assets import layers
from fraud_assets.described import described
from fraud_assets.feeds import load_feeds
from fraud_assets.labelled_rows import training_frame
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import PREVIEW_ROWS
from fraud_assets.model_lineage import IMPORTANCE_LINEAGE, TRAINING_LINEAGE
from fraud_assets.model_schemas import IMPORTANCE, TRAINING_SET
from fraud_assets.modelling import MAX_TRAINING_ROWS, SPLIT, FeedRows, fit, importance
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
from fraud_assets.training import (
    IDENTITY,
    ROLES,
    TRAINED_ON,
    Trainable,
    assess,
    catalogue_trained_on,
    trained_on,
    trained_on_of,
)
from fraud_assets.tuned_settings import chosen_settings
from resources.lake import Lake
from resources.registry import ModelRegistry, write_model
from resources.settings import Settings
from resources.versions import Manifest, Versions

_SPLITS: Final = "splits"


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

    Between the windows, and between the test and now, lies the age at which 99 % of the legitimate
    labels are known, or the feed's label delay where that is longer. Only labels known when the
    test begins are learned from. Payers known to be compromised leave the test.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        feeds = load_feeds(settings.feeds_dir)
        now = datetime.now(UTC)
        found = [
            assess(versions, feeds[name], settings, now) for name in config.feeds or sorted(feeds)
        ]
        ready = [one for one in found if isinstance(one, Trainable)]
        if not ready:
            reasons = "; ".join(
                f"{one.feed.name}: {one.reason}" for one in found if not isinstance(one, Trainable)
            )
            raise dg.Failure(
                description=f"No feed has labels to train on. {reasons}", allow_retries=False
            )
        attempt = versions.begin(layers.snapshot_slot("training_set"), context.run.run_id)
        checks, heads = [], []
        for one in ready:
            frame = training_frame(
                versions, one, max_training_rows=MAX_TRAINING_ROWS, seed=settings.seed
            )
            attempt.write_table(frame, part=f"part-{one.feed.name}")
            checks += TRAINING_SET.violations(frame)
            heads.append(frame.select(*IDENTITY, *ROLES).head(PREVIEW_ROWS))
        draft = Draft(
            attempt=attempt,
            checks=[TRAINING_SET.result(checks, rejected_label(attempt))],
            inputs={name: content for one in ready for name, content in trained_on(one).items()},
            extra={
                _SPLITS: {one.feed.name: SPLIT.dump_python(one.split, mode="json") for one in ready}
            },
            metadata={
                "feeds": ", ".join(one.feed.name for one in ready),
                **described(TRAINING_SET, in_turns(heads), TRAINING_LINEAGE),
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
    batch: dg.ResourceParam[object],  # noqa: ARG001 - a launcher takes the step over
) -> Iterator[dg.MaterializeResult[None]]:
    """Per feed: gradient-boosted trees, an isolation forest and a calibration of one window.

    Trees stop and probabilities are calibrated on the validation window. A model is not served
    until the gate approved it. Shown below are the features that it rests on; the row count is
    theirs.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        training = snapshot(versions, "training_set")
        newest: Manifest | None = None
        figures: dict[str, float | str] = {}
        tables: list[pl.DataFrame] = []
        for rows in feed_rows(versions, training):
            attempt = versions.begin(ModelRegistry.slot(rows.feed), context.run.run_id)
            chosen = chosen_settings(versions, rows.feed, rows.catalogue)
            parts = fit(rows, settings, settings.engine, chosen=chosen)
            card = write_model(attempt, parts)
            tables.append(importance(rows.feed, parts.booster))
            newest = versions.publish(
                attempt,
                inputs=inputs_of(training),
                extra={
                    TRAINED_ON: trained_on_of(training, rows.feed) | chosen.trained_on(rows.feed)
                },
            )
            figures[f"{rows.feed}_model"] = f"{rows.feed}-{newest.number}"
            figures |= {f"{rows.feed}_{name}_rows": n.rows for name, n in card.windows.items()}
        if newest is None:
            raise dg.Failure(description="The training set is empty.", allow_retries=False)
        shown = in_turns(tables)
        yield materialization(
            newest,
            meter,
            {
                **figures,
                "dagster/row_count": dg.MetadataValue.int(shown.height),
                **described(IMPORTANCE, shown, IMPORTANCE_LINEAGE),
            },
        )


def in_turns(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The rows of tables of one schema, one of each in turn: a preview then shows every feed."""
    rows = [table.with_row_index("turn") for table in tables]
    return pl.concat(rows).sort("turn", maintain_order=True).drop("turn")


def inputs_of(training: Manifest) -> dict[str, str]:
    """How models and evaluations name the training set that they were made of."""
    return {training.slot: training.content_id}


def feed_rows(versions: Versions, training: Manifest) -> Iterator[FeedRows]:
    """The rows of each feed in a training set."""
    splits = training.extra[_SPLITS]
    if not isinstance(splits, dict):
        raise TypeError(f"{training.slot}@{training.number} names no splits")
    for feed, split in splits.items():
        rows = versions.scan(training, table=f"part-{feed}.").collect()
        yield FeedRows(
            feed, SPLIT.validate_python(split), rows, catalogue_trained_on(training, feed)
        )
