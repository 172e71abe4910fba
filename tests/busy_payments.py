"""Payments among few accounts and one hub, so that every window of the features is full."""

import numpy as np
import polars as pl

from gpu_ops.canonical import CANONICAL_SCHEMA


def busy_payments(size: int) -> pl.DataFrame:
    """Forty days of payments between 60 accounts; every third goes to one hub."""
    random = np.random.default_rng(7)
    at = random.integers(0, 40 * 24 * 60, size) * 60_000_000
    payee = np.where(random.random(size) < 1 / 3, 0, random.integers(1, 60, size))
    return (
        pl.DataFrame(
            {
                "transaction_id": [f"t{number:05d}" for number in range(size)],
                "occurred_at": at,
                "kind": random.choice(["payment", "card"], size),
                "amount": random.lognormal(3, 2, size).round(2),
                "currency": ["EUR"] * size,
                "payer_id": [f"a{number}" for number in random.integers(0, 60, size)],
                "payee_id": [f"a{number}" for number in payee],
                "payer_balance_before": random.random(size),
                "payee_balance_before": [None] * size,
                "is_fraud": random.random(size) < 0.1,
                "label_known_at": at + random.integers(0, 20, size) * 86_400_000_000,
            }
        )
        .cast({"occurred_at": pl.Int64, "label_known_at": pl.Int64})
        .cast(pl.Schema(CANONICAL_SCHEMA))
    )
