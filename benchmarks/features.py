"""Time and memory of the feature table, on a real table and on one with a hub.

    python benchmarks/features.py [--data PAYSIM.parquet] [--rows N] [--engines cpu,cpu-streaming]

Each engine runs three times, each time in a process of its own, from a Parquet file of canonical
transactions to a Parquet file of features; every row is a target. Printed are the median wall
and CPU seconds and the highest peak memory.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from gpu_ops.canonical import CANONICAL_SCHEMA  # noqa: E402 - runs from a checkout as it is
from gpu_ops.engine import ENGINE_NAMES, Engine, EngineName, gpu_available  # noqa: E402
from gpu_ops.features import feature_table  # noqa: E402

REPEATS = 3
DAY_US = 86_400_000_000
LABEL_DELAY = pl.duration(days=7)
PAYSIM = Path("paysim") / "paysim_1.3m.parquet"


def paysim(path: Path) -> pl.LazyFrame:
    """Map PaySim's columns; a step is an hour, a label is known after seven days."""
    start = pl.datetime(2026, 1, 1, time_unit="us", time_zone="UTC")
    at = start + pl.duration(hours=pl.col("step"))
    return (
        pl.scan_parquet(path)
        .with_row_index("row")
        .select(
            pl.col("row").cast(pl.String).str.zfill(9).alias("transaction_id"),
            at.alias("occurred_at"),
            pl.col("type").str.to_lowercase().alias("kind"),
            pl.col("amount"),
            pl.lit("EUR").alias("currency"),
            pl.col("nameOrig").alias("payer_id"),
            pl.col("nameDest").alias("payee_id"),
            pl.col("oldbalanceOrg").alias("payer_balance_before"),
            pl.col("oldbalanceDest").alias("payee_balance_before"),
            (pl.col("isFraud") == 1).alias("is_fraud"),
            (at + LABEL_DELAY).alias("label_known_at"),
        )
    )


def hub(rows: int, seed: int = 0) -> pl.LazyFrame:
    """Make sixty days of payments in which one payee receives 30 % of all rows."""
    random = np.random.default_rng(seed)
    payee = random.integers(1, 1 + rows // 50, rows)
    payee[random.random(rows) < 0.3] = 0
    balance = random.lognormal(6, 1, rows).round(2)
    frame = pl.LazyFrame(
        {
            "transaction_id": np.arange(rows),
            "occurred_at": np.sort(random.integers(0, 60 * DAY_US, rows)),
            "kind": random.choice(["card", "transfer"], rows),
            "amount": random.lognormal(3, 2, rows).round(2),
            "currency": ["EUR"] * rows,
            "payer_id": random.integers(0, 1 + rows // 10, rows),
            "payee_id": payee,
            "payer_balance_before": balance,
            "payee_balance_before": balance,
            "is_fraud": random.random(rows) < 0.01,
        }
    ).with_columns(
        pl.col("transaction_id").cast(pl.String).str.zfill(9),
        pl.col("occurred_at").cast(pl.Datetime("us", "UTC")),
    )
    labelled = frame.with_columns((pl.col("occurred_at") + LABEL_DELAY).alias("label_known_at"))
    return labelled.cast(pl.Schema(CANONICAL_SCHEMA))


def measure(path: Path, engine: EngineName, seconds: "multiprocessing.Queue[float]") -> None:
    """Compute and write once; put wall seconds, CPU seconds and peak MiB."""
    with TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        table = feature_table(
            pl.scan_parquet(path),
            is_target=pl.lit(True),
            engine=Engine(engine),
            scratch=Path(folder) / "scratch",
        )
        computed = time.perf_counter() - wall
        table.sink_parquet(Path(folder) / "features.parquet", compression="lz4")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for value in (computed, time.perf_counter() - wall, time.process_time() - cpu, peak):
            seconds.put(value)


def report(name: str, path: Path, engine: EngineName) -> None:
    """Measure an engine in fresh processes and print its row."""
    context = multiprocessing.get_context("spawn")
    runs = []
    for _ in range(REPEATS):
        queue = context.Queue()
        process = context.Process(target=measure, args=(path, engine, queue))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{name} on {engine} ended with exit code {process.exitcode}")
        runs.append([queue.get() for _ in range(4)])
    computed, wall, cpu = (statistics.median(run[place] for run in runs) for place in range(3))
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    peak = max(run[3] for run in runs)
    print(
        f"{name:8} {engine:14} {rows:10,} {computed:10.2f} {wall:10.2f} {cpu:8.2f} {peak:9.0f}",
        flush=True,
    )


def main() -> None:
    """Print one row for each table and engine."""
    shared = Path(os.environ.get("FRAUD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=shared / PAYSIM, help="a PaySim table")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the hub table")
    default = ",".join(name for name in ENGINE_NAMES if name != "gpu" or gpu_available())
    parser.add_argument("--engines", default=default, help="separated by commas")
    chosen = parser.parse_args()
    print("table    engine               rows  compute s  + write s    CPU s  peak MiB")
    with TemporaryDirectory() as folder:
        tables = {"hub": hub(chosen.rows)}
        if chosen.data.is_file():
            tables = {"paysim": paysim(chosen.data), **tables}
        else:
            print(f"no PaySim table at {chosen.data}; give one with --data")
        for name, frame in tables.items():
            path = Path(folder) / f"{name}.parquet"
            frame.sink_parquet(path)
            for engine in chosen.engines.split(","):
                report(name, path, engine)


if __name__ == "__main__":
    main()
