"""A case in plain words: its evidence gathered from the lake, and put into words."""

from collections.abc import Iterable

import polars as pl

from fraud_assets import layers
from fraud_assets.refresh import scored_uploads
from fraud_assets.ring_payments import payments_of_rings
from fraud_assets.rule_notes import known_rules
from gpu_ops.case_evidence import case_evidence
from gpu_ops.case_model import Case
from gpu_ops.evidence import (
    CaseEvidence,
    RingEvidence,
    TransactionEvidence,
    ring_evidence,
    transaction_evidence,
)
from resources.explainer import Explainer
from resources.versions import Versions


def explain_case(
    versions: Versions, case: Case, others: Iterable[Case], explainer: Explainer
) -> str:
    """A few sentences about a case; empty where it has no alerts.

    Args:
        versions: The lake.
        case: The case.
        others: Cases about the same account or ring, as `Book.cases_about` gives them.
        explainer: Who puts it into words.
    """
    return explainer.explain(evidence_of(versions, case, others)) if case.alerts else ""


def evidence_of(versions: Versions, case: Case, others: Iterable[Case]) -> CaseEvidence:
    """What is known about a case, from the published alerts and what they were made of.

    Raises:
        ValueError: The case has no alerts.
    """
    published = versions.latest(layers.snapshot_slot("published_alerts"))
    known: dict[str, TransactionEvidence | RingEvidence] = {}
    if published is not None:
        ids = [one.alert_id for one in case.alerts]
        rows = versions.scan(published).filter(pl.col("alert_id").is_in(ids)).collect()
        texts = known_rules(scored_uploads(versions).values()).texts
        payments = transaction_evidence(rows.filter(alert_type="transaction"), texts)
        rings = _rings(versions, rows.filter(alert_type="ring"))
        known |= {one.alert_id: one for one in payments}
        known |= {one.alert_id: one for one in rings}
    return case_evidence(case, known, others)


def _rings(versions: Versions, rows: pl.DataFrame) -> list[RingEvidence]:
    if rows.is_empty():
        return []
    snapshot = versions.latest(layers.snapshot_slot("fraud_rings"))
    details = None if snapshot is None else versions.scan(snapshot).collect()
    return ring_evidence(rows, payments_of_rings(versions, rows.drop("explanation")), details)
