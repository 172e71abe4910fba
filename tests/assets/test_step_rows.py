"""The rows by which a step's place is chosen are those that it reads."""

from typing import TYPE_CHECKING

from fraud_assets.step_rows import input_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from tests.assets.conftest import Project

    Rows = Callable[..., pl.DataFrame]


def test_features_count_the_uploads_that_they_look_back_on(
    project: "Project", rows: "Rows"
) -> None:
    first = project.ingest(rows({}, {}, {}), "three.parquet")
    second_rows = rows({"hours": 5, "transaction_id": "a"}, {"hours": 6, "transaction_id": "b"})
    second = project.ingest(second_rows, "two.parquet")
    later = project.ingest(rows({"hours": 24 * 121, "transaction_id": "c"}), "later.parquet")
    count = input_rows(project.lake, project.settings)
    assert count("prepped_transactions", first) == 3
    assert count("prepped_transactions", second) == 5
    # That much later nothing of these is in any window.
    assert count("prepped_transactions", later) == 1
    assert count("augmented_transactions", second) == 2


def test_what_is_not_there_is_unknown(project: "Project") -> None:
    count = input_rows(project.lake, project.settings)
    for asset in ("prepped_transactions", "augmented_transactions"):
        assert count(asset, "sim-none-00000000") is None
    for asset in ("account_features", "fraud_rings", "fraud_model", "raw_transactions"):
        assert count(asset, None) is None
