from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from gpu_ops.canonical import CANONICAL_SCHEMA

Row = dict[str, Any]
Build = Callable[[Sequence[Row]], pl.DataFrame]

START = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
DEFAULTS: Row = {
    "kind": "transfer",
    "amount": 10.0,
    "currency": "EUR",
    "payer_id": "ann",
    "payee_id": "shop",
    "payer_balance_before": None,
    "payee_balance_before": None,
    "is_fraud": None,
    "label_known_at": None,
}


def build(rows: Sequence[Row]) -> pl.DataFrame:
    """Fill in the defaults; a row gives `after`, its distance from `START`, and maybe `known`."""
    filled = []
    for number, row in enumerate(rows):
        known = row.get("known")
        filled.append(
            {
                "transaction_id": f"t{number:03d}",
                "occurred_at": START + row.get("after", timedelta(0)),
                **DEFAULTS,
                "label_known_at": None if known is None else START + known,
                **{name: value for name, value in row.items() if name in CANONICAL_SCHEMA},
            }
        )
    return pl.DataFrame(filled, schema=CANONICAL_SCHEMA)


@pytest.fixture(scope="session")
def table() -> Build:
    return build
