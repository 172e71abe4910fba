"""The alerts layer: what analysts look at, ranked and explained."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.alert_lineage import RING_LINEAGE, TRANSACTION_LINEAGE
from fraud_assets.checks import Contract
from fraud_assets.described import described
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import MadeOf
from fraud_assets.publication import (
    ANALYSIS,
    Draft,
    Metadata,
    PublicationEvent,
    publish,
    rejected_label,
)
from fraud_assets.refresh import DIGEST, scan_window, scored_with, snapshot
from fraud_assets.restoring import (
    PUBLISHED,
    PUBLISHED_IN,
    restore_published_alerts,
)
from fraud_assets.ring_payments import payments_of_rings
from fraud_assets.rule_notes import known_rules
from fraud_assets.schemas import RING_ALERTS, TRANSACTION_ALERTS
from gpu_ops.evidence import Evidence, ring_evidence, transaction_evidence
from gpu_ops.ranking import (
    ALERT_SCHEMA,
    RING_EVIDENCE,
    TRANSACTION_EVIDENCE,
    rank_ring_alerts,
    rank_transaction_alerts,
)
from resources.explainer import Explainer, counted
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Attempt, Manifest, Versions

_KEPT: Final = ("explanation", PUBLISHED_IN)


@dg.asset(
    deps=["augmented_transactions", "account_graph"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[TRANSACTION_ALERTS.spec("transaction_alerts")],
)
def transaction_alerts(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    explainer: dg.ResourceParam[Explainer],
) -> Iterator[PublicationEvent]:
    """Transactions to look at: the most expected loss first, as many a day as can be reviewed.

    Every alert lists all its reasons and says in plain words what happened. What was published
    before keeps its place.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        graph = snapshot(versions, "account_graph")
        before = _publication_before(versions, context.run.run_id)
        scored = scored_with(versions, graph)
        rules = known_rules(scored)
        candidates = (
            scan_window(versions, scored, settings.alert_window_days)
            .filter("may_alert")
            .select(
                "transaction_id",
                "feed",
                "reasons",
                "expected_loss",
                *(name for name in TRANSACTION_EVIDENCE if name != "related_transaction_ids"),
            )
            .collect()
        )
        alerts = rank_transaction_alerts(
            candidates,
            _published(versions, before, ALERT_SCHEMA | TRANSACTION_EVIDENCE),
            capacity=settings.daily_capacity,
            weights=rules.weights,
        )
        evidence = transaction_evidence(alerts, rules.texts)
        explained = _explained(alerts, evidence, explainer)
        attempt = versions.begin(layers.snapshot_slot("transaction_alerts"), context.run.run_id)
        attempt.write_table(explained)
        metadata: dict[str, dg.MetadataValue | float | str] = {
            "candidates": candidates.height,
            "expected_loss": float(explained["expected_loss"].sum()),
            **explained_by(explainer),
        }
        inputs = {
            DIGEST: graph.inputs[DIGEST],
            PUBLISHED: name_of(before),
            **rules.inputs,
        }
        yield from publish(
            versions,
            draft(attempt, TRANSACTION_ALERTS, explained, inputs, TRANSACTION_LINEAGE, metadata),
            meter,
        )


@dg.asset(
    deps=["fraud_rings"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[RING_ALERTS.spec("ring_alerts")],
)
def ring_alerts(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    explainer: dg.ResourceParam[Explainer],
) -> Iterator[PublicationEvent]:
    """Rings to look at, with the payments that show it.

    By expected loss where labels tell how many rings as strong were confirmed; else the strongest
    evidence first.
    """
    with StepMeter() as meter:
        versions = Versions(lake)
        rings = snapshot(versions, "fraud_rings")
        before = _publication_before(versions, context.run.run_id)
        found = versions.scan(rings).collect()
        alerts = rank_ring_alerts(
            found.with_columns(expected_loss=pl.col("confirmed_share") * pl.col("exposure")),
            _published(versions, before, ALERT_SCHEMA | RING_EVIDENCE),
            capacity=settings.ring_capacity,
        )
        evidence = ring_evidence(alerts, payments_of_rings(versions, alerts), found)
        explained = _explained(alerts, evidence, explainer)
        attempt = versions.begin(layers.snapshot_slot("ring_alerts"), context.run.run_id)
        attempt.write_table(explained)
        inputs = {
            DIGEST: rings.inputs[DIGEST],
            rings.slot: rings.content_id,
            PUBLISHED: name_of(before),
        }
        yield from publish(
            versions,
            draft(attempt, RING_ALERTS, explained, inputs, RING_LINEAGE, explained_by(explainer)),
            meter,
        )


def _publication_before(versions: Versions, run_id: str) -> Manifest | None:
    """The visible publication, restored first where it is damaged."""
    restored = restore_published_alerts(versions, run_id)
    return restored or versions.latest(layers.snapshot_slot("published_alerts"))


def rows_of(versions: Versions, before: Manifest | None) -> pl.DataFrame | None:
    """All alerts of a publication; none before the first."""
    return None if before is None else versions.scan(before).collect()


def _published(
    versions: Versions, before: Manifest | None, schema: dict[str, pl.DataType]
) -> pl.DataFrame | None:
    rows = rows_of(versions, before)
    return None if rows is None else rows.select(*schema, *_KEPT)


def name_of(before: Manifest | None) -> str:
    """How an alert version names the publication that it goes on from."""
    return "none" if before is None else f"{before.number}"


def _explained(
    alerts: pl.DataFrame, evidence: Sequence[Evidence], explainer: Explainer
) -> pl.DataFrame:
    """The alerts with an explanation each; a published one keeps its own."""
    if "explanation" not in alerts.columns:
        alerts = alerts.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in _KEPT)
    counted(explainer)  # What a failed step of this process may have left counts no more.
    texts = [
        known if known is not None else explainer.explain(one)
        for known, one in zip(alerts["explanation"].to_list(), evidence, strict=True)
    ]
    return alerts.with_columns(pl.Series("explanation", texts, dtype=pl.String))


def explained_by(explainer: Explainer) -> dict[str, dg.MetadataValue]:
    """Who made this run's texts, where a language model may: generator to number of texts."""
    counts = counted(explainer)
    return {"explained_by": dg.MetadataValue.json(counts)} if counts else {}


def draft(
    attempt: Attempt,
    contract: Contract,
    alerts: pl.DataFrame,
    inputs: Mapping[str, str],
    parents: Mapping[str, MadeOf],
    figures: Metadata,
) -> Draft:
    """A staged table of alerts with its check and what the UI shows of it."""
    shown = ("event_day", "rank", "expected_loss", "ranked_by", "reasons", "explanation")
    by_type = alerts.group_by("alert_type").len().iter_rows()
    first = alerts.sort("event_day", "rank", descending=[True, False])
    return Draft(
        attempt=attempt,
        checks=[contract.evaluate(alerts, rejected_label(attempt))],
        inputs=inputs,
        metadata={
            **{f"{kind}_alerts": rows for kind, rows in by_type},
            **figures,
            **described(contract, first, parents, shown),
        },
    )
