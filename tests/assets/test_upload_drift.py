"""Drift of an upload is measured against the feed's rows before it, and against no later ones."""

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.assets.conftest import Project

    Payments = Callable[..., pl.DataFrame]


def test_amounts_that_moved_show_and_the_first_upload_has_nothing_to_compare(
    project: "Project", payments: "Payments"
) -> None:
    layers = ("raw_transactions", "prepped_transactions", "augmented_transactions")
    found = []
    weeks = [
        payments("first", rows=400, days=5, seed=1),
        payments("same", rows=400, days=5, seed=2, after_days=6),
        payments("dear", rows=400, days=5, seed=3, after_days=12).with_columns(
            pl.col("amount") * 20
        ),
        payments("late", rows=400, days=5, seed=4, after_days=-10),
    ]
    for number, week in enumerate(weeks):
        key = project.land(week, f"week-{number}.parquet")
        outcomes = [project.make(layer, key) for layer in layers]
        assert all(one.success for one in outcomes)
        found.append(outcomes[-1].metadata["augmented_transactions"])
    # Before the first there is nothing, and what lands late is compared with nothing after it.
    assert [name for name in found[0] if name.startswith("psi_")] == []
    assert [name for name in found[3] if name.startswith("psi_")] == []
    assert 0.0 <= float(str(found[1]["psi_amount"].value)) < 0.1
    assert float(str(found[2]["psi_amount"].value)) > 1.0
    assert {"psi_amount", "psi_anomaly_score"} <= found[1].keys()


def test_a_damaged_upload_before_does_not_keep_another_from_its_scores(
    project: "Project", payments: "Payments"
) -> None:
    layers = ("raw_transactions", "prepped_transactions", "augmented_transactions")
    first = project.land(payments("first", rows=400, days=5, seed=1), "first.parquet")
    for layer in layers:
        project.must(layer, key=first)
    slot = project.manifest("augmented_transactions", first).slot
    project.lake.put(f"{slot}/manifest/2.json", b"torn")
    later = project.land(payments("later", rows=400, days=5, seed=2, after_days=6), "later.parquet")
    outcomes = [project.make(layer, later) for layer in layers]
    assert [one.reason for one in outcomes if not one.success] == []
