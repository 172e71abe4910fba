"""The alerts layer: what analysts look at, ranked, explained, and published once."""

from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.checks import column_schema, predicate_check
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import lineage, preview
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
    LEASE,
    LEASE_WAIT_SECONDS,
    PUBLISHED,
    PUBLISHED_IN,
    restore_published_alerts,
)
from fraud_assets.schemas import ALERTS, MEANING
from gpu_ops.evidence import Evidence, ring_evidence, transaction_evidence
from gpu_ops.ranking import (
    ALERT_SCHEMA,
    RING_EVIDENCE,
    TRANSACTION_EVIDENCE,
    rank_ring_alerts,
    rank_transaction_alerts,
)
from resources.explainer import Explainer
from resources.lake import Lake
from resources.leases import lease
from resources.notifier import Outbox
from resources.settings import Settings
from resources.versions import Attempt, Manifest, Versions

WITHIN_CAPACITY: Final = "within_capacity"
NONE_WITHDRAWN: Final = "none_withdrawn"
_KEPT: Final = ("explanation", PUBLISHED_IN)


@dg.asset(
    deps=["augmented_transactions", "account_graph"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[ALERTS.spec("transaction_alerts")],
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
        candidates = (
            scan_window(versions, scored_with(versions, graph), settings.alert_window_days)
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
        )
        explained = _explained(alerts, transaction_evidence(alerts), explainer)
        attempt = versions.begin(layers.snapshot_slot("transaction_alerts"), context.run.run_id)
        attempt.write_table(explained)
        metadata: dict[str, dg.MetadataValue | float | str] = {
            "candidates": candidates.height,
            "expected_loss": float(explained["expected_loss"].sum()),
        }
        inputs = {DIGEST: graph.inputs[DIGEST], PUBLISHED: _name(before)}
        yield from publish(
            versions, _draft(attempt, explained, inputs, metadata, "augmented_transactions"), meter
        )


@dg.asset(
    deps=["fraud_rings"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[ALERTS.spec("ring_alerts")],
)
def ring_alerts(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
    explainer: dg.ResourceParam[Explainer],
) -> Iterator[PublicationEvent]:
    """Rings to look at: the strongest evidence first, with the payments that show it."""
    with StepMeter() as meter:
        versions = Versions(lake)
        rings = snapshot(versions, "fraud_rings")
        before = _publication_before(versions, context.run.run_id)
        alerts = rank_ring_alerts(
            versions.scan(rings).collect(),
            _published(versions, before, ALERT_SCHEMA | RING_EVIDENCE),
            capacity=settings.ring_capacity,
        )
        explained = _explained(alerts, ring_evidence(alerts), explainer)
        attempt = versions.begin(layers.snapshot_slot("ring_alerts"), context.run.run_id)
        attempt.write_table(explained)
        inputs = {
            DIGEST: rings.inputs[DIGEST],
            rings.slot: rings.content_id,
            PUBLISHED: _name(before),
        }
        yield from publish(versions, _draft(attempt, explained, inputs, {}, "fraud_rings"), meter)


@dg.asset(
    deps=["transaction_alerts", "ring_alerts"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[
        ALERTS.spec("published_alerts"),
        dg.AssetCheckSpec(
            WITHIN_CAPACITY,
            asset="published_alerts",
            blocking=True,
            description="No day has more transaction alerts than can be reviewed.",
        ),
        dg.AssetCheckSpec(
            NONE_WITHDRAWN,
            asset="published_alerts",
            blocking=True,
            description="Whatever was published is still there, under the same id and rank.",
        ),
    ],
)
def published_alerts(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """All alerts that were ever published; new ones go to the outbox, each exactly once."""
    with (
        StepMeter() as meter,
        lease(lake, LEASE, wait_seconds=LEASE_WAIT_SECONDS),
    ):
        versions = Versions(lake)
        slot = layers.snapshot_slot("published_alerts")
        before = versions.latest(slot)
        parts = [snapshot(versions, name) for name in ("transaction_alerts", "ring_alerts")]
        _refuse_stale(parts, before)
        alerts = pl.concat(
            [versions.scan(part).collect() for part in parts], how="diagonal"
        ).with_columns(pl.col(PUBLISHED_IN).fill_null(context.run.run_id))
        attempt = versions.begin(slot, context.run.run_id)
        attempt.write_table(alerts)
        new = alerts.filter(pl.col(PUBLISHED_IN) == context.run.run_id)
        inputs = {
            DIGEST: parts[0].inputs[DIGEST],
            PUBLISHED: _name(before),
            **{part.slot: part.content_id for part in parts},
        }
        draft = _draft(attempt, alerts, inputs, {"new": new.height}, "transaction_alerts")
        rejected = rejected_label(attempt)
        checks = [
            *draft.checks,
            _within_capacity(alerts, _rows(versions, before), settings.daily_capacity, rejected),
            _none_withdrawn(alerts, _rows(versions, before), rejected),
        ]
        yield from publish(
            versions, Draft(attempt, checks, draft.inputs, {}, draft.metadata), meter
        )
        fill_outbox(versions)


def fill_outbox(versions: Versions) -> list[int]:
    """Write what the outbox lacks of any publication; a killed run may have left some out.

    Returns:
        The publications that were written.
    """
    slot = layers.snapshot_slot("published_alerts")
    outbox = Outbox(versions.lake)
    written = outbox.missing(versions.all_numbers(slot))
    for number in written:
        manifest = versions.get(slot, number)
        rows = versions.scan(manifest).filter(pl.col(PUBLISHED_IN) == manifest.run_id)
        outbox.publish_alerts(number, rows.collect())
    return written


def _publication_before(versions: Versions, run_id: str) -> Manifest | None:
    """The visible publication, restored first where it is damaged."""
    restored = restore_published_alerts(versions, run_id)
    return restored or versions.latest(layers.snapshot_slot("published_alerts"))


def _rows(versions: Versions, before: Manifest | None) -> pl.DataFrame | None:
    return None if before is None else versions.scan(before).collect()


def _published(
    versions: Versions, before: Manifest | None, schema: dict[str, pl.DataType]
) -> pl.DataFrame | None:
    rows = _rows(versions, before)
    return None if rows is None else rows.select(*schema, *_KEPT)


def _name(before: Manifest | None) -> str:
    return "none" if before is None else f"{before.number}"


def _refuse_stale(parts: list[Manifest], before: Manifest | None) -> None:
    """Alerts ranked after an older publication could exceed a day's capacity."""
    if any(part.inputs[PUBLISHED] != _name(before) for part in parts) or (
        parts[0].inputs[DIGEST] != parts[1].inputs[DIGEST]
    ):
        raise dg.Failure(
            description="Alerts were published since these were ranked; run refresh_alerts again.",
            allow_retries=False,
        )


def _explained(
    alerts: pl.DataFrame, evidence: Sequence[Evidence], explainer: Explainer
) -> pl.DataFrame:
    """The alerts with an explanation each; a published one keeps its own."""
    if "explanation" not in alerts.columns:
        alerts = alerts.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in _KEPT)
    texts = [
        known if known is not None else explainer.explain(one)
        for known, one in zip(alerts["explanation"].to_list(), evidence, strict=True)
    ]
    return alerts.with_columns(pl.Series("explanation", texts, dtype=pl.String))


def _draft(
    attempt: Attempt, alerts: pl.DataFrame, inputs: dict[str, str], figures: Metadata, upstream: str
) -> Draft:
    shown = ("event_day", "rank", "expected_loss", "ranked_by", "reasons", "explanation")
    by_type = alerts.group_by("alert_type").len().iter_rows()
    return Draft(
        attempt=attempt,
        checks=[ALERTS.evaluate(alerts, rejected_label(attempt))],
        inputs=inputs,
        metadata={
            **{f"{kind}_alerts": rows for kind, rows in by_type},
            **figures,
            "preview": preview(alerts.sort("event_day", "rank", descending=[True, False]), shown),
            "dagster/column_schema": column_schema(ALERTS, MEANING.get),
            "dagster/column_lineage": lineage(upstream, {"reasons": ["reasons"]}),
        },
    )


def _within_capacity(
    alerts: pl.DataFrame, before: pl.DataFrame | None, capacity: int, rejected: str
) -> dg.AssetCheckResult:
    """No day goes beyond its capacity; one that was published under a larger one may stay there."""
    over = _a_day(alerts).filter(pl.col("alerts") > capacity)
    if before is not None:
        over = over.join(_a_day(before), on=["event_day", "alerts"], how="anti")
    return predicate_check(
        WITHIN_CAPACITY,
        passed=over.is_empty(),
        rejected=rejected,
        description=f"{over.height} days have more than {capacity} transaction alerts.",
        figures={"days_over": over.height, "capacity": capacity},
    )


def _a_day(alerts: pl.DataFrame) -> pl.DataFrame:
    return (
        alerts.filter(alert_type="transaction").group_by("event_day").agg(pl.len().alias("alerts"))
    )


def _none_withdrawn(
    alerts: pl.DataFrame, before: pl.DataFrame | None, rejected: str
) -> dg.AssetCheckResult:
    keys = ["alert_id", "rank", "event_day"]
    missing = 0 if before is None else before.join(alerts, on=keys, how="anti").height
    return predicate_check(
        NONE_WITHDRAWN,
        passed=missing == 0,
        rejected=rejected,
        description=f"{missing} published alerts are missing or changed.",
        figures={"missing": missing},
    )
