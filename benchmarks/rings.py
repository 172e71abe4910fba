"""How many of the true rings the search finds, and how many of its rings are true.

    python benchmarks/rings.py --amlsim FOLDER [--noise 0.05] [--seed 1] [--communities]
    python benchmarks/rings.py --simulate ROWS DAYS RINGS [--seed 1]
    python benchmarks/rings.py --transactions FILE.parquet --truth FILE.parquet

Tables are canonical transactions; a truth table has ring_id, pattern and transaction_id, and
is_confirmed where some are known to be false alarms. A ring finds a true one when it holds at least
half of the true one's transactions and the true one holds at least half of the ring's; pairs are
matched one to one, largest overlap first. Recall is pairs over true rings, precision pairs over
rings, so that a clone of a ring is an error. Both views are measured: what hindsight tells at the
end, and what was known day by day. Labels are never shown to the search. `--noise` adds that share
of one-off transfers between any two accounts. `--communities` judges Louvain's (networkx) and
Leiden's (graspologic) communities by the same rule.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from gpu_ops.graph import account_features, aggregate_edges  # noqa: E402 - runs from a checkout
from gpu_ops.pattern_state import RingState  # noqa: E402
from gpu_ops.patterns import as_known, search_rings  # noqa: E402

FEED = "benchmark"
SMALLEST_COMMUNITY = 3


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
        ring_id=pl.col("alertID").cast(pl.String),
        pattern="reason",
        transaction_id="transaction_id",
        is_confirmed="is_sar",
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
        feed=pl.lit(FEED),
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


def report(rings: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Return recall and precision per pattern, and of all; of all but `random` recall alone."""
    pairs = matched(rings, truth)
    true = (
        truth.group_by("ring_id", "pattern")
        .len()
        .with_columns(found=pl.col("ring_id").is_in(pairs["true_id"].to_list()))
    )
    recalled = true.group_by("pattern").agg(true=pl.len(), recall=pl.col("found").mean())
    precise = rings.group_by("pattern").agg(
        rings=pl.len(), precision=pl.col("ring_id").is_in(pairs["ring_id"].to_list()).mean()
    )
    lines = recalled.join(precise, on="pattern", how="full", coalesce=True).sort("pattern")
    shaped = true.filter(pl.col("pattern") != "random")
    totals = pl.DataFrame(
        {
            "pattern": ["all but random", "all"],
            "true": [shaped.height, true.height],
            "recall": [shaped["found"].mean(), true["found"].mean()],
            "rings": [None, rings.height],
            "precision": [None, pairs.height / rings.height if rings.height else None],
        },
        schema_overrides=lines.schema,
    )
    return pl.concat([lines, totals.select(lines.columns)])


def confirmed_precision(rings: pl.DataFrame, truth: pl.DataFrame) -> tuple[float, float]:
    """Return the share of rings that are confirmed ones, and the share that could be."""
    confirmed = truth.filter("is_confirmed")["ring_id"].unique()
    pairs = matched(rings, truth)
    true = pairs.filter(pl.col("true_id").is_in(confirmed.to_list())).height
    return true / max(1, rings.height), confirmed.len() / truth["ring_id"].n_unique()


def communities(scored: pl.LazyFrame, seed: int) -> dict[str, pl.DataFrame]:
    """Return the communities of Louvain and Leiden as rings of the payments inside of them."""
    import networkx as nx  # type: ignore[import-untyped] # it has no stubs

    table = scored.collect()
    edges = aggregate_edges(
        table.lazy().with_columns(anomaly_score=pl.lit(0.5, pl.Float32))
    ).collect()
    graph = nx.Graph()
    graph.add_weighted_edges_from(edges.select("payer", "payee", "n_transactions").iter_rows())
    found = nx.community.louvain_communities(graph, weight="weight", seed=seed)
    louvain = pl.DataFrame(
        {
            "account": [account for one in found for account in sorted(one)],
            "community": [number for number, one in enumerate(found) for _ in one],
        }
    )
    leiden = account_features(edges).select("account", "community")
    return {"Louvain": _as_rings(table, louvain), "Leiden": _as_rings(table, leiden)}


def _as_rings(table: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    side = members.rename({"account": "payer"}), members.rename({"account": "payee"})
    return (
        table.join(side[0], on="payer")
        .join(side[1], on="payee", suffix="_of_payee")
        .filter(pl.col("community") == pl.col("community_of_payee"))
        .group_by(ring_id="community")
        .agg(transaction_ids="transaction_id", n_transactions=pl.len())
        .filter(pl.col("n_transactions") >= SMALLEST_COMMUNITY)
        .with_columns(pl.col("ring_id").cast(pl.String), pattern=pl.lit("community"))
    )


def main() -> None:
    """Print the figures of both views, and of communities where asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--amlsim", type=Path)
    source.add_argument("--simulate", type=int, nargs=3, metavar=("ROWS", "DAYS", "RINGS"))
    source.add_argument("--transactions", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--communities", action="store_true")
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
    found: dict[str, pl.DataFrame] = {}
    cpu = time.process_time()
    search = search_rings(scored)
    found["hindsight"] = search.rings
    print(f"{table.height:,} transactions, hindsight: {time.process_time() - cpu:.1f} CPU s")
    print("limits:", search.cut)
    cpu = time.process_time()
    state, _ = as_known(RingState.empty(FEED), scored)
    found["as known, day by day"] = state.rings
    print(f"as known: {time.process_time() - cpu:.1f} CPU s")
    if options.communities:
        found |= communities(scored, options.seed)
    for name, rings in found.items():
        print(f"\n{name}")
        with pl.Config(tbl_rows=20, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True):
            print(report(rings, truth))
        if "is_confirmed" in truth.columns:
            share, best = confirmed_precision(rings, truth)
            print(f"confirmed ones alone: precision {share:.3f}, at best {best:.3f}")


if __name__ == "__main__":
    main()
