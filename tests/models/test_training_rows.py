from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.training_rows import TrainingTable, stable_hashes, training_sample


def rows(labels: Sequence[bool | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [f"t{number}" for number in range(len(labels))],
            "is_fraud": pl.Series(labels, dtype=pl.Boolean),
            "amount": pl.Series(range(len(labels)), dtype=pl.Float32),
        }
    )


def test_every_fraud_is_kept_and_the_rest_weighs_what_it_stands_for() -> None:
    sample = training_sample(rows([True, False] * 3 + [False] * 4), max_training_rows=5, seed=0)
    assert sample.filter("is_fraud")["transaction_id"].to_list() == ["t0", "t2", "t4"]
    assert sample.filter("is_fraud")["weight"].to_list() == [1.0, 1.0, 1.0]
    assert sample.filter(~pl.col("is_fraud"))["weight"].to_list() == [3.5, 3.5]
    assert sample.columns == ["transaction_id", "is_fraud", "amount", "weight"]


def test_with_room_for_all_every_known_row_weighs_one() -> None:
    sample = training_sample(rows([True, None, False]), max_training_rows=2, seed=0)
    assert sample["transaction_id"].to_list() == ["t0", "t2"]
    assert sample["weight"].to_list() == [1.0, 1.0]


def test_frauds_that_leave_no_room_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"3 frauds leave no room .* 3 training rows"):
        training_sample(rows([True, True, True, False]), max_training_rows=3, seed=0)


def test_hashes_are_those_of_the_xxhash_specification() -> None:
    # XXH64 of the empty input with seed 0, and of "abc".
    assert stable_hashes(pl.Series(["", "abc"]), 0).tolist() == [
        0xEF46DB3751D8E999,
        0x44BC2CF5AD770999,
    ]


@settings(deadline=None, max_examples=50)
@given(
    labels=st.lists(st.sampled_from([True, False, False, False, None]), min_size=1, max_size=60),
    most=st.integers(20, 60),
    seed=st.integers(0, 5),
)
def test_the_sample_is_bounded_keeps_the_fraud_rate_and_ignores_order(
    labels: list[bool | None], most: int, seed: int
) -> None:
    frauds = sum(label is True for label in labels)
    legitimate = sum(label is False for label in labels)
    if frauds >= most:
        return
    table = rows(labels)
    sample = training_sample(table, max_training_rows=most, seed=seed)
    assert sample.height == min(most, frauds + legitimate)
    assert sample["is_fraud"].sum() == frauds
    assert sample["weight"].sum() == pytest.approx(frauds + legitimate, rel=1e-5)
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=seed)
    again = training_sample(shuffled, max_training_rows=most, seed=seed)
    assert set(again["transaction_id"]) == set(sample["transaction_id"])


def test_another_seed_draws_another_sample() -> None:
    table = rows([False] * 200)
    drawn = [
        set(training_sample(table, max_training_rows=20, seed=seed)["transaction_id"])
        for seed in (0, 1)
    ]
    assert drawn[0] != drawn[1]


def test_a_table_leaves_out_identifiers_labels_and_weights() -> None:
    table = TrainingTable.of(rows([True, False]).with_columns(pl.Series("weight", [1.0, 4.0])))
    assert table.columns == ("amount",)
    np.testing.assert_array_equal(table.features, np.array([[0.0], [1.0]], np.float32))
    assert table.labels.tolist() == [True, False]
    assert table.weights.tolist() == [1.0, 4.0]
    assert table.has_both_classes


def test_unknown_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="labels are unknown"):
        TrainingTable.of(rows([True, None]))


def test_arrays_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows of 1 features, but 1 labels"):
        TrainingTable(
            np.zeros((2, 1), np.float32), np.array([True]), np.ones(2, np.float32), ("amount",)
        )
