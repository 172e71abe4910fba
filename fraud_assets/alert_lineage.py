"""What every column of the alert tables is made of, for the lineage in the UI."""

from collections.abc import Mapping
from typing import Final

from fraud_assets.metadata import MadeOf
from fraud_assets.schemas import RING_ALERTS, TRANSACTION_ALERTS

_SCORED: Final = (
    "feed",
    "expected_loss",
    "reasons",
    "occurred_at",
    "kind",
    "amount",
    "currency",
    "payer",
    "payee",
    "fraud_probability",
    "anomaly_score",
    "model_version",
)
_RING: Final = (
    "feed",
    "pattern",
    "score",
    "accounts",
    "transaction_ids",
    "first_at",
    "last_at",
    "amount",
)

TRANSACTION_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "augmented_transactions": {
        **{name: [name] for name in _SCORED},
        "alert_id": ["feed", "transaction_id"],
        "subject_id": ["transaction_id"],
        "event_day": ["occurred_at"],
        "rank": ["expected_loss", "reasons", "anomaly_score"],
        "ranked_by": ["expected_loss"],
        "related_transaction_ids": ["transaction_id", "payer", "payee", "may_alert"],
        "explanation": [*_SCORED, "transaction_id"],
    }
}

RING_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "fraud_rings": {
        **{name: [name] for name in _RING},
        "alert_id": ["feed", "ring_id"],
        "subject_id": ["ring_id"],
        "event_day": ["last_at"],
        "expected_loss": ["confirmed_share", "exposure"],
        "rank": ["confirmed_share", "exposure", "score", "amount"],
        "ranked_by": ["confirmed_share"],
        "reasons": ["pattern"],
        "explanation": [*_RING],
    }
}

PUBLISHED_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "transaction_alerts": {name: [name] for name in TRANSACTION_ALERTS.schema.columns},
    "ring_alerts": {name: [name] for name in RING_ALERTS.schema.columns},
}
