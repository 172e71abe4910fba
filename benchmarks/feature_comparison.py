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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.feature_contenders import CONTENDERS, NAMES, PARTIES  # noqa: E402 - runs from a checkout as it is
from benchmarks.features import PAYSIM, paysim  # noqa: E402
from gpu_ops.canonical import CANONICAL_SCHEMA  # noqa: E402

REPEATS: Final = 3
SAMPLE: Final = 20_000
HANDBOOK: Final = Path("handbook") / "transactions_to_2018-08-14.parquet"


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
