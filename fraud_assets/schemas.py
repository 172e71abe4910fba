"""The contract of every layer's table, as pandera schemas; `model_schemas` has those of the models.

The meaning of each column stands in `fraud_assets.meanings`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import pandera.polars as pa
import polars as pl

from fraud_assets.checks import Contract
from fraud_assets.columns import (
    column,
    count,
    evidence,
    number,
    schema,
    share,
    text,
    time,
)
from fraud_assets.meanings import MEANING
from gpu_ops.canonical import KINDS
from gpu_ops.contributions import CONTRIBUTION
from gpu_ops.decisions import DECISIONS
from gpu_ops.ring_params import HORIZONS, PATTERNS

__all__ = [
    "ACCOUNT_FEATURES",
    "ACCOUNT_GRAPH",
    "AUGMENTED",
    "MEANING",
    "PUBLISHED_ALERTS",
    "RAW",
    "RINGS",
    "RING_ALERTS",
    "TRANSACTION_ALERTS",
    "prepped_contract",
]

RAW: Final = Contract(
    "contract",
    schema(
        {
            "transaction_id": text(),
            "occurred_at": time(),
            "kind": column(pl.String(), pa.Check.isin(KINDS)),
            # Neither NaN nor an infinite amount passes the upper bound.
            "amount": column(pl.Float64(), pa.Check.in_range(0.0, 1e15)),
            "currency": column(pl.String(), pa.Check.str_length(min_value=3, max_value=3)),
            "payer_id": text(),
            "payee_id": text(),
            "payer_balance_before": column(pl.Float64(), null=True),
            "payee_balance_before": column(pl.Float64(), null=True),
            "is_fraud": column(pl.Boolean(), null=True),
            "label_known_at": time(null=True),
            "source_file": text(),
            "source_row": column(pl.Int64(), pa.Check.ge(1)),
        }
    ),
    unique=("transaction_id",),
    sorted_by=("occurred_at", "transaction_id"),
    shows=frozenset({"occurred_at", "kind", "amount", "currency", "source_row"}),
)


def prepped_contract(features: Mapping[str, pl.DataType], counts: Sequence[str]) -> Contract:
    """The prepped layer's contract for a feed's features.

    Args:
        features: Feature columns and their dtypes, in order.
        counts: Those of them that are counts, sums or flags: never null, never negative.
    """
    never_negative = set(counts)
    columns: dict[str, pa.Column] = {"transaction_id": text(), "occurred_at": time()}
    for name, dtype in features.items():
        columns[name] = (
            column(dtype, pa.Check.ge(0)) if name in never_negative else column(dtype, null=True)
        )
    return Contract(
        "contract",
        schema(columns),
        unique=("occurred_at", "transaction_id"),
        sorted_by=("occurred_at", "transaction_id"),
        shows=frozenset({"occurred_at", *features}),
    )


AUGMENTED: Final = Contract(
    "contract",
    schema(
        {
            "transaction_id": text(),
            "occurred_at": time(),
            "feed": text(),
            "kind": column(pl.String(), pa.Check.isin(KINDS)),
            "amount": number(),
            "currency": text(),
            "payer": text(),
            "payee": text(),
            "is_fraud": column(pl.Boolean(), null=True),
            "label_known_at": time(null=True),
            "anomaly_score": share(pl.Float32()),
            "fraud_margin": column(pl.Float32(), pa.Check.in_range(-1e30, 1e30), null=True),
            "fraud_probability": share(pl.Float32(), null=True),
            "expected_loss": number(null=True),
            "decision": column(pl.String(), pa.Check.isin(DECISIONS), null=True),
            "in_sample": column(pl.Boolean()),
            "may_alert": column(pl.Boolean()),
            "reasons": column(pl.List(pl.String())),
            "contributions": column(pl.List(CONTRIBUTION)),
            "model_version": text(null=True),
            "payer_ring_score": share(pl.Float32(), null=True),
            "payee_ring_score": share(pl.Float32(), null=True),
            "challenger_probability": share(pl.Float32(), null=True),
            "challenger_version": text(null=True),
        }
    ),
    unique=("occurred_at", "transaction_id"),
    sorted_by=("occurred_at", "transaction_id"),
    shows=frozenset({"occurred_at", "feed", "kind", "amount", "anomaly_score", "expected_loss"}),
)

ACCOUNT_GRAPH: Final = Contract(
    "contract",
    schema(
        {
            "feed": text(),
            "payer": text(),
            "payee": text(),
            "n_transactions": column(pl.UInt32(), pa.Check.ge(1)),
            "amount_sum": number(),
            "amount_max": number(),
            "first_at": time(),
            "last_at": time(),
            "max_probability": share(pl.Float32(), null=True),
            "mean_anomaly": share(pl.Float32()),
        }
    ),
    unique=("payer", "payee"),
)

ACCOUNT_FEATURES: Final = Contract(
    "contract",
    schema(
        {
            "feed": text(),
            "account": text(),
            "in_degree": count(pl.UInt32()),
            "out_degree": count(pl.UInt32()),
            "n_in": count(pl.UInt32()),
            "n_out": count(pl.UInt32()),
            "amount_in": number(),
            "amount_out": number(),
            "pass_through": share(pl.Float32()),
            "pagerank": share(),
            "component": count(pl.UInt32()),
            "component_size": column(pl.UInt32(), pa.Check.ge(1)),
            "community": count(pl.UInt32()),
            "community_size": column(pl.UInt32(), pa.Check.ge(1)),
            "is_hub": column(pl.Boolean()),
            "max_probability": share(pl.Float32(), null=True),
        }
    ),
    # An account's name begins with its feed.
    unique=("feed", "account"),
    sorted_by=("feed", "account"),
)

RINGS: Final = Contract(
    "contract",
    schema(
        {
            "ring_id": text(),
            "feed": text(),
            "pattern": column(pl.String(), pa.Check.isin(PATTERNS)),
            "horizon": column(pl.String(), pa.Check.isin(HORIZONS)),
            "score": share(),
            "accounts": column(pl.List(pl.String())),
            "transaction_ids": column(pl.List(pl.String())),
            "first_at": time(),
            "last_at": time(),
            "known_at": time(),
            "amount": number(),
            "exposure": number(),
            "n_accounts": column(pl.UInt32(), pa.Check.ge(2)),
            "n_transactions": column(pl.UInt32(), pa.Check.ge(1)),
            "centre": text(null=True),
            "surprise": evidence(),
            "surprise_of_habit": evidence(),
            "surprise_of_order": evidence(),
            "surprise_of_amounts": evidence(),
            "shape": share(),
            "coherence": share(),
            "probability": share(null=True),
            "confirmed_share": share(null=True),
            "community_share": share(null=True),
            "merged_into": text(null=True),
        }
    ),
    unique=("ring_id",),
    shows=frozenset({"pattern", "score"}),
)

_ALERT: Final[Mapping[str, pa.Column]] = {
    "alert_id": text(),
    "alert_type": column(pl.String(), pa.Check.isin(("transaction", "ring"))),
    "feed": text(),
    "subject_id": text(),
    "event_day": column(pl.Date()),
    "rank": column(pl.UInt32(), pa.Check.ge(1)),
    "expected_loss": number(null=True),
    "ranked_by": text(),
    "reasons": column(pl.List(pl.String())),
}


def _transaction_evidence(*, null: bool) -> dict[str, pa.Column]:
    """What a transaction alert adds; empty in alerts of rings."""
    return {
        "occurred_at": time(null=null),
        "kind": column(pl.String(), pa.Check.isin(KINDS), null=null),
        "amount": number(null=null),
        "currency": text(null=null),
        "payer": text(null=null),
        "payee": text(null=null),
        "fraud_probability": share(pl.Float32(), null=True),
        "anomaly_score": share(pl.Float32(), null=null),
        "model_version": text(null=True),
        "related_transaction_ids": column(pl.List(pl.String()), null=null),
    }


def _ring_evidence(*, null: bool) -> dict[str, pa.Column]:
    """What a ring alert adds; empty in alerts of transactions."""
    return {
        "pattern": column(pl.String(), pa.Check.isin(PATTERNS), null=null),
        "score": share(null=null),
        "accounts": column(pl.List(pl.String()), null=null),
        "transaction_ids": column(pl.List(pl.String()), null=null),
        "first_at": time(null=null),
        "last_at": time(null=null),
    }


def _told(*, published: bool) -> dict[str, pa.Column]:
    return {"explanation": text(), "published_in": text(null=not published)}


def _alerts(columns: Mapping[str, pa.Column]) -> Contract:
    return Contract(
        "contract",
        schema(columns),
        unique=("alert_id",),
        shows=frozenset({"alert_type", "event_day", "rank", "expected_loss"}),
    )


TRANSACTION_ALERTS: Final = _alerts(
    {**_ALERT, **_transaction_evidence(null=False), **_told(published=False)}
)
RING_ALERTS: Final = _alerts(
    {**_ALERT, **_ring_evidence(null=False), "amount": number(), **_told(published=False)}
)
PUBLISHED_ALERTS: Final = _alerts(
    {
        **_ALERT,
        **_transaction_evidence(null=True),
        **_told(published=True),
        **_ring_evidence(null=True),
        # Both kinds of alerts have one.
        "amount": number(),
    }
)
