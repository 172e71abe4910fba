"""Features of a backtest see the labels of their moment, not those of today."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from fraud_assets.backtest_data import write_features
from gpu_ops.canonical import CANONICAL_SCHEMA
from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue
from gpu_ops.features import CATALOGUE

START = datetime(2024, 1, 1, tzinfo=UTC)
RUN = "payee_known_fraud_run"


def rows(*told: tuple[str, int, bool, int]) -> pl.DataFrame:
    """Payments to one shop: id, day, whether fraud, and after how many days that was known."""
    return pl.DataFrame(
        [
            {
                "transaction_id": name,
                "occurred_at": START + timedelta(days=day),
                "kind": "card",
                "amount": 10.0,
                "currency": "EUR",
                "payer_id": f"payer-{name}",
                "payee_id": "shop",
                "is_fraud": is_fraud,
                "label_known_at": START + timedelta(days=day + after),
            }
            for name, day, is_fraud, after in told
        ],
        schema=CANONICAL_SCHEMA,
    )


def test_a_fraud_reported_after_maturity_was_legitimate_until_then(tmp_path: Path) -> None:
    """Silence means legitimate after 5 days; the second fraud is reported after 20."""
    table = rows(
        ("early", 0, True, 1),
        ("late", 1, True, 20),
        ("young", 3, True, 2),
        ("between", 10, True, 2),
        ("after", 22, True, 1),
    )
    only_run = Catalogue(tuple(one for one in CATALOGUE.windows if one.name == RUN))
    path = tmp_path / "features.parquet"
    write_features(
        table,
        pl.col("transaction_id").is_in(["young", "between", "after"]),
        only_run,
        [RUN],
        maturity=timedelta(days=5),
        engine=Engine("cpu"),
        path=path,
    )
    found = pl.read_parquet(path)
    assert dict(found.select("transaction_id", RUN).iter_rows()) == {
        "young": 1,  # the early fraud; nothing is known of the late one
        "between": 1,  # the late one stood as legitimate, so only what came after it counts
        "after": 4,  # by now all are known as frauds
    }
