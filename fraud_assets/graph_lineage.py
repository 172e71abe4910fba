"""What every column of the graph layer's tables is made of, for the lineage in the UI."""

from collections.abc import Mapping
from typing import Final

from fraud_assets.metadata import MadeOf

EDGE_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "augmented_transactions": {
        "feed": ["feed"],
        "payer": ["payer"],
        "payee": ["payee"],
        "n_transactions": ["transaction_id"],
        "amount_sum": ["amount"],
        "amount_max": ["amount"],
        "first_at": ["occurred_at"],
        "last_at": ["occurred_at"],
        "max_probability": ["fraud_probability", "in_sample"],
        "mean_anomaly": ["anomaly_score"],
    }
}

_PAIR: Final = ("payer", "payee")

ACCOUNT_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "account_graph": {
        "feed": ["feed"],
        "account": _PAIR,
        "in_degree": _PAIR,
        "out_degree": _PAIR,
        "n_in": ["payee", "n_transactions"],
        "n_out": ["payer", "n_transactions"],
        "amount_in": ["payee", "amount_sum"],
        "amount_out": ["payer", "amount_sum"],
        "pass_through": [*_PAIR, "amount_sum"],
        "pagerank": [*_PAIR, "amount_sum"],
        "component": _PAIR,
        "component_size": _PAIR,
        "community": [*_PAIR, "n_transactions"],
        "community_size": [*_PAIR, "n_transactions"],
        "is_hub": _PAIR,
        "max_probability": ["max_probability"],
    }
}

_SHAPE: Final = (*_PAIR, "occurred_at", "kind", "amount")

RING_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "augmented_transactions": {
        "ring_id": ["feed", "transaction_id"],
        "feed": ["feed"],
        "pattern": _SHAPE,
        "horizon": ["occurred_at"],
        "score": [*_SHAPE, "fraud_probability", "in_sample"],
        "accounts": _PAIR,
        "transaction_ids": ["transaction_id"],
        "first_at": ["occurred_at"],
        "last_at": ["occurred_at"],
        "known_at": ["occurred_at"],
        "amount": ["amount"],
        "exposure": [*_PAIR, "amount"],
        "n_accounts": _PAIR,
        "n_transactions": ["transaction_id"],
        "centre": _PAIR,
        "surprise": _SHAPE,
        "surprise_of_habit": [*_PAIR, "occurred_at", "kind"],
        "surprise_of_order": [*_PAIR, "occurred_at", "kind"],
        "surprise_of_amounts": _SHAPE,
        "shape": _SHAPE,
        "coherence": ["amount", "occurred_at"],
        "probability": ["fraud_probability", "in_sample"],
        "confirmed_share": [
            *_SHAPE,
            "fraud_probability",
            "in_sample",
            "is_fraud",
            "label_known_at",
        ],
        "merged_into": ["feed", "transaction_id"],
    },
    "account_features": {"community_share": ["account", "community"]},
}
