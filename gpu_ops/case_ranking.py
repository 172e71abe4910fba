"""The queue: which open case is worked on first, and which of them fit the capacity."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.case_model import Case
from gpu_ops.case_money import Movement, counted_once

CASE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "case_id": pl.String(),
    "feed": pl.String(),
    "account": pl.String(),
    "ring_id": pl.String(),
    "case_state": pl.String(),
    "place": pl.UInt32(),
    "within_capacity": pl.Boolean(),
    "expected_loss": pl.Float64(),
    "reasons": pl.List(pl.String()),
    "reason_weights": pl.List(pl.Float64()),
    "alert_ids": pl.List(pl.String()),
    "transaction_ids": pl.List(pl.String()),
    "amount": pl.Float64(),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
    "opened_at": UTC_MICROSECONDS,
    "due_at": UTC_MICROSECONDS,
    "escalated": pl.Boolean(),
    "assignee": pl.String(),
    "case_verdict": pl.String(),
    "judged_transaction_ids": pl.List(pl.String()),
    "closed_at": UTC_MICROSECONDS,
    "closed_by": pl.String(),
    "close_reason": pl.String(),
    "follows": pl.String(),
    "merged_into_case": pl.String(),
    "case_version": pl.UInt64(),
}
"""One row a case. place: 1 is worked on first; null where nothing is to be done."""


def expected_loss(case: Case) -> float | None:
    """What a case is expected to cost, in major units; None where no alert of it tells.

    The larger of two estimates of the same money: that of its transaction alerts, in which money
    that one of its accounts passes on counts once (`counted_once`), and the largest of its rings,
    share x exposure.
    """
    movements = [
        Movement(
            at=one.first_at,
            name=one.alert_id,
            payer=one.accounts[0],
            payee=one.accounts[-1],
            amount=one.amount,
            rate=one.loss / one.amount if one.amount > 0.0 else 0.0,
        )
        for one in case.alerts
        if one.subject.kind == "entity" and one.loss is not None
    ]
    rings = [one.loss for one in case.alerts if one.subject.kind == "ring"]
    of_payments = [counted_once(movements)] if movements else []
    return max(of_payments + [loss for loss in rings if loss is not None], default=None)


def reason_weights(case: Case) -> list[tuple[str, float]]:
    """All reasons of a case with the share of it that rests on each, the largest first.

    An alert counts by its expected loss, or by score x amount where nothing tells that. The shares
    add up to 1.
    """
    telling = [one for one in case.alerts if one.reasons]
    losses = [one.score * one.amount if one.loss is None else one.loss for one in telling]
    parts = losses if sum(losses) > 0.0 else [1.0] * len(losses)
    weights: dict[str, float] = {}
    for part, alert in zip(parts, telling, strict=True):
        for code, share in alert.reasons:
            weights[code] = weights.get(code, 0.0) + share * part / sum(parts)
    return sorted(weights.items(), key=lambda one: (-one[1], one[0]))


def queue(cases: Iterable[Case]) -> list[Case]:
    """The cases with something to do, in the order in which to work on them.

    Escalated cases first, then by expected loss, the largest first; those of which none is known
    come last, by the best alert's number of reasons and then its score, as alerts do. Ties go to
    the case that was opened earlier.
    """
    return sorted((one for one in cases if one.is_work), key=_merit)


def is_overdue(case: Case, now: datetime) -> bool:
    """Whether a case with something to do should be closed by now."""
    return case.is_work and now > case.due_at


def case_table(cases: Iterable[Case], *, capacity: int) -> pl.DataFrame:
    """All cases that ever had an alert, as `CASE_SCHEMA`: the queue first, then the rest.

    Args:
        cases: In any order.
        capacity: How many cases can be worked on at a time.
    """
    known = list(cases)
    waiting = queue(known)
    others = sorted(
        (one for one in known if not one.is_work and not one.is_open),
        key=lambda one: (one.changed_at, one.case_id),
        reverse=True,
    )
    rows = [_row(one, place, capacity) for place, one in enumerate(waiting, start=1)]
    rows += [_row(one, None, capacity) for one in others]
    return pl.DataFrame(rows, schema=CASE_SCHEMA)


def _merit(case: Case) -> tuple[bool, float, float, datetime, str]:
    loss = expected_loss(case)
    best = max(len(one.reasons) + min(one.score, 0.999) for one in case.alerts)
    # One below zero sorts after every loss, which is never negative.
    ranked = -1.0 if loss is None else loss
    return not case.escalated, -ranked, -best, case.opened_at, case.case_id


def _row(case: Case, place: int | None, capacity: int) -> dict[str, object]:
    weights = reason_weights(case)
    is_ring = case.subject.kind == "ring"
    return {
        "case_id": case.case_id,
        "feed": case.subject.feed,
        "account": None if is_ring else case.subject.name,
        "ring_id": case.subject.name if is_ring else None,
        "case_state": case.state,
        "place": place,
        "within_capacity": None if place is None else place <= capacity,
        "expected_loss": expected_loss(case),
        "reasons": [code for code, _ in weights],
        "reason_weights": [weight for _, weight in weights],
        "alert_ids": [one.alert_id for one in case.alerts],
        "transaction_ids": list(case.evidence),
        "amount": amount(case),
        "first_at": min((one.first_at for one in case.alerts), default=None),
        "last_at": max((one.last_at for one in case.alerts), default=None),
        "opened_at": case.opened_at,
        "due_at": case.due_at,
        "escalated": case.escalated,
        "assignee": case.assignee,
        "case_verdict": case.verdict,
        "judged_transaction_ids": list(case.ticked),
        "closed_at": case.closed_at,
        "closed_by": case.closed_by,
        "close_reason": case.reason,
        "follows": case.follows,
        "merged_into_case": case.merged_into,
        "case_version": case.version,
    }


def amount(case: Case) -> float | None:
    """The larger of what its alerted payments sum up to and its largest ring's amount."""
    payments = sum(one.amount for one in case.alerts if one.subject.kind == "entity")
    rings = [one.amount for one in case.alerts if one.subject.kind == "ring"]
    return max([payments, *rings]) if case.alerts else None
