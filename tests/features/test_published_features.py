"""The Handbook's fifteen features, against the published pandas operations."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.features import feature_table
from gpu_ops.published_features import PUBLISHED, PUBLISHED_COLUMNS, PUBLISHED_NAMES

Build = Callable[[Sequence[dict[str, object]]], pl.DataFrame]
DAYS = (1, 7, 30)


def published(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Chapter 3's transformation: rolling sums and counts by seconds, the row itself included."""
    rows = rows.sort_values("TX_DATETIME")
    rows["TX_DURING_WEEKEND"] = (rows.TX_DATETIME.dt.day_of_week >= 5).astype(int)
    rows["TX_DURING_NIGHT"] = (rows.TX_DATETIME.dt.hour <= 6).astype(int)
    parts = []
    for _, mine in rows.groupby("CUSTOMER_ID"):
        amounts = mine.set_index("TX_DATETIME").TX_AMOUNT
        found = mine.copy()
        for days in DAYS:
            count, total = amounts.rolling(f"{days}D").count(), amounts.rolling(f"{days}D").sum()
            found[f"CUSTOMER_ID_NB_TX_{days}DAY_WINDOW"] = list(count)
            found[f"CUSTOMER_ID_AVG_AMOUNT_{days}DAY_WINDOW"] = list(total / count)
        parts.append(found)
    rows = pd.concat(parts).sort_values("TX_DATETIME")
    parts = []
    for _, mine in rows.groupby("TERMINAL_ID"):
        frauds = mine.set_index("TX_DATETIME").TX_FRAUD
        found = mine.copy()
        late_frauds, late_count = frauds.rolling("7D").sum(), frauds.rolling("7D").count()
        for days in DAYS:
            window = frauds.rolling(f"{7 + days}D")
            count = window.count() - late_count
            found[f"TERMINAL_ID_NB_TX_{days}DAY_WINDOW"] = list(count)
            found[f"TERMINAL_ID_RISK_{days}DAY_WINDOW"] = list((window.sum() - late_frauds) / count)
        parts.append(found.fillna(0))
    return pd.concat(parts).sort_values("TRANSACTION_ID")


def both(rows: list[dict[str, Any]]) -> tuple["pd.DataFrame", pl.DataFrame]:
    canonical = pl.DataFrame(rows).select(
        transaction_id=pl.col("TRANSACTION_ID"),
        occurred_at=pl.col("TX_DATETIME").dt.cast_time_unit("us").dt.replace_time_zone("UTC"),
        kind=pl.lit("card"),
        amount="TX_AMOUNT",
        payer_id="CUSTOMER_ID",
        payee_id="TERMINAL_ID",
        is_fraud=pl.col("TX_FRAUD") == 1,
    )
    known = canonical.with_columns(label_known_at=pl.col("occurred_at") + timedelta(days=7))
    ours = feature_table(
        known.lazy(), is_target=pl.lit(value=True), engine=Engine(), catalogue=PUBLISHED
    ).collect()
    return published(pd.DataFrame(rows)), ours.sort("transaction_id")


def test_all_fifteen_equal_the_published_ones_without_ties() -> None:
    random = np.random.default_rng(3)
    seconds = np.sort(random.choice(60 * 86_400, 300, replace=False))
    start = datetime(2018, 4, 1)  # noqa: DTZ001 - the published table has no time zone
    theirs, ours = both(
        [
            {
                "TRANSACTION_ID": f"{place:03d}",
                "TX_DATETIME": start + timedelta(seconds=int(second)),
                "CUSTOMER_ID": f"c{random.integers(4)}",
                "TERMINAL_ID": f"t{random.integers(5)}",
                "TX_AMOUNT": round(random.lognormal(3, 1), 2),
                "TX_FRAUD": int(random.random() < 0.3),
            }
            for place, second in enumerate(seconds)
        ]
    )
    assert tuple(PUBLISHED_COLUMNS.values()) == PUBLISHED_NAMES
    assert len(PUBLISHED_NAMES) == 15
    assert ours["terminal_risk_7d"].n_unique() > 20
    for name, column in PUBLISHED_COLUMNS.items():
        np.testing.assert_allclose(ours[column], theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_of_rows_of_one_moment_the_published_code_sees_those_before_it_in_the_file() -> None:
    at = datetime(2018, 4, 1)  # noqa: DTZ001 - the published table has no time zone
    row = {"TX_DATETIME": at, "CUSTOMER_ID": "c", "TERMINAL_ID": "t", "TX_FRAUD": 0}
    theirs, ours = both(
        [{**row, "TRANSACTION_ID": name, "TX_AMOUNT": 10.0 * int(name)} for name in "12"]
    )
    assert list(theirs.CUSTOMER_ID_NB_TX_1DAY_WINDOW) == [1, 2]
    assert ours["customer_count_1d"].to_list() == [1, 1]
    assert list(theirs.CUSTOMER_ID_AVG_AMOUNT_7DAY_WINDOW) == [10, 15]
    assert ours["customer_amount_mean_7d"].to_list() == [10, 20]
