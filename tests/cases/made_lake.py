"""A lake in which alerts are published, made by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.case_assets import cases
from fraud_assets.schemas import PUBLISHED_ALERTS
from resources.settings import Settings
from resources.versions import Manifest, Versions

AT: Final = datetime(2024, 3, 2, 12, tzinfo=UTC)
_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_COMMON: Final[Mapping[str, object]] = {
    "feed": "card",
    "event_day": date(2024, 3, 2),
    "rank": 1,
    "explanation": "Told in plain words.",
    "published_in": "run-1",
    "amount": 100.0,
}


def paid(name: str, payer: str = "1111222233334444", **more: object) -> dict[str, object]:
    """A transaction alert; `loss` 50 and one reason unless told otherwise."""
    return {
        **_COMMON,
        "alert_id": f"tx-{name}",
        "alert_type": "transaction",
        "subject_id": name,
        "expected_loss": 50.0,
        "ranked_by": "expected_loss",
        "reasons": ["ANOMALY_HIGH"],
        "occurred_at": AT,
        "kind": "card",
        "currency": "EUR",
        "payer": f"card:customer:{payer}",
        "payee": "card:terminal:9",
        "fraud_probability": 0.5,
        "anomaly_score": 0.7,
        "model_version": "card-1",
        "related_transaction_ids": [],
        **more,
    }


def ringed(name: str, transactions: Sequence[str], **more: object) -> dict[str, object]:
    """A ring alert."""
    return {
        **_COMMON,
        "alert_id": f"ring-{name}",
        "alert_type": "ring",
        "subject_id": name,
        "expected_loss": None,
        "ranked_by": "ring_score",
        "reasons": ["RING_CYCLE"],
        "pattern": "cycle",
        "score": 0.5,
        "accounts": ["card:customer:1111222233334444", "card:customer:5555666677778888"],
        "transaction_ids": list(transactions),
        "first_at": AT,
        "last_at": AT + timedelta(hours=1),
        **more,
    }


def published(settings: Settings, *alerts: Mapping[str, object]) -> Manifest:
    """Publish a table of alerts as the visible one."""
    schema = {name: column.dtype.type for name, column in PUBLISHED_ALERTS.schema.columns.items()}
    versions = Versions(settings.open_lake())
    attempt = versions.begin(layers.snapshot_slot("published_alerts"), "run-1")
    attempt.write_table(pl.DataFrame(list(alerts), schema=schema))
    return versions.publish(attempt, inputs={"number": f"{len(alerts)}"})


def made(settings: Settings) -> dg.ExecuteInProcessResult:
    """Materialize the cases, whether that succeeds or not."""
    return dg.materialize(
        [cases, dg.AssetSpec("published_alerts")],
        selection=["cases"],
        instance=_instance(),
        resources={"settings": settings, "lake": settings.open_lake()},
        run_config=_QUIET,
        raise_on_error=False,
    )


@cache
def _instance() -> dg.DagsterInstance:
    """One for all: making its tables costs more than making the cases."""
    return dg.DagsterInstance.ephemeral()


def figures(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """The plain figures of the one materialization."""
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    return {name: one.value for name, one in metadata.items()}


def reason(result: dg.ExecuteInProcessResult) -> str:
    """Why the step failed."""
    (event,) = result.get_step_failure_events()
    failure = event.step_failure_data
    if failure.user_failure_data is not None:
        return str(failure.user_failure_data.description)
    assert failure.error is not None
    cause = failure.error.cause or failure.error
    return cause.message


def table(settings: Settings) -> pl.DataFrame:
    """The visible table of cases."""
    versions = Versions(settings.open_lake())
    manifest = versions.latest(layers.snapshot_slot("cases"))
    assert manifest is not None
    return versions.scan(manifest).collect()
