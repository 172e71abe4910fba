"""Publishing alerts: each once, within the capacity, and none withdrawn."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.alert_lineage import PUBLISHED_LINEAGE
from fraud_assets.alerts import draft, name_of, rows_of
from fraud_assets.checks import predicate_check
from fraud_assets.measure import StepMeter
from fraud_assets.publication import ANALYSIS, PublicationEvent, publish, rejected_label
from fraud_assets.refresh import DIGEST, snapshot
from fraud_assets.restoring import (
    LEASE,
    LEASE_WAIT_SECONDS,
    PUBLISHED,
    PUBLISHED_IN,
    new_in,
)
from fraud_assets.schemas import PUBLISHED_ALERTS
from resources.lake import Lake
from resources.leases import lease
from resources.notifier import Outbox
from resources.settings import Settings
from resources.versions import Manifest, MissingPartError, Slot, Versions

WITHIN_CAPACITY: Final = "within_capacity"
NONE_WITHDRAWN: Final = "none_withdrawn"


@dg.asset(
    deps=["transaction_alerts", "ring_alerts"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[
        PUBLISHED_ALERTS.spec("published_alerts"),
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
            PUBLISHED: name_of(before),
            **{part.slot: part.content_id for part in parts},
        }
        staged = draft(
            attempt, PUBLISHED_ALERTS, alerts, inputs, PUBLISHED_LINEAGE, {"new": new.height}
        )
        rejected = rejected_label(attempt)
        checks = [
            *staged.checks,
            _within_capacity(alerts, rows_of(versions, before), settings.daily_capacity, rejected),
            _none_withdrawn(alerts, rows_of(versions, before), rejected),
        ]
        # The lease only saves a second run its work: its holder may sleep and be succeeded.
        follows = 0 if before is None else before.number
        yield from publish(versions, replace(staged, checks=checks), meter, follows=follows)
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
        outbox.publish_alerts(number, _new_in(versions, versions.get(slot, number)))
    return written


def _new_in(versions: Versions, publication: Manifest) -> pl.DataFrame:
    """The alerts that no publication before held."""
    try:
        alerts = versions.scan(publication)
    except MissingPartError:
        # Cleaned away, and its object taken from the outbox since; later ones hold the same rows.
        visible = versions.latest(Slot(publication.slot))
        if visible is None or visible.number == publication.number:
            raise
        alerts = versions.scan(visible)
    return new_in(publication, alerts)


def _refuse_stale(parts: list[Manifest], before: Manifest | None) -> None:
    """Alerts ranked after an older publication could exceed a day's capacity."""
    if any(part.inputs[PUBLISHED] != name_of(before) for part in parts) or (
        parts[0].inputs[DIGEST] != parts[1].inputs[DIGEST]
    ):
        raise dg.Failure(
            description="Alerts were published since these were ranked; run refresh_alerts again.",
            allow_retries=False,
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
