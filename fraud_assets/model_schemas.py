"""The contracts of the model layer's tables."""

from typing import Final

import pandera.polars as pa
import polars as pl

from fraud_assets.checks import Contract
from fraud_assets.columns import column, count, number, schema, share, text, time
from gpu_ops.features import CATALOGUE

TRAINING_SET: Final = Contract(
    "contract",
    schema(
        {
            "transaction_id": text(),
            "occurred_at": time(),
            "feed": text(),
            "payer_id": text(),
            "transaction_amount": number(),
            "window": column(pl.String(), pa.Check.isin(("train", "validation", "test"))),
            "is_fraud": column(pl.Boolean()),
            "weight": column(pl.Float32(), pa.Check.gt(0.0)),
            **{feature.name: column(feature.dtype, null=True) for feature in CATALOGUE},
        }
    ),
    unique=("feed", "transaction_id"),
)

IMPORTANCE: Final = Contract(
    "contract",
    schema(
        {
            "feed": text(),
            "feature": text(),
            "gain": number(),
            "gain_share": share(),
            "splits": count(pl.Int64()),
        }
    ),
    unique=("feed", "feature"),
)
"""What the UI shows of a trained model."""

EVALUATION: Final = Contract(
    "contract",
    schema(
        {
            "feed": text(),
            "metric": text(),
            "value": column(pl.Float64(), null=True),
            "ceiling": column(pl.Float64(), null=True),
            "random": column(pl.Float64(), null=True),
            "champion": column(pl.Float64(), null=True),
        }
    ),
    unique=("feed", "metric"),
    shows=frozenset({"feed", "metric", "value"}),
)

VERDICTS: Final = Contract(
    "contract",
    schema(
        {
            "feed": text(),
            "model": text(),
            "verdict": text(),
            "metric": text(),
            "value": column(pl.Float64(), null=True),
            "champion": column(pl.Float64(), null=True),
            "bar": text(),
            "outcome": text(),
        }
    ),
    unique=("feed", "metric"),
)
"""What the UI shows of the gate's verdicts."""
