"""`fraud_rings` sees all of a ring, however long before the window it began."""

from typing import TYPE_CHECKING

import polars as pl

from gpu_ops.patterns import search_rings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.assets.conftest import ProjectOf, Rows

GRAPH = ("account_graph", "account_features", "fraud_rings")


def payments(rows: "Rows", *, fraud: bool | None) -> pl.DataFrame:
    """Weekly payments; on days 44 and 45 six strangers pay one account; the last is of day 59."""
    every: list[dict[str, object]] = [
        {"hours": 24.0 * day + k, "payer_id": f"q{k}", "payee_id": f"q{(k + step) % 12}",
         "amount": 40.0 + (k * day) % 29}
        for day in range(60)
        for k in range(day % 7, 12, 7)
        for step in (1, 2)
    ]  # fmt: skip
    every += [
        {"hours": 24.0 * (44 + k % 2) + 1, "payer_id": f"s{k}", "payee_id": "hub",
         "amount": 950.0 + k, "is_fraud": fraud}
        for k in range(6)
    ]  # fmt: skip
    return rows(*sorted(every, key=lambda row: float(str(row["hours"]))))


def test_a_ring_that_began_before_the_window_is_whole(
    project_of: "ProjectOf", rows: "Rows", tmp_path: "Path"
) -> None:
    # Fifteen days back from day 59, 22:00, is day 44, 22:00: three of the payments lie before it.
    project = project_of(tmp_path, graph_window_days=15)
    table = payments(rows, fraud=None)
    for number, part in enumerate((table[:120], table[120:])):
        project.ingest(part, f"part-{number}.parquet")
    project.must(*GRAPH)
    found = project.table("fraud_rings")
    assert found.select("pattern", "n_accounts", "n_transactions", "centre").rows() == [
        ("fan_in", 7, 6, "sim:account:hub")
    ]
    assert found["accounts"].to_list()[0][1:] == [f"sim:account:s{k}" for k in (0, 2, 4, 1, 3, 5)]
    assert found["confirmed_share"].to_list() == [None]
    told = project.manifest("fraud_rings")
    assert [entry.name for entry in told.files if entry.name.endswith(".svg")] == [
        f"{found['ring_id'][0]}.svg"
    ]
    # What is kept day by day tells what one search of all rows tells.
    keys = list(project.states())
    scored = pl.concat([project.table("augmented_transactions", key) for key in keys])
    whole = search_rings(scored.lazy()).rings
    columns = ["ring_id", "accounts", "transaction_ids", "surprise", "exposure", "known_at"]
    assert found.select(columns).equals(whole.select(columns))


def test_a_ring_that_ended_before_the_window_is_not_shown(
    project_of: "ProjectOf", rows: "Rows", tmp_path: "Path"
) -> None:
    project = project_of(tmp_path, graph_window_days=13)
    project.ingest(payments(rows, fraud=None), "all.parquet")
    project.must(*GRAPH)
    assert project.table("fraud_rings").is_empty()


def test_where_shares_come_from_is_said(
    project_of: "ProjectOf", rows: "Rows", tmp_path: "Path"
) -> None:
    project = project_of(tmp_path, graph_window_days=30)
    labelled = payments(rows, fraud=True).with_columns(
        label_known_at=pl.when("is_fraud").then(pl.col("occurred_at") + pl.duration(days=2))
    )
    project.ingest(labelled, "all.parquet")
    project.must(*GRAPH[:2])
    metadata = project.make(GRAPH[2]).metadata["fraud_rings"]
    assert metadata["confirmed_share_sim"].value == (
        "1 of 1 judged rings were confirmed: fewer than 10 confirmed or refuted ones tell no share"
    )
