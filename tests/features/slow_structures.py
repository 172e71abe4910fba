"""Slow and obvious re-implementations of the features of known labels and of pass-through."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gpu_ops.flow_features import FlowFeature
from gpu_ops.label_features import LabelFeature

Row = dict[str, Any]
PARTIES = {"payer": ("payer_id",), "payee": ("payee_id",), "pair": ("payer_id", "payee_id")}
MONTH = timedelta(days=30)
SECOND = timedelta(seconds=1)


def divided(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def close(value: float | None, wanted: float | None) -> bool:
    if value is None or wanted is None:
        return value is wanted
    return math.isclose(value, wanted, rel_tol=1e-6)


def slow_label(
    row: Row, rows: Sequence[Row], feature: LabelFeature, window: timedelta
) -> float | None:
    now = row["occurred_at"]
    known = [
        one
        for one in rows
        if all(one[party] == row[party] is not None for party in PARTIES[feature.entity])
        and now - window <= one["occurred_at"] < now
        and one["is_fraud"] is not None
        and one["label_known_at"] is not None
        and one["label_known_at"] < now
    ]
    frauds = [one for one in known if one["is_fraud"]]
    unexplained = [one for one in frauds if not is_large(one, rows)]
    run: list[Row] = []
    # Newest first, and of one moment the legitimate rows first: False sorts before True.
    for one in sorted(known, key=lambda one: (now - one["occurred_at"], one["is_fraud"])):
        if not one["is_fraud"]:
            break
        run.append(one)
    newest = max((one["occurred_at"] for one in frauds), default=None)
    values: dict[str, float | None] = {
        "known_fraud_share": divided(len(frauds), len(known)),
        "known_fraud_run": len(run),
        "known_fraud_run_age": (now - run[-1]["occurred_at"]) / SECOND if run else None,
        "time_since_known_fraud": None if newest is None else (now - newest) / SECOND,
        "unexplained_frauds": len(unexplained),
        "unexplained_fraud_share": divided(len(unexplained), len(frauds)),
    }
    return values[feature.statistic]


def is_large(fraud: Row, rows: Sequence[Row]) -> bool:
    start, end = fraud["occurred_at"] - MONTH, fraud["occurred_at"]
    before = [
        one["amount"]
        for one in rows
        if fraud["payer_id"] == one["payer_id"] is not None and start <= one["occurred_at"] < end
    ]
    return bool(before) and fraud["amount"] > 2 * math.fsum(before) / len(before)


def slow_flow(
    row: Row, rows: Sequence[Row], feature: FlowFeature, window: timedelta
) -> float | None:
    now = row["occurred_at"]
    own, other = ("payer_id", "payee_id") if feature.entity == "payer" else ("payee_id", "payer_id")
    past = [
        one
        for one in rows
        if one[other] == row[own] is not None and now - window <= one["occurred_at"] < now
    ]
    newest = max((one["occurred_at"] for one in past), default=None)
    values: dict[str, float | None] = {
        "sum": math.fsum(one["amount"] for one in past),
        "count": len(past),
        "time_since_last": None if newest is None else (now - newest) / SECOND,
    }
    return values[feature.statistic]
