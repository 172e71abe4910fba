"""The account graph: who paid whom, and what each account's place in that graph is."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.accounts import CodedAccounts, coded_accounts
from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.graph_engine import CpuGraphEngine, GraphEngine
from gpu_ops.windows import PARTS, joined_units, ratio, split_units

EDGE_SCHEMA: Final[dict[str, pl.DataType]] = {
    "feed": pl.String(),
    "payer": pl.String(),
    "payee": pl.String(),
    "n_transactions": pl.UInt32(),
    "amount_sum": pl.Float64(),
    "amount_max": pl.Float64(),
    "first_at": UTC_MICROSECONDS,
    "last_at": UTC_MICROSECONDS,
    "max_probability": pl.Float32(),
    "mean_anomaly": pl.Float32(),
}
"""Columns and dtypes of an edge table, in order; (payer, payee) is unique."""

ACCOUNT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "feed": pl.String(),
    "account": pl.String(),
    "in_degree": pl.UInt32(),
    "out_degree": pl.UInt32(),
    "n_in": pl.UInt32(),
    "n_out": pl.UInt32(),
    "amount_in": pl.Float64(),
    "amount_out": pl.Float64(),
    "pass_through": pl.Float32(),
    "pagerank": pl.Float64(),
    "component": pl.UInt32(),
    "component_size": pl.UInt32(),
    "community": pl.UInt32(),
    "community_size": pl.UInt32(),
    "is_hub": pl.Boolean(),
    "max_probability": pl.Float32(),
}
"""Columns and dtypes of an account table, in order; `account` is unique."""


@dataclass(frozen=True)
class GraphParams:
    """What shapes the account features.

    Attributes:
        hub_counterparties: an account with more distinct payers, or more distinct payees, than this
            within the graph's window is a hub (merchant, payroll, exchange).
        resolution: of the communities; above 1 gives more and smaller ones.
        seed: of the community search.
    """

    hub_counterparties: int = 100
    resolution: float = 1.0
    seed: int = 0


def aggregate_edges(transactions: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row a pair of payer and payee; see `EDGE_SCHEMA`.

    Self-transfers are left out: they move no money between accounts. The rows come in no
    particular order, since sorting millions of names costs more than all else here; see
    `in_stable_order` where the order matters. Sums and means are exact (`split_units`), so they
    are the same bits in whatever order an engine adds the rows: a refresh of the same
    transactions makes the same graph.

    Args:
        transactions: feed, payer, payee (namespaced by feed), occurred_at, amount,
            fraud_probability (nullable), anomaly_score.
    """
    # A score is at most 1: its sum needs no whole units of its own.
    scores = (pl.col("anomaly_score").cast(pl.Float64) * PARTS).round().cast(pl.Int64)
    # A payer's name holds its feed, so the pair alone is the key; a third string would only cost.
    return (
        transactions.filter(pl.col("payer") != pl.col("payee"))
        .with_columns(*split_units("amount"), scores.alias("score_parts"))
        .group_by("payer", "payee")
        .agg(
            pl.col("feed").first(),
            pl.len().alias("n_transactions"),
            pl.col("amount_units", "amount_parts").sum(),
            pl.col("amount").max().alias("amount_max"),
            pl.col("occurred_at").min().alias("first_at"),
            pl.col("occurred_at").max().alias("last_at"),
            pl.col("fraud_probability").max().alias("max_probability"),
            pl.col("score_parts").sum(),
            pl.col("score_parts").count().alias("scored"),
        )
        .with_columns(
            amount_sum=joined_units("amount"),
            mean_anomaly=ratio(pl.col("score_parts") / PARTS, pl.col("scored")),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in EDGE_SCHEMA.items())
    )


def in_stable_order(edges: pl.DataFrame) -> pl.DataFrame:
    """The edges in one order, whichever they came in, so that equal edges make equal files.

    By a hash of the pair: sorting the names themselves costs four times as much, so they decide
    only where two pairs' hashes meet.
    """
    key = edges.select(_pair_hash().alias("key")).to_series()
    order = key.arg_sort()
    key = key.gather(order)
    if (key == key.shift()).any():
        return edges.sort(_pair_hash(), "payer", "payee")
    return edges[order]


def _pair_hash() -> pl.Expr:
    return pl.col("payer").hash(seed=0) ^ pl.col("payee").hash(seed=1)


