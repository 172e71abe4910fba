"""The cases layer: published alerts as what analysts work on, and a table of it in the lake."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets import layers
from fraud_assets.case_due import LOG_HEAD, head_of, last_readable
from fraud_assets.case_labels import land_labels
from fraud_assets.case_log import LOG, log_table
from fraud_assets.case_pictures import timelines_of
from fraud_assets.case_schemas import CASES
from fraud_assets.case_weights import merged_rings, told_of
from fraud_assets.case_work import (
    TakenIn,
    log_head,
    refuse_lost_store,
    take_in_alerts,
)
from fraud_assets.checks import predicate_check
from fraud_assets.described import described
from fraud_assets.feeds import load_feeds
from fraud_assets.measure import StepMeter
from fraud_assets.metadata import MadeOf
from fraud_assets.publication import ANALYSIS, Draft, PublicationEvent, publish, rejected_label
from fraud_assets.refresh import snapshot
from fraud_assets.uploads import Uploads
from gpu_ops.case_alerts import case_alerts
from gpu_ops.case_book import Book
from gpu_ops.case_ranking import case_table, is_overdue, queue
from resources.case_store import CaseStore
from resources.lake import Lake, utc_now
from resources.settings import Settings
from resources.versions import Versions

EVERY_ALERT_HAS_ITS_PLACE: Final = "every_alert_has_its_place"
_SHOWN: Final = (
    "case_id",
    "case_state",
    "place",
    "expected_loss",
    "reasons",
    "account",
    "opened_at",
    "due_at",
    "escalated",
    "case_verdict",
)
_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "published_alerts": {
        "case_id": ["feed", "payer", "payee", "subject_id"],
        "feed": ["feed"],
        "account": ["payer", "payee", "reasons"],
        "ring_id": ["subject_id"],
        "place": ["expected_loss", "score", "amount", "anomaly_score"],
        "within_capacity": ["expected_loss", "score", "amount", "anomaly_score"],
        "expected_loss": ["expected_loss", "score", "amount"],
        "reasons": ["reasons", "expected_loss"],
        "reason_weights": ["reasons", "expected_loss"],
        "alert_ids": ["alert_id"],
        "transaction_ids": ["subject_id", "related_transaction_ids", "transaction_ids"],
        "amount": ["amount"],
        "first_at": ["occurred_at", "first_at"],
        "last_at": ["occurred_at", "last_at"],
    }
}


@dg.asset(
    deps=["published_alerts"],
    group_name="alerts",
    kinds={"polars", "parquet"},
    owners=list(ANALYSIS),
    code_version="1",
    check_specs=[
        CASES.spec("cases"),
        dg.AssetCheckSpec(
            EVERY_ALERT_HAS_ITS_PLACE,
            asset="cases",
            blocking=True,
            description="Every published alert is in one case, or something says why in none.",
        ),
    ],
)
def cases(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[Lake],
    settings: dg.ResourceParam[Settings],
) -> Iterator[PublicationEvent]:
    """What analysts work on: all alerts about one account or ring are one case, until it is closed.

    The case with most to lose comes first. Verdicts go back to the transactions as labels.
    """
    store = settings.open_cases(settings.lake)
    if store is None:
        raise dg.Failure(
            description="A lake in S3 keeps no cases by itself: set FRAUD_CASES_URL to a database.",
            allow_retries=False,
        )
    with StepMeter() as meter:
        versions = Versions(lake)
        published = snapshot(versions, "published_alerts")
        before = last_readable(versions)
        if before is not None:
            refuse_lost_store(store, head_of(before), f"{before.slot}@{before.number}")
        now = utc_now()
        alerts = versions.scan(published).collect()
        taken = _taken_in(versions, store, alerts, now, settings)
        landed = land_labels(store, Uploads(lake, load_feeds(settings.feeds_dir)))
        for problem in landed.problems:
            context.log.warning(problem)
        book = store.book()
        table = case_table(book.cases(), capacity=settings.case_capacity)
        attempt = versions.begin(layers.snapshot_slot("cases"), context.run.run_id)
        attempt.write_table(table)
        drawn = timelines_of(queue(taken.book.cases()))
        for name, drawing in drawn.items():
            attempt.write_bytes(name, drawing)
        attempt.write_table(log_table(store.events()[: book.number]), LOG)
        rejected = rejected_label(attempt)
        draft = Draft(
            attempt=attempt,
            checks=[CASES.evaluate(table, rejected), _placed(alerts, book, rejected)],
            inputs={published.slot: published.content_id, "log": book.digest},
            extra={LOG_HEAD: log_head(book)},
            metadata={
                **figures(book, taken, now, settings.case_capacity),
                "labels_landed": len(landed.keys),
                "labels_waiting": len(landed.problems),
                **described(CASES, table, _LINEAGE, _SHOWN),
            },
        )
        yield from publish(versions, draft, meter)


def _taken_in(
    versions: Versions, store: CaseStore, alerts: pl.DataFrame, now: datetime, settings: Settings
) -> TakenIn:
    """Take published alerts in, with what each reason weighs in those that are new."""
    told = told_of(versions, alerts, store.book().alert_ids())
    return take_in_alerts(
        store,
        case_alerts(alerts, told),
        now=now,
        due=settings.case_due,
        merged=merged_rings(versions),
    )


def _placed(alerts: pl.DataFrame, book: Book, rejected: str) -> dg.AssetCheckResult:
    """Every published alert is known to the store, as it is when all is done."""
    lost = [name for name in alerts["alert_id"] if not book.knows(name)]
    return predicate_check(
        EVERY_ALERT_HAS_ITS_PLACE,
        passed=not lost,
        rejected=rejected,
        description=f"{len(lost)} published alerts are in no case.",
        figures={"alerts": alerts.height, "lost": len(lost)},
    )


def figures(book: Book, taken: TakenIn, now: datetime, capacity: int) -> dict[str, float | str]:
    """How many cases there are in which state, and what the last intake did."""
    known = list(book.cases())
    work = [one for one in known if one.is_work]
    return {
        "open": len(work),
        "new": sum(one.state == "new" for one in work),
        "assigned": sum(one.state == "assigned" for one in work),
        "closed": sum(one.state == "closed" for one in known),
        "escalated": sum(one.escalated for one in work),
        "overdue": sum(is_overdue(one, now) for one in work),
        "beyond_capacity": max(len(work) - capacity, 0),
        "alerts_taken_in": taken.alerts,
        "opened": taken.opened,
        "joined": taken.joined,
        "passed_over": taken.passed_over,
    }
