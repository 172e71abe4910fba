"""The second half of the model layer: how good a new model is, and the gate's verdict on it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers, pictures
from fraud_assets.comparison import Comparison, compare, rival_of, verdict_of
from fraud_assets.described import described
from fraud_assets.measure import StepMeter
from fraud_assets.model import feed_rows, inputs_of
from fraud_assets.model_lineage import EVALUATION_LINEAGE, VERDICT_LINEAGE
from fraud_assets.model_schemas import EVALUATION, VERDICTS
from fraud_assets.publication import (
    SCIENCE,
    Draft,
    PublicationEvent,
    materialization,
    publish,
    rejected_label,
)
from fraud_assets.refresh import snapshot
from fraud_assets.shadow import shadow_of
from gpu_ops.gate import Status, Verdict
from resources.lake import Lake
from resources.registry import ModelRegistry, ModelVersion
from resources.settings import Settings
from resources.versions import Manifest, Versions

STANDS: Final = "trained anew to the same model; its approval stands"


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
        for rows in feed_rows(versions, training):
            model = _trained(registry, rows.feed, training)
            compared[rows.feed] = compare(rows, model, rival_of(registry, model, rows), settings)
        table = _figures(compared)
        attempt = versions.begin(layers.snapshot_slot("model_evaluation"), context.run.run_id)
        attempt.write_table(table)
        draft = Draft(
            attempt=attempt,
            checks=[EVALUATION.evaluate(table, rejected_label(attempt))],
            inputs=inputs_of(training)
            | {feed: str(_trained(registry, feed, training).version) for feed in compared},
            extra={"evidence": {feed: one.to_json() for feed, one in compared.items()}},
            metadata={
                **_plotted(compared),
                **_shadows(versions, list(compared), settings),
                **described(EVALUATION, table, EVALUATION_LINEAGE),
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
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
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
        figures: dict[str, float | str] = {}
        tables: list[pl.DataFrame] = []
        for feed, stored in evidence.items():
            if not isinstance(stored, dict):
                raise TypeError(f"{judged.slot}@{judged.number} holds no evidence on {feed}")
            verdict = verdict_of(stored, settings)
            version = int(judged.inputs[feed])
            standing = None if registry.damage(feed) is not None else registry.standing(feed)
            decided = None if standing is None else standing.get(version)
            if decided is not None and decided.is_a_persons:
                # Somebody who knows more has decided; the gate's figures are shown beside it.
                told = (f"decided by {decided.by}: {'; '.join(decided.reasons)}",)
                verdict = Verdict(decided.status, told, verdict.outcomes)
            elif standing and registry.approved(feed)[-1:] == (version,):
                # The same rows gave the same model: only the clock could judge it otherwise.
                verdict = Verdict(Status.APPROVED, (STANDS,), verdict.outcomes)
            else:
                registry.register(feed, version, verdict, by="gate", run_id=context.run.run_id)
            figures |= {
                f"{feed}_version": version,
                f"{feed}_status": str(verdict.status),
                f"{feed}_reasons": "; ".join(verdict.reasons),
                f"{feed}_approved": int(verdict.status is Status.APPROVED),
            }
            tables.append(_verdict_rows(feed, version, verdict))
        shown = pl.concat(tables)
        yield materialization(
            judged,
            meter,
            {
                **figures,
                "dagster/row_count": dg.MetadataValue.int(shown.height),
                **described(VERDICTS, shown, VERDICT_LINEAGE),
            },
        )


def _trained(registry: ModelRegistry, feed: str, training: Manifest) -> ModelVersion:
    """The newest model of a feed; it must be of this training set."""
    model = registry.latest(feed)
    if model is None or model.manifest.inputs != inputs_of(training):
        raise dg.Failure(
            description=f"There is no model of {feed} for the visible training set; "
            "materialize fraud_model first.",
            allow_retries=False,
        )
    return model


def _figures(compared: dict[str, Comparison]) -> pl.DataFrame:
    """One row a feed and metric: value, ceiling, random, and the champion's value."""
    rows = []
    for feed, one in compared.items():
        for metric, figure in one.challenger.figures.items():
            champion = None if one.champion is None else one.champion.value(metric)
            rows.append((feed, metric, figure.value, figure.ceiling, figure.random, champion))
    columns = {name: column.dtype.type for name, column in EVALUATION.schema.columns.items()}
    return pl.DataFrame(rows, schema=columns, orient="row")


def _verdict_rows(feed: str, version: int, verdict: Verdict) -> pl.DataFrame:
    """One row a figure that the gate looked at, of `VERDICTS`."""
    rows = [
        (
            feed,
            f"{feed}-{version}",
            str(verdict.status),
            one.metric,
            one.value,
            one.champion,
            one.bar,
            str(one.status),
        )
        for one in verdict.outcomes
    ]
    columns = {name: column.dtype.type for name, column in VERDICTS.schema.columns.items()}
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


def _shadows(versions: Versions, feeds: list[str], settings: Settings) -> dict[str, str]:
    """What the challengers of before were worth in shadow, since their labels came."""
    now = datetime.now(UTC)
    found = {feed: shadow_of(versions, feed, settings, now) for feed in feeds}
    return {f"{feed}_shadow": one.line() for feed, one in found.items() if one is not None}
