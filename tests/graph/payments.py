"""Hand-written payments for the tests of the graph."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from gpu_ops.patterns import search_rings
from gpu_ops.ring_params import RingParams

START = datetime(2026, 1, 1, tzinfo=UTC)
Payment = tuple[float, str, str, float]
"""Day after `START`, payer, payee, amount."""


def table(payments: Sequence[Payment], feed: str = "f", prefix: str = "t") -> pl.DataFrame:
    """Return an augmented table; ids count in the order given."""
    return pl.DataFrame(
        {
            "transaction_id": [f"{prefix}{k:05d}" for k in range(len(payments))],
            "occurred_at": [START + timedelta(days=day) for day, *_ in payments],
            "feed": [feed] * len(payments),
            "kind": ["transfer"] * len(payments),
            "amount": [amount for *_, amount in payments],
            "payer": [f"{feed}:account:{payer}" for _, payer, _, _ in payments],
            "payee": [f"{feed}:account:{payee}" for _, _, payee, _ in payments],
            "fraud_probability": pl.Series([None] * len(payments), dtype=pl.Float32),
            "anomaly_score": pl.Series([0.5] * len(payments), dtype=pl.Float32),
        },
        schema_overrides={"occurred_at": pl.Datetime("us", "UTC"), "amount": pl.Float64},
    )


def ordinary(days: int = 120, people: int = 60) -> list[Payment]:
    """Everybody pays the same two neighbours every week, with varied amounts."""
    return [
        (day + (k % 24) / 24, f"p{k}", f"p{(k + step) % people}", 40.0 + 13.0 * ((k * day) % 29))
        for k in range(people)
        for day in range(k % 7, days, 7)
        for step in (1, 2)
    ]


def rings_in(
    transactions: pl.DataFrame,
    accounts: pl.DataFrame | None = None,
    params: RingParams | None = None,
) -> pl.DataFrame:
    """Return the rings that the search finds."""
    return search_rings(transactions.lazy(), accounts, params=params).rings
