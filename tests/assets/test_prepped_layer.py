"""The prepped layer: features of an upload know the uploads before it, and nothing else."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fraud_assets import layers, prepped
from gpu_ops.features import feature_table

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Rows

RAW_AND_PREPPED = ("raw_transactions", "prepped_transactions")


@pytest.fixture
def weeks(rows: "Rows") -> pl.DataFrame:
    """Three weeks, four payments a day: two payers take turns at two payees."""
    return rows(
        *(
            {
                "hours": 6 * number,
                "amount": float(1 + number % 7),
                "payer_id": f"payer-000{number % 2}",
                "payee_id": f"payee-000{number % 3 % 2}",
                "is_fraud": number % 10 == 0,
                "label_known_at": None,
            }
            for number in range(84)
        )
    ).with_columns(label_known_at=pl.col("occurred_at") + timedelta(days=1))


def test_counts_and_sums_of_one_payer_are_those_of_the_rows_before(
    project: "Project", rows: "Rows"
) -> None:
    key = project.land(
        rows(
            {"hours": 0, "amount": 5.0},
            {"hours": 0.5, "amount": 7.0},
            {"hours": 0.5, "amount": 100.0},
            {"hours": 30, "amount": 1.0},
        ),
        "four.parquet",
    )
    project.must(*RAW_AND_PREPPED, key=key)
    table = project.table("prepped_transactions", key)
    assert table.columns == list(prepped.CONTRACT.schema.columns)
    assert table["transaction_id"].to_list() == ["t-00000", "t-00001", "t-00002", "t-00003"]
    assert table["payer_count_1h"].to_list() == [0, 1, 1, 0]
    assert table["payer_amount_sum_7d"].to_list() == [0.0, 5.0, 5.0, 112.0]
    assert table["payer_amount_max_7d"].to_list() == [None, 5.0, 5.0, 100.0]
    assert table["pair_count_1d"].to_list() == [0, 1, 1, 0]


def test_two_uploads_in_order_are_one_upload(
    project_of: "ProjectOf", weeks: pl.DataFrame, tmp_path: Path
) -> None:
    whole = project_of(tmp_path / "one")
    parts = project_of(tmp_path / "two")
    for project in (whole, parts):
        project.folder.mkdir()
    once = whole.land(weeks, "all.parquet")
    whole.must(*RAW_AND_PREPPED, key=once)
    keys = [
        parts.land(part, f"part-{number}.parquet")
        for number, part in enumerate((weeks[:50], weeks[50:]))
    ]
    for key in keys:
        parts.must(*RAW_AND_PREPPED, key=key)
    assert_frame_equal(
        pl.concat([parts.table("prepped_transactions", key) for key in keys]),
        whole.table("prepped_transactions", once),
        check_exact=True,
    )
    slots = {layers.upload_slot("raw_transactions", "sim", key).prefix for key in keys}
    made_of = set(parts.manifest("prepped_transactions", keys[1]).inputs)
    assert made_of == slots | {"rings", "catalogue"}


def test_an_upload_that_lands_late_makes_the_later_one_stale_until_it_is_made_again(
    project: "Project", weeks: pl.DataFrame
) -> None:
    later = project.ingest(weeks[50:], "later.parquet")
    alone = project.table("prepped_transactions", later)
    assert not project.states()[later].is_stale
    earlier = project.ingest(weeks[:50], "earlier.parquet")
    states = project.states()
    assert (states[earlier].is_stale, states[later].is_stale) == (False, True)
    # Stale is no damage: only who asks for a backfill gets one.
    assert not states[later].is_due
    assert project.run("ingest_upload", later).success
    assert not project.states()[later].is_stale
    mended = project.table("prepped_transactions", later)
    assert alone["payer_count_30d"][0] == 0
    assert mended["payer_count_30d"][0] == 25
    assert project.states()[later].state == "accepted"


def test_an_upload_beyond_the_look_back_or_of_later_events_makes_nothing_stale(
    project: "Project", rows: "Rows"
) -> None:
    key = project.ingest(rows({"hours": 5_000}, {"hours": 5_001}), "now.parquet")
    for name, hours, is_stale in (
        ("old", 0, False),
        ("next", 5_001.1, False),
        ("near", 4_900, True),
    ):
        # Card payments: rings of payments between accounts look back to the first day.
        other = project.land(
            rows({"hours": hours, "transaction_id": name, "kind": "card"}), f"{name}.parquet"
        )
        project.must("raw_transactions", key=other)
        assert project.states()[key].is_stale is is_stale


def test_another_catalogue_of_features_makes_a_version_stale(
    project: "Project", rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = project.ingest(rows({}, {}), "two.parquet")
    monkeypatch.setattr(prepped, "catalogue_digest", lambda _: "another")
    assert project.states()[key].is_stale


def test_rows_of_another_feed_count_for_nothing(project: "Project", rows: "Rows") -> None:
    theirs = project.land(
        "TRANSACTION_ID,TX_DATETIME,TX_AMOUNT,CUSTOMER_ID,TERMINAL_ID,TX_FRAUD\n"
        "c-1,2026-03-02 00:30:00,5.0,payer-0001,payee-0001,1\n",
        "theirs.csv",
        feed="card",
    )
    project.must("raw_transactions", key=theirs)
    ours = project.land(rows({"hours": 1}), "ours.parquet")
    project.must(*RAW_AND_PREPPED, key=ours)
    table = project.table("prepped_transactions", ours)
    assert table.select("payer_count_30d", "payee_count_30d", "pair_count_30d").row(0) == (0, 0, 0)


def test_a_version_that_lost_a_row_stays_hidden(
    project: "Project", rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = project.land(rows({}, {}, {}), "three.parquet")
    project.must(*RAW_AND_PREPPED, key=key)
    before = project.manifest("prepped_transactions", key)
    monkeypatch.setattr(prepped, "feature_table", lambda *a, **o: feature_table(*a, **o).head(2))
    outcome = project.make("prepped_transactions", key)
    assert not outcome.success
    assert "2 rows for 3 raw rows" in outcome.reason
    check = outcome.checks["prepped_transactions", "same_rows_as_raw"]
    assert not check.passed
    assert check.metadata["version"].value == f"{before.slot}/attempt={outcome.run_id}"
    assert project.manifest("prepped_transactions", key) == before
    assert project.table("prepped_transactions", key).height == 3


def test_a_version_with_another_row_in_the_place_of_one_stays_hidden(
    project: "Project", rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = project.land(rows({}, {"hours": 1}), "two.parquet")
    project.must("raw_transactions", key=key)
    renamed = pl.concat_str(pl.lit("other-"), "transaction_id").alias("transaction_id")
    monkeypatch.setattr(
        prepped, "feature_table", lambda *a, **o: feature_table(*a, **o).with_columns(renamed)
    )
    outcome = project.make("prepped_transactions", key)
    assert not outcome.success
    assert "2 rows for 2 raw rows; 2 are not the raw row in their place" in outcome.reason


def test_a_first_version_with_a_negative_count_never_becomes_visible(
    project: "Project", rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    negative = pl.lit(-1.0, dtype=pl.Float32).alias("payer_amount_sum_1d")
    monkeypatch.setattr(
        prepped, "feature_table", lambda *a, **o: feature_table(*a, **o).with_columns(negative)
    )
    key = project.land(rows({}, {}), "two.parquet")
    project.must("raw_transactions", key=key)
    outcome = project.make("prepped_transactions", key)
    assert not outcome.success
    assert "payer_amount_sum_1d" in outcome.reason
    assert project.states()[key].state == "waiting"
    slot = layers.upload_slot("prepped_transactions", "sim", key)
    assert project.versions.latest(slot) is None
    assert not project.make("augmented_transactions", key).success


def test_features_without_raw_rows_say_what_to_do(project: "Project", rows: "Rows") -> None:
    key = project.land(rows({}), "one.parquet")
    outcome = project.make("prepped_transactions", key)
    assert outcome.reason == f"{key} has no raw version; materialize raw_transactions first."
