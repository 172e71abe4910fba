"""How many of the true rings the search finds, how many of its rings are true, and at what cost.

    python benchmarks/rings.py --amlsim FOLDER [--noise 0.05] [--seed 1]
    python benchmarks/rings.py --simulate ROWS DAYS RINGS [--seed 1]
    python benchmarks/rings.py --transactions FILE.parquet --truth FILE.parquet

Tables are canonical transactions; a truth table has ring_id, pattern and transaction_id. A ring
finds a true one when it holds at least half of the true one's transactions and the true one holds
at least half of the ring's; pairs are matched one to one, largest overlap first. Recall is pairs
over true rings, precision pairs over rings, so that a clone of a ring is an error. Labels are never
shown to the search. `--noise` adds that share of one-off transfers between any two accounts.
"""

import argparse
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from gpu_ops.ring_params import RingParams  # noqa: E402 - runs from a checkout as it is
from gpu_ops.rings import search_rings  # noqa: E402

MIB = 1024


def amlsim(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return AMLSim's transactions and its alerts, false ones too, that sent any."""
    start = pl.datetime(2026, 1, 1, time_unit="us", time_zone="UTC")
    table = (
        pl.read_parquet(folder / "transactions.parquet")
        .with_row_index("row")
        .select(
            "alertID",
            transaction_id=pl.col("row").cast(pl.String).str.zfill(9),
            occurred_at=start + pl.duration(days=pl.col("step")),
            kind=pl.col("type").str.to_lowercase(),
            amount="amount",
            payer_id=pl.col("nameOrig").cast(pl.String),
            payee_id=pl.col("nameDest").cast(pl.String),
        )
    )
    alerts = pl.read_parquet(folder / "alerts.parquet").filter(pl.col("n_tx") > 0)
    truth = table.join(alerts, on="alertID").select(
        ring_id=pl.col("alertID").cast(pl.String), pattern="reason", transaction_id="transaction_id"
    )
    return table.drop("alertID"), truth


def simulated(rows: int, days: int, rings: int, *, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return transactions of the project's simulator and the truth about them."""
    from simulator import simulate

    simulation = simulate(rows=rows, days=days, rings=rings, seed=seed)
    return simulation.transactions, simulation.truth


def noised(table: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """Add transfers between any accounts, at times and of amounts that the table has."""
    rng = np.random.default_rng(seed)
    n = int(share * table.height)
    accounts = pl.concat([table["payer_id"], table["payee_id"]]).unique().sort()

    def drawn(values: pl.Series) -> pl.Series:
        return values.gather(rng.integers(0, values.len(), n))

    noise = pl.DataFrame(
        {
            "transaction_id": [f"noise{k:09d}" for k in range(n)],
            "occurred_at": drawn(table["occurred_at"]),
            "kind": ["transfer"] * n,
            "amount": drawn(table["amount"]),
            "payer_id": drawn(accounts),
            "payee_id": drawn(accounts),
        }
    )
    return pl.concat([table.select(noise.columns), noise])


def as_scored(table: pl.DataFrame) -> pl.LazyFrame:
    """Return the columns that the search reads, without any label."""
    return table.lazy().select(
        "transaction_id",
        "occurred_at",
        "kind",
        "amount",
        feed=pl.lit("benchmark"),
        payer=pl.format("benchmark:account:{}", "payer_id"),
        payee=pl.format("benchmark:account:{}", "payee_id"),
        fraud_probability=pl.lit(None, pl.Float32),
    )


def matched(rings: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return ring_id and true_id of the pairs, one to one, largest overlap first."""
    true = truth.select("transaction_id", true_id="ring_id").unique()
    sizes = true.group_by("true_id").agg(pl.len().alias("true_size"))
    overlaps = (
        rings.select("ring_id", "n_transactions", transaction_id="transaction_ids")
        .explode("transaction_id", empty_as_null=False)
        .join(true, on="transaction_id")
        .group_by("ring_id", "n_transactions", "true_id")
        .agg(pl.len().alias("shared"))
        .join(sizes, on="true_id")
        .filter(
            2 * pl.col("shared") >= pl.col("n_transactions"),
            2 * pl.col("shared") >= pl.col("true_size"),
        )
        .sort(["shared", "true_id", "ring_id"], descending=[True, False, False])
    )
    pairs: dict[str, str] = {}
    found: set[str] = set()
    for ring, true_ring in overlaps.select("ring_id", "true_id").iter_rows():
        if ring not in pairs and true_ring not in found:
            pairs[ring] = true_ring
            found.add(true_ring)
    return pl.DataFrame(
        {"ring_id": list(pairs), "true_id": list(pairs.values())},
        schema={"ring_id": pl.String, "true_id": pl.String},
    )


def report(
    rings: pl.DataFrame, truth: pl.DataFrame, times: pl.DataFrame, horizon: timedelta
) -> pl.DataFrame:
    """Return recall and precision per pattern, and recall of those rings that fit the horizon."""
    pairs = matched(rings, truth)
    true = (
        truth.join(times, on="transaction_id")
        .group_by("ring_id", "pattern")
        .agg(span=pl.col("occurred_at").max() - pl.col("occurred_at").min())
        .with_columns(
            found=pl.col("ring_id").is_in(pairs["true_id"].to_list()),
            fits=pl.col("span") <= horizon,
        )
    )
    recalled = true.group_by("pattern").agg(
        pl.len().alias("true"),
        recall=pl.col("found").mean(),
        fitting=pl.col("fits").sum(),
        recall_fitting=pl.when("fits").then("found").mean(),
    )
    precise = rings.group_by("pattern").agg(
        pl.len().alias("rings"),
        precision=pl.col("ring_id").is_in(pairs["ring_id"].to_list()).mean(),
    )
    lines = recalled.join(precise, on="pattern", how="full", coalesce=True).sort("pattern")
    total = pl.DataFrame(
        {
            "pattern": ["all"],
            "true": [true.height],
            "recall": [true["found"].mean()],
            "fitting": [true["fits"].sum()],
            "recall_fitting": [true.filter("fits")["found"].mean()],
            "rings": [rings.height],
            "precision": [pairs.height / rings.height if rings.height else None],
        },
        schema_overrides=lines.schema,
    )
    return pl.concat([lines, total.select(lines.columns)])


def main() -> None:
    """Run the search twice, the first time to compile, and print the figures of the second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--amlsim", type=Path)
    source.add_argument("--simulate", type=int, nargs=3, metavar=("ROWS", "DAYS", "RINGS"))
    source.add_argument("--transactions", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.amlsim:
        table, truth = amlsim(options.amlsim)
    elif options.simulate:
        table, truth = simulated(*options.simulate, seed=options.seed)
    else:
        table, truth = pl.read_parquet(options.transactions), pl.read_parquet(options.truth)
    if options.noise:
        table = noised(table, options.noise, options.seed)
    scored = as_scored(table).collect().lazy()
    params = RingParams()
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        search = search_rings(scored, params=params)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
    print(f"{table.height:,} transactions: {wall:.2f} s, {cpu:.2f} CPU s, {peak:,.0f} MiB peak")
    print("limits:", search.cut)
    with pl.Config(tbl_rows=20, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True):
        times = table.select("transaction_id", "occurred_at")
        print(report(search.rings, truth, times, params.horizon))


if __name__ == "__main__":
    main()
