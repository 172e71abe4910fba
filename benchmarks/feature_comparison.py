"""The feature table against the same features in pandas and in DuckDB.

    python benchmarks/feature_comparison.py [--rows N] [--pandas-accounts N] [--repeats N]

Compared are forty columns that all three can express in a few lines: count, sum, mean, maximum and
standard deviation of amounts over 1 hour, 1, 7 and 30 days, by payer and by payee, without rows of
the present moment. Each contender starts from a table that it has in its own memory and ends with
a result there, three times, each time in a process of its own. Printed as Markdown are the median
wall and CPU seconds, the highest peak memory, and how far the values lie from ours on a sample:
absolutely, and relative to the larger of 1 and the value, as ours are Float32. Pandas goes
through the accounts one by one: where a table has more than `--pandas-accounts` of them, all three
run on half as many of its first rows, and the other two on the whole table besides.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.features import PAYSIM, paysim  # noqa: E402 - runs from a checkout as it is
from gpu_ops.canonical import CANONICAL_SCHEMA  # noqa: E402
from gpu_ops.engine import Engine  # noqa: E402
from gpu_ops.feature_model import Catalogue, Entity, Statistic, WindowFeature  # noqa: E402
from gpu_ops.features import feature_table  # noqa: E402

REPEATS: Final = 3
SAMPLE: Final = 20_000
HANDBOOK: Final = Path("handbook") / "transactions_to_2018-08-14.parquet"
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


def measure(name: str, path: Path, rows: int, sample: Path | None) -> tuple[float, float, float]:
    """Load and compute once.

    Returns:
        Wall seconds, CPU seconds, peak MiB of the process.
    """
    prepared = CONTENDERS[name](path, rows)
    wall, cpu = time.perf_counter(), time.process_time()
    prepared.compute()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_memory()
    if sample is not None:
        found = prepared.sample(SAMPLE)
        pl.DataFrame({name: found[name] for name in NAMES.values()}).write_parquet(sample)
    return wall, cpu, peak


def peak_memory() -> float:
    """The most MiB that this process held, without those of the one it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    told = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(told.split()[1]) / 1024


def report(table: str, path: Path, rows: int, contenders: list[str], repeats: int) -> None:
    """Measure contenders on the first rows of a table and print a row of Markdown for each."""
    context = multiprocessing.get_context("spawn")
    wanted: pl.DataFrame | None = None
    for name in contenders:
        sample = path.with_suffix(".sample")
        runs = []
        for repeat in range(repeats):
            with context.Pool(1) as pool:
                told = (name, path, rows, None if repeat else sample)
                runs.append(pool.apply(measure, told))
        wall, cpu, _ = (statistics.median(values) for values in zip(*runs, strict=True))
        peak = max(run[2] for run in runs)
        values = pl.read_parquet(sample)
        wanted = values if wanted is None else wanted
        apart, relative = differences(values, wanted)
        print(
            f"| {table} | {rows:,} | {name} | {wall:.2f} | {cpu:.2f} | {peak:,.0f} | {apart:.2g} "
            f"| {relative:.1g} |",
            flush=True,
        )


def differences(values: pl.DataFrame, wanted: pl.DataFrame) -> tuple[float, float]:
    """The largest difference, and the largest over the larger of 1 and the value.

    Raises:
        SystemExit: there is a value on one side only.
    """
    apart = relative = 0.0
    for name in NAMES.values():
        mine, other = wanted[name].to_numpy(), values[name].to_numpy()
        if not np.array_equal(np.isnan(mine), np.isnan(other)):
            raise SystemExit(f"{name} has a value on one side only")
        gap = np.nan_to_num(np.abs(mine - other))
        apart = max(apart, float(gap.max()))
        relative = max(relative, float((gap / np.maximum(1, np.nan_to_num(np.abs(mine)))).max()))
    return apart, relative


def accounts(path: Path) -> int:
    """Count the accounts of a table."""
    parties = (pl.col(f"{party}_id").n_unique() for party in PARTIES)
    return int(pl.scan_parquet(path).select(pl.sum_horizontal(parties)).collect().item())


def handbook(path: Path) -> pl.LazyFrame:
    """Map the columns of the Handbook's simulated table."""
    columns = {
        "transaction_id": pl.col("TRANSACTION_ID").cast(pl.String).str.zfill(9),
        "occurred_at": pl.col("TX_DATETIME").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        "kind": pl.lit("card"),
        "amount": pl.col("TX_AMOUNT"),
        "currency": pl.lit("EUR"),
        "payer_id": pl.col("CUSTOMER_ID").cast(pl.String),
        "payee_id": pl.col("TERMINAL_ID").cast(pl.String),
    }
    missing = {
        name: pl.lit(None, dtype) for name, dtype in CANONICAL_SCHEMA.items() if name not in columns
    }
    named = ({**columns, **missing}).items()
    return pl.scan_parquet(path).select(value.alias(name) for name, value in named)


def main() -> None:
    """Print one row for each table and contender."""
    shared = Path(os.environ.get("FRAUD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--paysim", type=Path, default=shared / PAYSIM)
    parser.add_argument("--handbook", type=Path, default=shared / HANDBOOK)
    parser.add_argument("--rows", type=int, default=10_000_000, help="of a table, at most")
    parser.add_argument("--pandas-accounts", type=int, default=30_000, help="with pandas, at most")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    chosen = parser.parse_args()
    print("| Table | Rows | | Wall s | CPU s | Peak MiB | Apart | Relative |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    with TemporaryDirectory() as folder:
        sources = (("PaySim", chosen.paysim, paysim), ("Handbook", chosen.handbook, handbook))
        for name, source, mapped in sources:
            if not source.is_file():
                print(f"no {name} table at {source}", file=sys.stderr)
                continue
            path = Path(folder) / f"{name}.parquet"
            ordered = mapped(source).sort("occurred_at", "transaction_id").head(chosen.rows)
            ordered.collect().write_parquet(path)
            rows = pl.scan_parquet(path).select(pl.len()).collect().item()
            everyone = list(CONTENDERS)
            if accounts(path) > chosen.pandas_accounts:
                report(name, path, chosen.pandas_accounts // 2, everyone, chosen.repeats)
                everyone.remove("pandas")
            report(name, path, rows, everyone, chosen.repeats)


if __name__ == "__main__":
    main()
