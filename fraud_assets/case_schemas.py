"""The contract of the table of cases."""

from typing import Final

import pandera.polars as pa
import polars as pl

from fraud_assets.checks import Contract
from fraud_assets.columns import column, number, schema, text, time
from gpu_ops.case_model import STATES, VERDICTS

_TEXTS: Final = column(pl.List(pl.String()))

CASES: Final = Contract(
    "contract",
    schema(
        {
            "case_id": text(),
            "feed": text(),
            "account": text(null=True),
            "ring_id": text(null=True),
            "case_state": column(pl.String(), pa.Check.isin(STATES)),
            "place": column(pl.UInt32(), pa.Check.ge(1), null=True),
            "within_capacity": column(pl.Boolean(), null=True),
            "expected_loss": number(null=True),
            "reasons": _TEXTS,
            "reason_weights": column(pl.List(pl.Float64())),
            "alert_ids": _TEXTS,
            "transaction_ids": _TEXTS,
            "amount": number(null=True),
            "first_at": time(null=True),
            "last_at": time(null=True),
            "opened_at": time(),
            "due_at": time(),
            "escalated": column(pl.Boolean()),
            "assignee": text(null=True),
            "case_verdict": column(pl.String(), pa.Check.isin(VERDICTS), null=True),
            "judged_transaction_ids": _TEXTS,
            "closed_at": time(null=True),
            "closed_by": text(null=True),
            "close_reason": text(null=True),
            "follows": text(null=True),
            "merged_into_case": text(null=True),
            "case_version": column(pl.UInt64(), pa.Check.ge(1)),
        }
    ),
    unique=("case_id",),
    shows=frozenset({"case_id", "case_state", "place", "expected_loss", "opened_at", "due_at"}),
)
