"""Forty columns of the feature table as ours, in pandas and in DuckDB."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from gpu_ops.engine import Engine  # noqa: E402 - runs from a checkout as it is
from gpu_ops.feature_model import Catalogue, Entity, Statistic, WindowFeature  # noqa: E402
from gpu_ops.features import feature_table  # noqa: E402

WINDOWS: Final = {
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
STATISTICS: Final[tuple[Statistic, ...]] = ("count", "sum", "mean", "max", "std")
PARTIES: Final[tuple[Entity, ...]] = ("payer", "payee")
FEATURES: Final = tuple(
    WindowFeature(party, statistic, window)
    for party in PARTIES
    for window in WINDOWS.values()
    for statistic in STATISTICS
)
COMPARED: Final = Catalogue(FEATURES)
NAMES: Final = {(one.entity, one.window, one.statistic): one.name for one in FEATURES}
"""Names of the compared columns by entity, window and statistic."""

Values = dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"]


class Prepared(NamedTuple):
    """A contender with its table loaded.

    Attributes:
        compute: what is timed.
        sample: values of the first so many rows in time order, NaN where there is none.
    """

    compute: Callable[[], None]
    sample: Callable[[int], Values]


def ours(path: Path, rows: int) -> Prepared:
    """The feature table on engine cpu."""
    table = pl.scan_parquet(path).head(rows).collect()
    found: list[pl.DataFrame] = []

    def compute() -> None:
        features = feature_table(
            table.lazy(), is_target=pl.lit(True), engine=Engine(), catalogue=COMPARED
        )
        found.append(features.collect())

    def sample(size: int) -> Values:
        some = found[0].head(size).select(NAMES.values()).cast(pl.Float64).fill_null(np.nan)
        return {name: some[name].to_numpy() for name in some.columns}

    return Prepared(compute, sample)


def in_pandas(path: Path, rows: int) -> Prepared:
    """Rolling windows over groups; the rows of one moment take the values of its first one.

    ``closed="left"`` leaves out the row itself and those after it, but not those before it that
    are of the same moment.
    """
    import pandas as pd

    table = pl.scan_parquet(path).head(rows).collect()
    columns = ("occurred_at", "payer_id", "payee_id", "amount")
    frame = pd.DataFrame({name: table[name].to_numpy() for name in columns})
    del table
    results: list[pd.DataFrame] = []

    def compute() -> None:
        parts = []
        for party in PARTIES:
            account = f"{party}_id"
            # A stable sort, in which the rows of an account stay in the order of time.
            ordered = frame.sort_values(account, kind="stable")
            first = ~ordered.duplicated([account, "occurred_at"])
            for window in WINDOWS.values():
                rolling = ordered.groupby(account).rolling(
                    window, on="occurred_at", closed="left", min_periods=0
                )
                moved = rolling["amount"].agg(list(STATISTICS))
                moved.index = ordered.index
                moved[["count", "sum"]] = moved[["count", "sum"]].fillna(0)
                # Each moment of an account is numbered by its first row.
                moment = np.flatnonzero(first)[np.cumsum(first) - 1]
                strict = moved.iloc[moment].set_index(ordered.index)
                strict.columns = pd.Index([NAMES[party, window, one] for one in STATISTICS])
                parts.append(strict)
        results.append(pd.concat(parts, axis=1))

    def sample(size: int) -> Values:
        some = results[0].sort_index().head(size)
        return {name: some[name].to_numpy(dtype=np.float64) for name in NAMES.values()}

    return Prepared(compute, sample)


def in_duckdb(path: Path, rows: int) -> Prepared:
    """Window functions over ranges of time that end a microsecond before the present moment."""
    import duckdb

    base = duckdb.connect()
    base.execute(f"SET threads TO {os.cpu_count() or 1}")
    base.execute(
        "CREATE TABLE payments AS SELECT row_number() OVER () AS row, occurred_at, payer_id, "
        "payee_id, amount FROM (SELECT * FROM read_parquet($path) LIMIT $rows)",
        {"path": str(path), "rows": rows},
    )
    functions: dict[Statistic, str] = {
        "count": "count",
        "sum": "sum",
        "mean": "avg",
        "max": "max",
        "std": "stddev_samp",
    }
    values, windows = [], []
    for party in PARTIES:
        for label, window in WINDOWS.items():
            windows.append(
                f"{party}_{label} AS (PARTITION BY {party}_id ORDER BY occurred_at RANGE BETWEEN "
                f"INTERVAL {window // timedelta(hours=1)} HOUR PRECEDING "
                "AND INTERVAL 1 MICROSECOND PRECEDING)"
            )
            values += [
                f"{function}(amount) OVER {party}_{label} AS {NAMES[party, window, statistic]}"
                for statistic, function in functions.items()
            ]
    # Made of this module's own names.
    query = f"SELECT row, {', '.join(values)} FROM payments WINDOW {', '.join(windows)}"  # noqa: S608

    def compute() -> None:
        base.execute(f"CREATE TABLE features AS {query}")

    def sample(size: int) -> Values:
        cursor = base.execute(
            "SELECT * FROM features WHERE row <= $size ORDER BY row", {"size": size}
        )
        some = cursor.fetchnumpy()
        filled = {
            name: np.ma.masked_array(some[name], dtype=np.float64).filled(np.nan)
            for name in NAMES.values()
        }
        for (_, _, statistic), name in NAMES.items():
            if statistic == "sum":
                # SQL sums nothing to null.
                filled[name] = np.nan_to_num(filled[name])
        return filled

    return Prepared(compute, sample)


CONTENDERS: Final = {"ours, cpu": ours, "pandas": in_pandas, "DuckDB": in_duckdb}
