from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from gpu_ops.features import feature_names
from gpu_ops.reference_model import ReferenceModel, published_columns

ROWS = pl.DataFrame(
    {
        # A Saturday at 06:30, and the Monday after at 07:00.
        "occurred_at": [
            datetime(2024, 3, 2, 6, 30, tzinfo=UTC),
            datetime(2024, 3, 4, 7, 0, tzinfo=UTC),
        ],
        "transaction_amount": [30.0, 8.0],
        "payer_count_1d": [0, 3],
        "payer_count_7d": [1, 3],
        "payer_count_30d": [2, 3],
        "payer_amount_sum_1d": [0.0, 24.0],
        "payer_amount_sum_7d": [10.0, 24.0],
        "payer_amount_sum_30d": [60.0, 24.0],
        "payee_count_1d": [0, 5],
        "payee_count_7d": [4, 6],
        "payee_count_30d": [4, 7],
        "payee_label_risk_1d_delay_7d": [None, 0.0],
        "payee_label_risk_7d_delay_7d": [0.25, 0.5],
        "payee_label_risk_30d_delay_7d": [0.25, 1.0],
    }
)


def test_the_fifteen_by_hand() -> None:
    found = published_columns(ROWS)
    assert found is not None
    assert found.row(0) == (30, 1, 1, 1, 30, 0, 0, 2, 20, 4, 0.25, 3, 30, 4, 0.25)
    assert found.row(1) == (8, 0, 0, 4, 8, 5, 0, 4, 8, 6, 0.5, 4, 8, 7, 1.0)
    assert set(ROWS.columns) <= {*feature_names(), "occurred_at", "transaction_amount"}


def test_it_learns_what_separates_and_needs_every_column() -> None:
    rows = pl.concat([ROWS] * 20)
    labels = np.array([True, False] * 20)
    weights = np.ones(40, dtype=np.float32)
    model = ReferenceModel.fit(rows, labels, weights, seed=0)
    assert model is not None
    high, low = model.score(ROWS)
    assert high > 0.9
    assert low < 0.1
    assert model.score(ROWS.head(0)).size == 0
    # Nine legitimate rows for each: the probability falls.
    weighted = ReferenceModel.fit(rows, labels, np.array([1.0, 9.0] * 20, np.float32), seed=0)
    assert weighted is not None
    assert weighted.score(ROWS).sum() < high + low
    less = rows.drop("payee_count_7d")
    assert ReferenceModel.fit(less, labels, weights, seed=0) is None
    assert ReferenceModel.fit(rows, np.zeros(40, dtype=np.bool_), weights, seed=0) is None
    with pytest.raises(ValueError, match="lack columns"):
        model.score(less)