def account_features(
    edges: pl.DataFrame,
    *,
    engine: GraphEngine | None = None,
    params: GraphParams | None = None,
) -> pl.DataFrame:
    """Return one row an account, sorted by (feed, account); see `ACCOUNT_SCHEMA`.

    `pass_through` is the smaller of what came in and what went out, divided by the larger: 1 for an
    account that keeps nothing, 0 for one that only pays or only receives. PageRank follows the
    money (edges weigh their amount); communities follow habit (edges weigh their number of
    transactions, since one enormous payment would else drown every other tie). Component and
    community numbers count from 0 in the order of their first account, so they depend on neither
    row order nor engine; they are not stable between snapshots.

    Args:
        edges: a table of `EDGE_SCHEMA`, in any order, without self-transfers.
        engine: where the graph algorithms run; the CPU by default.
        params: see `GraphParams`.
    """
    if edges.is_empty():
        return pl.DataFrame(schema=ACCOUNT_SCHEMA)
    engine = engine or CpuGraphEngine()
    params = params or GraphParams()
    coded = coded_accounts(edges["payer"], edges["payee"])
    n = coded.names.len()
    # Sums and the community search must see the edges in one order, whatever order they came in.
    pair = pl.Series(coded.payer.astype(np.int64) << 32 | coded.payee)
    order = pair.arg_sort().to_numpy()
    feeds = _feeds(edges["feed"], coded)
    edges = edges.select("n_transactions", "amount_sum", "max_probability")[order]
    coded = CodedAccounts(coded.names, coded.payer[order], coded.payee[order])
    n_transactions = edges["n_transactions"].cast(pl.Float64).to_numpy()
    component = _renumbered(engine.components(coded.payer, coded.payee, n))
    community = _renumbered(
        engine.communities(
            coded.payer, coded.payee, n_transactions, n, params.resolution, params.seed
        )
    )
    rank = engine.pagerank(coded.payer, coded.payee, edges["amount_sum"].to_numpy(), n)
    features = _traffic(edges, coded, n_transactions).with_columns(
        feeds,
        pagerank=pl.Series(rank),
        component=pl.Series(component),
        component_size=pl.Series(np.bincount(component)[component]),
        community=pl.Series(community),
        community_size=pl.Series(np.bincount(community)[community]),
        is_hub=pl.max_horizontal("in_degree", "out_degree") > params.hub_counterparties,
        pass_through=_pass_through(),
    )
    features = features.select(pl.col(name).cast(dtype) for name, dtype in ACCOUNT_SCHEMA.items())
    # Names sort by feed already, unless one feed's name continues another's.
    return features if feeds.is_sorted() else features.sort("feed", maintain_order=True)


def _pass_through() -> pl.Expr:
    larger = pl.max_horizontal("amount_in", "amount_out")
    smaller = pl.min_horizontal("amount_in", "amount_out")
    return pl.when(larger > 0).then(smaller / larger).otherwise(0.0)


def _traffic(
    edges: pl.DataFrame, coded: CodedAccounts, n_transactions: NDArray[np.float64]
) -> pl.DataFrame:
    """Return what each account paid and received."""
    n = coded.names.len()
    amount = edges["amount_sum"].to_numpy()
    probability = np.full(n, np.nan, dtype=np.float32)
    seen = edges["max_probability"].fill_null(float("nan")).to_numpy()
    if not np.isnan(seen).all():
        np.fmax.at(probability, coded.payer, seen)
        np.fmax.at(probability, coded.payee, seen)
    return pl.DataFrame(
        {
            "account": coded.names,
            "in_degree": np.bincount(coded.payee, minlength=n),
            "out_degree": np.bincount(coded.payer, minlength=n),
            "n_in": np.bincount(coded.payee, n_transactions, n),
            "n_out": np.bincount(coded.payer, n_transactions, n),
            "amount_in": np.bincount(coded.payee, amount, n),
            "amount_out": np.bincount(coded.payer, amount, n),
            "max_probability": pl.Series(probability).fill_nan(None),
        }
    )


def _feeds(feed: pl.Series, coded: CodedAccounts) -> pl.Series:
    """Return the feed of each account: that of any edge which touches it."""
    names = feed.unique().sort()
    if names.len() == 1:
        return pl.repeat(names[0], coded.names.len(), dtype=pl.String, eager=True).alias("feed")
    number = feed.replace_strict(names, pl.int_range(names.len(), eager=True)).to_numpy()
    of_account = np.zeros(coded.names.len(), dtype=np.int64)
    of_account[coded.payer] = number
    of_account[coded.payee] = number
    return names.gather(of_account).alias("feed")


def _renumbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return groups numbered from 0 in the order of their smallest member."""
    nodes = np.arange(labels.size, dtype=np.int32)
    smallest = np.full(labels.size, labels.size, dtype=np.int32)
    np.minimum.at(smallest, labels, nodes)
    of_node = smallest[labels]
    number = np.cumsum(of_node == nodes, dtype=np.int32) - 1
    return number[of_node]
