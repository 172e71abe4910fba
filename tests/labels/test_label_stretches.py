"""Stretches of time: each target is computed with the labels that held at its moment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fraud_assets import labelled_features as stretches
from fraud_assets.labelled_features import LateLabels, labelled_features
from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.labels import EVENT_SCHEMA

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(*days: float | None) -> pl.Series:
    moments = [None if day is None else START + timedelta(days=day) for day in days]
    return pl.Series(moments, dtype=UTC_MICROSECONDS)


def late_of(*verdicts: tuple[float, bool]) -> LateLabels:
    """What analysts said of the first transaction, by day."""
    events = pl.LazyFrame(
        {
            "transaction_id": ["first"] * len(verdicts),
            "is_fraud": [said for _, said in verdicts],
            "known_at": at(*(day for day, _ in verdicts)),
            "source": ["analyst"] * len(verdicts),
        },
        schema=EVENT_SCHEMA,
    )
    return LateLabels(events, None, has_any=True)


def told(folder: Path, late: LateLabels, *targets: float, payee: str = "shop") -> list[object]:
    """What each target is told of the first transaction, which came with no label on day 0."""
    rows = pl.LazyFrame(
        {
            "transaction_id": ["first", *(f"day {day:g}" for day in targets)],
            "occurred_at": at(0, *targets),
            "payer_id": ["ann", *(f"payer {day:g}" for day in targets)],
            "payee_id": ["shop", *([payee] * len(targets))],
            "is_fraud": pl.Series([None] * (1 + len(targets)), dtype=pl.Boolean),
            "label_known_at": at(*([None] * (1 + len(targets)))),
            "is_target": [False, *([True] * len(targets))],
        }
    )

    def plan(known: pl.LazyFrame, chosen: pl.Expr, _folder: Path) -> pl.LazyFrame:
        first = known.filter(transaction_id="first").select(said="is_fraud", since="label_known_at")
        is_known = pl.col("since") < pl.col("occurred_at")
        return (
            known.filter(chosen)
            .join(first, how="cross")
            .select("transaction_id", said=pl.when(is_known).then("said"))
        )

    found = labelled_features(rows, late, plan, folder).collect()
    assert found["transaction_id"].to_list() == [f"day {day:g}" for day in targets]
    return found["said"].to_list()


def test_each_target_sees_the_verdict_that_stood_before_it(tmp_path: Path) -> None:
    late = late_of((2, True), (4, False), (6, True))
    targets = (1, 2, 2.5, 4, 4.5, 6, 6.5)
    # Known at its very moment is not known yet, neither said nor taken back.
    expected = [None, None, True, True, False, False, True]
    assert told(tmp_path, late, *targets) == expected
    # One stretch alone, after all changes.
    assert told(tmp_path, late, 7) == [True]
    # One stretch alone, at a change.
    assert told(tmp_path, late, 4) == [True]


def test_strangers_to_every_change_are_computed_in_one_pass(tmp_path: Path) -> None:
    late = late_of((2, True), (4, False), (6, True))
    told(tmp_path, late, 1, 3, 5, 7, payee="another shop")
    assert list(tmp_path.iterdir()) == []
    told(tmp_path, late, 1, 3, 5, 7)
    assert len(list(tmp_path.iterdir())) == 3


def test_beyond_the_most_passes_a_change_counts_later_and_never_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretches, "MOST_PASSES", 2)
    late = late_of((2, True), (4, False), (6, True), (8, False))
    assert told(tmp_path, late, 3, 5, 7, 9) == [True, True, True, False]
    assert len(list(tmp_path.iterdir())) == 2
