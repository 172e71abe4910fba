from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops import graph
from gpu_ops.engine import Engine, EngineName
from gpu_ops.gpu_tables import edge_table
from gpu_ops.graph import (
    ACCOUNT_SCHEMA,
    EDGE_SCHEMA,
    GraphParams,
    account_features,
    aggregate_edges,
    in_stable_order,
)
from gpu_ops.graph_engine import CpuGraphEngine
from tests.graph.payments import START, table


def accounts_of(payments: pl.DataFrame, params: GraphParams | None = None) -> pl.DataFrame:
    return account_features(aggregate_edges(payments.lazy()).collect(), params=params)


def test_edges_sum_the_payments_of_a_pair_and_leave_self_transfers_out() -> None:
    payments = table([(0, "a", "b", 10), (2, "a", "b", 30), (1, "b", "a", 5), (1, "a", "a", 99)])
    payments = payments.with_columns(
        fraud_probability=pl.Series([0.2, None, None, 0.9], dtype=pl.Float32),
        anomaly_score=pl.Series([0.25, 0.75, 0.5, 1.0], dtype=pl.Float32),
    )
    edges = aggregate_edges(payments.lazy()).collect().sort("payer")
    assert dict(edges.schema) == EDGE_SCHEMA
    assert edges.drop("max_probability", "first_at", "last_at").rows() == [
        ("f", "f:account:a", "f:account:b", 2, 40.0, 30.0, 0.5),
        ("f", "f:account:b", "f:account:a", 1, 5.0, 5.0, 0.5),
    ]
    assert edges["max_probability"].to_list() == [pytest.approx(0.2), None]
    assert (edges["last_at"][0] - START).days == 2
    assert edges["first_at"][0] == START


def test_edges_stand_in_one_order_however_they_came() -> None:
    payments = table([(day, payer, "x", 10.0 + day) for day, payer in enumerate("abcdefgh")])
    payments = payments.with_columns(
        fraud_probability=pl.lit(None, pl.Float32), anomaly_score=pl.lit(0.5, pl.Float32)
    )
    edges = aggregate_edges(payments.lazy()).collect()
    one, other = in_stable_order(edges), in_stable_order(edges.reverse())
    assert one.equals(other)
    assert sorted(one["payer"]) == [f"f:account:{name}" for name in "abcdefgh"]


def test_pairs_whose_hashes_meet_stand_in_one_order_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_pair_hash", pl.col("payee").str.len_bytes)
    payments = table([(0, "b", "x", 1), (0, "a", "y", 1), (0, "a", "x", 1), (0, "c", "long", 1)])
    payments = payments.with_columns(
        fraud_probability=pl.lit(None, pl.Float32), anomaly_score=pl.lit(0.5, pl.Float32)
    )
    edges = aggregate_edges(payments.lazy()).collect().sort("payee", descending=True)
    for some in (edges, edges.reverse()):
        pairs = in_stable_order(some).select("payer", "payee").rows()
        assert [(payer[-1], payee[-1]) for payer, payee in pairs] == [
            ("a", "x"),
            ("a", "y"),
            ("b", "x"),
            ("c", "g"),
        ]


@pytest.mark.parametrize("name", ["cpu", "cpu-streaming"])
def test_sums_do_not_depend_on_the_order_in_which_an_engine_adds(
    name: EngineName, tmp_path: Path
) -> None:
    # In floating point 0.1 is lost beside 1e15, unless the small amounts are added first.
    amounts = [1e15, *[0.1] * 20_000]
    anomalies = [1.0, *[1e-9] * 20_000]
    rows = pl.DataFrame(
        {"amount": amounts, "anomaly_score": anomalies},
        schema_overrides={"anomaly_score": pl.Float32},
    ).with_columns(
        feed=pl.lit("f"),
        payer=pl.lit("f:account:a"),
        payee=pl.lit("f:account:b"),
        occurred_at=pl.lit(START),
        fraud_probability=pl.lit(None, pl.Float32),
    )
    found = []
    for number, some in enumerate((rows, rows.reverse(), rows.sample(fraction=1, shuffle=True))):
        path = tmp_path / f"{number}.parquet"
        some.write_parquet(path, row_group_size=1_000)
        edges = edge_table(pl.scan_parquet(path), Engine(name))
        found.append(edges.select("amount_sum", "mean_anomaly").row(0))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == 1e15 + 2_000


