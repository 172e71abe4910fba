"""The augmented layer: every transaction with its scores and why it may need a look."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers, pictures
from fraud_assets.described import described
from fraud_assets.drift import drift_of
from fraud_assets.feeds import load_feeds
from fraud_assets.fuse import block_turn, fused
from fraud_assets.labels import FeedLabels
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import PREVIEW_ROWS, MadeOf
from fraud_assets.models_fit import models_fit_check, models_fit_spec
from fraud_assets.partitions import UPLOADS
from fraud_assets.publication import (
    HEAVY_POOL,
    SCIENCE,
    Draft,
    Metadata,
    PublicationEvent,
    publish,
    rejected_label,
)
from fraud_assets.raw import known_feed
from fraud_assets.recommending import recommendations
from fraud_assets.rule_notes import notes_of, rules_for, rules_shown
from fraud_assets.same_rows import same_rows_check, same_rows_spec
from fraud_assets.schemas import AUGMENTED
from fraud_assets.scored_rows import Upload, score_upload
from fraud_assets.scoring import Scorer, inputs_of, scorer_of
from fraud_assets.step_scratch import step_scratch
from fraud_assets.uploads import Uploads
from gpu_ops.features import CATALOGUE
from gpu_ops.reasons import REASONS_VERSION
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Manifest, Versions

NAME: Final = "augmented_transactions"
_HISTOGRAM_ROWS: Final = 200_000
_FEATURES: Final = tuple(feature.name for feature in CATALOGUE)

SCORED_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "raw_transactions": {
        **{
            name: [name]
            for name in (
                "transaction_id",
                "occurred_at",
                "kind",
                "amount",
                "currency",
                "is_fraud",
                "label_known_at",
            )
        },
        "payer": ["payer_id"],
        "payee": ["payee_id"],
        "expected_loss": ["amount"],
        "decision": ["transaction_id"],
        "in_sample": ["occurred_at"],
    },
    "prepped_transactions": dict.fromkeys(
        (
            "anomaly_score",
            "fraud_margin",
            "fraud_probability",
            "expected_loss",
            "decision",
            "may_alert",
            "reasons",
            "contributions",
            "challenger_probability",
        ),
        _FEATURES,
    )
    | {name: [name] for name in ("payer_ring_score", "payee_ring_score")},
}
"""What each column is made of."""


@dg.asset(
    name=NAME,
    deps=["raw_transactions", "prepped_transactions"],
    partitions_def=UPLOADS,
    group_name="augmented",
    kinds={"xgboost", "scikitlearn", "parquet"},
    owners=list(SCIENCE),
    code_version="1",
    pool=HEAVY_POOL,
    check_specs=[AUGMENTED.spec(NAME), same_rows_spec(NAME), models_fit_spec(NAME)],
)
def augmented_transactions(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    batch: dg.ResourceParam[object],  # noqa: ARG001 - a launcher takes the step over
) -> Iterator[PublicationEvent]:
    """How odd and how likely fraudulent each transaction is, and why it may need a look.

    The fraud probability is that of the approved model; without one it is empty, and only the
    anomaly score and the rules speak. Rings count as far as they were known before the day.
    """
    with StepMeter() as meter, step_scratch(lake) as scratch:
        feeds = load_feeds(settings.feeds_dir)
        upload = Uploads(lake, feeds).get(context.partition_key)
        versions = Versions(lake)
        raw, prepped = _same_generation(versions, upload.feed, upload.key)
        rules = rules_for(settings, upload.feed, feeds)
        scorer = replace(
            scorer_of(versions, upload.feed, context.run.run_id, settings, prepped), rules=rules
        )
        sources = Upload(
            known_feed(feeds, upload), versions.scan(raw), versions.scan(prepped), raw.rows
        )
        scored = score_upload(sources, scorer, settings, scratch)
        # All that is said by now; `label_known_at` tells of each when it counts.
        labelled = FeedLabels.of(versions, sources.feed).at(versions, scored, None)
        with block_turn(lake, settings, upload.feed) as guard:
            table, lowered = fused(labelled, versions, settings, upload.feed, upload.key)
            attempt = versions.begin(
                layers.upload_slot(NAME, upload.feed, upload.key), context.run.run_id
            )
            staged = attempt.write_table(table.select(list(AUGMENTED.schema.columns)))
            noted = notes_of(rules, sources.raw, sources.prepped, staged)
            rejected = rejected_label(attempt)
            draft = Draft(
                attempt=attempt,
                checks=[
                    AUGMENTED.evaluate(staged, rejected),
                    same_rows_check(staged, sources.raw, rejected),
                    models_fit_check(scorer),
                ],
                inputs=inputs_of(raw, prepped, scorer),
                metadata={
                    **_metadata(staged, scorer),
                    **drift_of(versions, upload.feed, raw, staged, scorer),
                    **recommendations(staged, scorer, settings),
                    **lowered,
                    **rules_shown(noted),
                },
                extra={"reasons_version": REASONS_VERSION, **noted},
            )
            yield from publish(versions, draft, meter, guard=guard)


def _same_generation(versions: Versions, feed: str, key: str) -> tuple[Manifest, Manifest]:
    """The visible raw and prepped versions, the second made of the first."""
    raw = versions.latest(layers.upload_slot("raw_transactions", feed, key))
    prepped = versions.latest(layers.upload_slot("prepped_transactions", feed, key))
    if raw is None or prepped is None or prepped.inputs.get(raw.slot) != raw.content_id:
        raise dg.Failure(
            description=f"{key} has no features of its visible raw rows; "
            "materialize prepped_transactions first.",
            allow_retries=False,
        )
    return raw, prepped


def _metadata(staged: pl.LazyFrame, scorer: Scorer) -> Metadata:
    told = staged.select(
        may_alert=pl.col("may_alert").sum(),
        in_sample=pl.col("in_sample").sum(),
        mean_anomaly=pl.col("anomaly_score").mean(),
        mean_probability=pl.col("fraud_probability").mean(),
    ).collect(engine="streaming")
    figures = {name: value for name, value in told.row(0, named=True).items() if value is not None}
    scored = "anomaly_score" if scorer.model is None else "fraud_probability"
    sample = staged.select(scored).head(_HISTOGRAM_ROWS).collect().to_series()
    columns = ("transaction_id", "occurred_at", "amount", "payer", "payee", "anomaly_score")
    return {
        **figures,
        "model": _model_of(scorer),
        **({} if scorer.challenger is None else {"challenger": scorer.challenger.name}),
        **described(
            AUGMENTED,
            staged.filter("may_alert").head(PREVIEW_ROWS).collect(),
            SCORED_LINEAGE,
            [*columns, "fraud_probability", "expected_loss", "reasons"],
        ),
        "scores": dg.MetadataValue.md(
            pictures.as_markdown(pictures.score_histogram(sample, scored), f"histogram of {scored}")
        ),
    }


def _model_of(scorer: Scorer) -> str:
    if scorer.model is not None:
        return scorer.name
    none = "none fits" if scorer.refused else "none approved"
    return f"{none}: anomaly scores and rules alone"
