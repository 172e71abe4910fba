"""Rings and cases are explained from what the lake holds of their payments."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.case_explaining import explain_case
from fraud_assets.ring_payments import payments_of_rings
from gpu_ops.alert_table import ALERT_SCHEMA, RING_EVIDENCE, TRANSACTION_EVIDENCE
from gpu_ops.case_model import Case, CaseAlert, Subject
from resources.explainer import TemplateExplainer
from resources.lake import Lake
from resources.versions import Versions

if TYPE_CHECKING:
    from pydantic import JsonValue

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)


def at(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def scored(*rows: tuple[str, int, float, str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [name for name, *_ in rows],
            "occurred_at": [at(hours) for _, hours, *_ in rows],
            "feed": ["sim"] * len(rows),
            "amount": [amount for _, _, amount, *_ in rows],
            "currency": ["EUR"] * len(rows),
            "payer": [f"sim:account:{payer}" for *_, payer, _ in rows],
            "payee": [f"sim:account:{payee}" for *_, payee in rows],
        },
        schema_overrides={"occurred_at": pl.Datetime("us", "UTC")},
    )


def alert(alert_type: str, subject: str, /, **values: object) -> dict[str, object]:
    return {
        "alert_id": f"{alert_type}-1",
        "alert_type": alert_type,
        "feed": "sim",
        "subject_id": subject,
        "event_day": NOON.date(),
        "rank": 1,
        "ranked_by": "rules",
        "explanation": "As it was published.",
        **values,
    }


RING: Final = alert(
    "ring",
    "r1",
    reasons=["RING_FAN_IN"],
    pattern="fan_in",
    score=0.75,
    accounts=["sim:account:collect", "sim:account:0000001", "sim:account:0000002"],
    transaction_ids=["t1", "t2", "gone"],
    first_at=at(0),
    last_at=at(30),
    amount=300.0,
)
PAYMENT: Final = alert(
    "transaction",
    "t3",
    reasons=["RULE_SPRING"],
    occurred_at=at(31),
    kind="transfer",
    amount=290.0,
    currency="EUR",
    payer="sim:account:collect",
    payee="sim:account:0000009",
    anomaly_score=0.5,
    related_transaction_ids=[],
)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Two scored uploads, one of which names a rule, and published alerts."""
    found = Versions(Lake.open(str(tmp_path / "lake")))
    uploads = {
        "a": scored(("t1", 0, 100.0, "0000001", "collect"), ("other", 1, 5.0, "x", "y")),
        "b": scored(
            ("t2", 30, 200.0, "0000002", "collect"), ("t3", 31, 290.0, "collect", "0000009")
        ),
    }
    rule: dict[str, JsonValue] = {"code": "RULE_SPRING", "text": "Like last spring."}
    rule |= {"weight": 1, "status": "active", "hits": 1}
    for key, rows in uploads.items():
        attempt = found.begin(layers.upload_slot("augmented_transactions", "sim", key), key)
        attempt.write_table(rows)
        found.publish(attempt, inputs={}, extra={"rules": [rule]})
    attempt = found.begin(layers.snapshot_slot("published_alerts"), "run")
    schema = ALERT_SCHEMA | TRANSACTION_EVIDENCE | RING_EVIDENCE | {"explanation": pl.String()}
    attempt.write_table(pl.DataFrame([RING, PAYMENT], schema=schema))
    found.publish(attempt, inputs={})
    return found


def test_payments_of_new_rings_are_looked_up_in_every_upload(versions: Versions) -> None:
    rings = pl.DataFrame(
        [{**RING, "explanation": None}], schema_overrides={"explanation": pl.String}
    )
    (payments,) = payments_of_rings(versions, rings).values()
    told = [(one.transaction_id, one.amount, one.payer[-7:], one.occurred_at) for one in payments]
    assert told == [("t1", 100.0, "0000001", at(0)), ("t2", 200.0, "0000002", at(30))]
    # What was published keeps its text, so nothing is looked up for it.
    assert payments_of_rings(versions, pl.DataFrame([RING])) == {}


def test_a_case_is_explained_from_its_published_alerts(versions: Versions) -> None:
    subject = Subject(kind="entity", feed="sim", name="sim:account:collect")

    def held(row: dict[str, object], loss: float) -> CaseAlert:
        return CaseAlert(
            alert_id=str(row["alert_id"]),
            subject=subject,
            first_at=at(0),
            last_at=at(31),
            transaction_ids=("t1",),
            accounts=("sim:account:0000001", subject.name),
            reasons=tuple((str(code), 1.0) for code in row["reasons"]),  # type: ignore[attr-defined]
            loss=loss,
            amount=1.0,
            score=0.5,
        )

    case = Case(
        case_id="case-1",
        subject=subject,
        opened_at=NOON,
        due_at=NOON,
        alerts=(held(RING, 60.0), held(PAYMENT, 40.0)),
        version=1,
        changed_at=NOON,
    )
    text = explain_case(versions, case, [], TemplateExplainer())
    assert text == (
        "Case about the account …ect: 1 alert of payments and 1 ring of accounts, from "
        "2026-03-02 at 12:00 to 2026-03-03 at 19:00 UTC. "
        "Fan-in of 3 accounts (…ect, …001, …002): 3 transactions with a sum of 300.00 EUR from "
        "2026-03-02 at 12:00 to 2026-03-03 at 18:00 UTC. "
        "The largest payments: 290.00 EUR from …ect to …009 on 2026-03-03 at 19:00 UTC; "
        "200.00 EUR from …002 to …ect on 2026-03-03 at 18:00 UTC; "
        "100.00 EUR from …001 to …ect on 2026-03-02 at 12:00 UTC. "
        "What it rests on, by weight: 60%: Many accounts pay one account that they hardly ever pay "
        "otherwise. "
        "40%: Like last spring. "
        "Expected loss: 100.00 EUR. "
        "There was no case about it before."
    )
    assert (
        explain_case(versions, case.model_copy(update={"alerts": ()}), [], TemplateExplainer())
        == ""
    )