def test_features_of_a_path() -> None:
    accounts = accounts_of(table([(0, "a", "b", 100), (1, "a", "b", 100), (2, "b", "c", 50)]))
    assert dict(accounts.schema) == ACCOUNT_SCHEMA
    chosen = accounts.select(
        "account", "in_degree", "out_degree", "n_in", "n_out", "amount_in", "amount_out"
    )
    assert chosen.rows() == [
        ("f:account:a", 0, 1, 0, 2, 0.0, 200.0),
        ("f:account:b", 1, 1, 2, 1, 200.0, 50.0),
        ("f:account:c", 1, 0, 1, 0, 50.0, 0.0),
    ]
    assert accounts["pass_through"].to_list() == [0.0, 0.25, 0.0]


def test_pagerank_of_a_path_by_hand() -> None:
    # y = 1 + .85 P'y: y_a = 1, y_b = 1.85, y_c = 1 + .85 * 1.85 = 2.5725; normalised.
    accounts = accounts_of(table([(0, "a", "b", 7), (1, "b", "c", 9)]))
    total = 1 + 1.85 + 2.5725
    assert accounts["pagerank"].to_list() == pytest.approx(
        [1 / total, 1.85 / total, 2.5725 / total], abs=1e-6
    )


def test_pagerank_follows_the_money() -> None:
    # a pays b 3 and c 1: y_b = 1 + .85 * .75 = 1.6375, y_c = 1 + .85 * .25 = 1.2125.
    ranks = accounts_of(table([(0, "a", "b", 3), (0, "a", "c", 1)]))["pagerank"]
    assert ranks[1] / ranks[2] == pytest.approx(1.6375 / 1.2125, rel=1e-6)


def test_pagerank_of_a_cycle_is_even() -> None:
    accounts = accounts_of(table([(0, "a", "b", 1), (0, "b", "c", 5), (0, "c", "a", 9)]))
    assert accounts["pagerank"].to_list() == pytest.approx([1 / 3] * 3, abs=1e-6)


def test_payments_of_nothing_count_as_dangling() -> None:
    accounts = accounts_of(table([(0, "a", "b", 0.0)]))
    assert accounts["pagerank"].to_list() == pytest.approx([0.5, 0.5])
    assert accounts["pass_through"].to_list() == [0.0, 0.0]


def test_components_are_numbered_by_their_first_account() -> None:
    accounts = accounts_of(table([(0, "z", "y", 1), (0, "b", "x", 1), (0, "a", "y", 1)]))
    assert accounts.select("account", "component", "component_size").rows() == [
        ("f:account:a", 0, 3),
        ("f:account:b", 1, 2),
        ("f:account:x", 1, 2),
        ("f:account:y", 0, 3),
        ("f:account:z", 0, 3),
    ]


