"""Published alerts as cases hold them: whom each is about, its evidence, and its reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypedDict, cast

import polars as pl

from gpu_ops.case_model import CaseAlert, Subject

RULE_WEIGHT: Final = 1.0
"""What a rule that hits weighs beside contributions to the model's score, in log-odds."""

_NEEDED: Final = (
    "alert_id",
    "alert_type",
    "feed",
    "subject_id",
    "expected_loss",
    "reasons",
    "occurred_at",
    "amount",
    "payer",
    "payee",
    "anomaly_score",
    "related_transaction_ids",
    "pattern",
    "score",
    "accounts",
    "transaction_ids",
    "first_at",
    "last_at",
)
_ABOUT_THE_PAYEE: Final = frozenset({"MANY_PAYERS_IN_A_DAY", "AMOUNT_FAR_ABOVE_PAYEE_HISTORY"})


class _Row(TypedDict):
    alert_id: str
    alert_type: str
    feed: str
    subject_id: str
    expected_loss: float | None
    reasons: list[str]
    occurred_at: datetime
    amount: float
    payer: str
    payee: str
    anomaly_score: float
    related_transaction_ids: list[str] | None
    pattern: str
    score: float
    accounts: list[str]
    transaction_ids: list[str]
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Told:
    """What tables beside the alerts tell of them.

    Attributes:
        contributions: Alert to what each group of features added to its score, in log-odds.
        rules: Code of an analysts' rule to how many ordinary rules a hit counts for.
        exposures: (feed, ring) to the money that came into it from outside, in major units.
    """

    contributions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    exposures: Mapping[tuple[str, str], float] = field(default_factory=dict)


def case_alerts(published: pl.DataFrame, told: Told | None = None) -> list[CaseAlert]:
    """The alerts of a publication, in the order of the rows.

    Args:
        published: Columns of `ALERT_SCHEMA`, `TRANSACTION_EVIDENCE` and `RING_EVIDENCE`.
        told: What else is known of them; nothing if not given.
    """
    rows = published.select(_NEEDED).iter_rows(named=True)
    return [_alert(cast("_Row", row), told or Told()) for row in rows]


def is_about_the_payee(code: str) -> bool:
    """Whether a reason tells of the payee and not of the payer or the payment."""
    return code in _ABOUT_THE_PAYEE or code.startswith(("PAYEE_", "MODEL_PAYEE_"))


def is_about_the_payer(code: str) -> bool:
    """Whether a reason tells of the payer and not of the payee or the payment."""
    return code in {"EMPTIES_ACCOUNT", "MANY_PAYEES_IN_A_DAY"} or "PAYER_" in code


def shares(reasons: Sequence[str], weights: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """How much of an alert rests on each of its reasons, 0 to 1, in the order given.

    Args:
        reasons: Codes.
        weights: Code to its weight; one that is not named weighs `RULE_WEIGHT`. What weighs less
            than nothing counts as nothing.
    """
    raw = [max(weights.get(code, RULE_WEIGHT), 0.0) for code in reasons]
    total = sum(raw)
    if total <= 0.0:
        return tuple((code, 1.0 / len(reasons)) for code in reasons)
    return tuple((code, one / total) for code, one in zip(reasons, raw, strict=True))


def _alert(row: _Row, told: Told) -> CaseAlert:
    weights = {**told.rules, **told.contributions.get(row["alert_id"], {})}
    reasons = shares(row["reasons"], weights)
    if row["alert_type"] == "ring":
        loss = row["expected_loss"]
        if loss is None:
            exposure = told.exposures.get((row["feed"], row["subject_id"]), row["amount"])
            loss = row["score"] * exposure
        return CaseAlert(
            alert_id=row["alert_id"],
            subject=Subject(kind="ring", feed=row["feed"], name=row["subject_id"]),
            first_at=row["first_at"],
            last_at=row["last_at"],
            transaction_ids=tuple(row["transaction_ids"]),
            accounts=tuple(row["accounts"]),
            reasons=reasons,
            loss=loss,
            amount=row["amount"],
            score=row["score"],
            pattern=row["pattern"],
        )
    related = row["related_transaction_ids"] or ()
    return CaseAlert(
        alert_id=row["alert_id"],
        subject=Subject(kind="entity", feed=row["feed"], name=_entity(row, reasons)),
        first_at=row["occurred_at"],
        last_at=row["occurred_at"],
        transaction_ids=(row["subject_id"], *related),
        accounts=(row["payer"], row["payee"]),
        reasons=reasons,
        loss=row["expected_loss"],
        amount=row["amount"],
        score=row["anomaly_score"],
    )


def _entity(row: _Row, reasons: Sequence[tuple[str, float]]) -> str:
    """The payer, unless more of the reasons' weight lies on the payee."""
    payee = sum(share for code, share in reasons if is_about_the_payee(code))
    payer = sum(share for code, share in reasons if is_about_the_payer(code))
    return row["payee"] if payee > payer else row["payer"]
