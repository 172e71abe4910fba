"""The contract of labels that came apart from their transactions."""

from typing import Final

import pandera.polars as pa
import polars as pl

from fraud_assets.checks import Contract
from fraud_assets.columns import column, schema, text, time

RAW_LABELS: Final = Contract(
    "contract",
    schema(
        {
            "transaction_id": text(),
            "occurred_at": time(null=True),
            "is_fraud": column(pl.Boolean(), null=True),
            "known_at": time(),
            "source": text(),
            "by": text(null=True),
            "reason": text(null=True),
            "source_file": text(),
            "source_row": column(pl.Int64(), pa.Check.ge(1)),
        }
    ),
    unique=("source_row",),
    shows=frozenset({"occurred_at", "is_fraud", "known_at", "source", "source_row"}),
)