def test_two_triangles_with_leaves_and_a_bridge_are_two_communities() -> None:
    triangles = [("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("y", "z"), ("z", "x")]
    leaves = [("a1", "a"), ("a2", "a"), ("z1", "z")]
    payments = table([(0, p, q, 1) for p, q in [*triangles, ("c", "x"), *leaves]])
    accounts = accounts_of(payments)
    assert accounts["account"].str.slice(10).to_list() == [
        "a", "a1", "a2", "b", "c", "x", "y", "z", "z1",
    ]  # fmt: skip
    assert accounts["community"].to_list() == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert accounts["community_size"].to_list() == [5] * 5 + [4] * 4


def test_a_star_and_a_pair_are_one_community_each() -> None:
    accounts = accounts_of(
        table([(0, "b", "hub", 1), (0, "c", "hub", 1), (0, "d", "hub", 1), (0, "x", "a", 1)])
    )
    # In the order a, b, c, d, hub, x: the pair holds a, the first account.
    assert accounts["community"].to_list() == [0, 1, 1, 1, 1, 0]


def ring_of_cliques(leaves: int, pairs: int) -> pl.DataFrame:
    """Eight cliques of four in a ring, with leaves on one member of each, and lone pairs."""
    payments: list[tuple[float, str, str, float]] = []
    for c in range(8):
        members = [f"c{c}m{k}" for k in range(4)]
        payments += [(0.0, p, q, 1.0) for p in members for q in members if p < q]
        payments += [(0.0, f"c{c}leaf{k}", members[0], 1.0) for k in range(leaves)]
        payments.append((0.0, members[3], f"c{(c + 1) % 8}m1", 1.0))
    payments += [(0.0, f"u{k}", f"v{k}", 1.0) for k in range(pairs)]
    accounts = accounts_of(table(payments))
    return accounts.with_columns(
        name=pl.col("account").str.slice(10), clique=pl.col("account").str.slice(10, 2)
    ).filter(pl.col("name").str.starts_with("c"))


# Modularity gains (1 - K^2 / 2m) / m from joining two neighbouring cliques of degree K each, m
# being the number of all edges: the leaves count in K, the pairs in m.
def test_weight_of_pruned_leaves_keeps_cliques_apart() -> None:
    # K = 2 * 6 + 2 + 2 * 20 = 54, K^2 = 2916 > 2m = 2 * 8 * 27 = 432.
    members = ring_of_cliques(leaves=20, pairs=0)
    assert members.group_by("clique").agg(pl.col("community").n_unique())["community"].max() == 1
    assert members["community"].n_unique() == 8


def test_weight_of_components_left_out_of_the_search_joins_cliques() -> None:
    # K = 24, K^2 = 576 < 2m = 2 * (8 * 12 + 400) = 992.
    members = ring_of_cliques(leaves=5, pairs=400)
    assert members.group_by("clique").agg(pl.col("community").n_unique())["community"].max() == 1
    assert members["community"].n_unique() <= 4


def test_hubs_have_more_partners_than_allowed_on_one_side() -> None:
    payments = table([(0, f"p{k}", "shop", 1) for k in range(4)] + [(0, "p0", "p1", 1)])
    accounts = accounts_of(payments, GraphParams(hub_counterparties=3))
    assert accounts.filter("is_hub")["account"].to_list() == ["f:account:shop"]
    assert accounts_of(payments, GraphParams(hub_counterparties=4))["is_hub"].any() is False


def test_the_highest_probability_of_either_side_is_kept() -> None:
    payments = table([(0, "a", "b", 1), (0, "b", "c", 1), (0, "c", "d", 1)]).with_columns(
        fraud_probability=pl.Series([0.9, 0.1, None], dtype=pl.Float32)
    )
    kept = accounts_of(payments)["max_probability"].to_list()
    assert kept[:3] == pytest.approx([0.9, 0.9, 0.1])
    assert kept[3] is None


def test_no_edges_no_accounts() -> None:
    accounts = accounts_of(table([(0, "a", "a", 1)]))
    assert accounts.height == 0
    assert dict(accounts.schema) == ACCOUNT_SCHEMA


def test_feeds_come_first_in_the_order() -> None:
    both = pl.concat([table([(0, "a", "b", 1)], "aml"), table([(0, "a", "b", 1)], "aml-old")])
    # "aml-old:" sorts before "aml:", since a hyphen comes before a colon.
    assert accounts_of(both)["account"].to_list() == [
        "aml:account:a", "aml:account:b", "aml-old:account:a", "aml-old:account:b",
    ]  # fmt: skip


pairs = st.lists(
    st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("abcdefghij")), min_size=1, max_size=40
)


@settings(deadline=None, max_examples=40)
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(pairs: list[tuple[str, str]], random: object) -> None:
    payments = table([(k % 5, p, q, 0.1 * 3**k) for k, (p, q) in enumerate(pairs)])
    edges = aggregate_edges(payments.lazy()).collect().sort("payer", "payee")
    order = list(range(edges.height))
    random.shuffle(order)  # type: ignore[attr-defined] # Hypothesis gives a random.Random
    assert account_features(edges).equals(account_features(edges[order]))


@settings(deadline=None, max_examples=40)
@given(pairs)
def test_components_agree_with_a_flood(pairs: list[tuple[str, str]]) -> None:
    ends = np.array([[ord(p) - 97, ord(q) - 97] for p, q in pairs], dtype=np.int32)
    labels = CpuGraphEngine().components(ends[:, 0].copy(), ends[:, 1].copy(), 10)
    for start in range(10):
        reached, seen = [start], {start}
        while reached:
            node = reached.pop()
            new = {int(b) for a, b in ends if a == node} | {int(a) for a, b in ends if b == node}
            reached += new - seen
            seen |= new
        assert labels[start] == min(seen)
