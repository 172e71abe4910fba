"""What every column of the model layer's tables is made of, for the lineage in the UI."""

from collections.abc import Mapping
from typing import Final

from fraud_assets.metadata import MadeOf
from gpu_ops.features import CATALOGUE

_FEATURES: Final = tuple(feature.name for feature in CATALOGUE)
_RAW: Final = ("transaction_id", "occurred_at", "payer_id")

TRAINING_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "raw_transactions": {
        **{name: [name] for name in _RAW},
        "transaction_amount": ["amount"],
        "window": ["occurred_at", "is_fraud", "label_known_at", "payer_id"],
        "is_fraud": ["is_fraud", "label_known_at"],
        "weight": ["transaction_id", "is_fraud"],
    },
    "prepped_transactions": {name: [name] for name in _FEATURES},
}

IMPORTANCE_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "training_set": {
        "feed": ["feed"],
        **{name: ["is_fraud", "weight", *_FEATURES] for name in ("gain", "gain_share", "splits")},
    }
}

EVALUATION_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "training_set": {
        "feed": ["feed"],
        **{name: ["is_fraud", "transaction_amount"] for name in ("ceiling", "random")},
        **{
            name: ["is_fraud", "transaction_amount", "payer_id", "occurred_at", *_FEATURES]
            for name in ("value", "champion")
        },
    },
    "fraud_model": {"value": ["gain"]},
}

VERDICT_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "model_evaluation": {
        "feed": ["feed"],
        "model": ["feed"],
        "verdict": ["value", "random", "champion"],
        "metric": ["metric"],
        "value": ["value"],
        "champion": ["champion"],
        "bar": ["random", "champion"],
        "outcome": ["value", "random", "champion"],
    }
}
