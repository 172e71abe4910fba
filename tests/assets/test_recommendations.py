"""Scored rows: margin, decision, release by lot and contributions, as they are stored."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from gpu_ops.contributions import BIAS
from gpu_ops.reasons import REASONS_VERSION
from resources.registry import ModelRegistry

if TYPE_CHECKING:
    from gpu_ops.thresholds import Levels
    from tests.assets.conftest import Project, ProjectOf, Rows, Trained

LEVELS_ARE_THERE = "the made payments have frauds worth a block"


def levels_of(project: "Project") -> "Levels":
    champion = ModelRegistry(project.versions).champion("sim")
    assert champion is not None
    assert champion.card.thresholds is not None
    return champion.card.thresholds.by_cost


def test_levels_are_chosen_on_the_validation_window_and_kept_in_the_card(
    trained: "Trained",
) -> None:
    champion = ModelRegistry(trained.project.versions).champion("sim")
    assert champion is not None
    chosen = champion.card.thresholds
    assert chosen is not None
    validation = trained.project.table("training_set").filter(window="validation")
    assert (chosen.rows, chosen.positives) == (validation.height, validation["is_fraud"].sum())
    assert (chosen.costs.review_cost, chosen.costs.wrong_block_share) == (5.0, 0.1)
    assert champion.card.metrics["savings_at_levels"].value is not None
    # At the alert level by capacity, as many rows of this window as 5 a day.
    scored = trained.project.table("augmented_transactions", trained.learned).join(
        validation.select("transaction_id"), on="transaction_id"
    )
    alert = chosen.by_capacity.alert
    assert alert is not None
    reached = scored.filter(pl.col("fraud_probability").cast(pl.Float64) >= alert).height
    assert 4 * chosen.days <= reached <= 5 * chosen.days
    evaluated = trained.project.table("model_evaluation")["metric"].to_list()
    assert "savings_at_levels" in evaluated


def test_rows_are_decided_by_the_levels_and_a_share_is_released_by_lot(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project, release_share=0.5)
    outcome = project.make("augmented_transactions", trained.later)
    assert outcome.success, outcome.reason
    table = project.table("augmented_transactions", trained.later)
    levels = levels_of(project)
    assert levels.alert is not None, LEVELS_ARE_THERE
    assert levels.block is not None, LEVELS_ARE_THERE
    for probability, decision in table.select("fraud_probability", "decision").iter_rows():
        if probability >= levels.block:
            assert decision in {"block", "release"}
        else:
            assert decision == ("alert" if probability >= levels.alert else "none")
    counts = dict(table["decision"].value_counts().iter_rows())
    assert counts["release"] > 0
    assert counts["block"] > 0
    told = outcome.metadata["augmented_transactions"]
    assert told["to_block"].value == counts["block"]
    assert told["released"].value == counts["release"]
    assert told["block_level"].value == levels.block
    assert told["decided_by"].value == "cost"
    # The lot decides nothing else: with the usual share the same rows may alert.
    usual = trained.project.table("augmented_transactions", trained.later)
    assert usual["may_alert"].to_list() == table["may_alert"].to_list()
    assert set(table.filter(decision="release")["transaction_id"]) >= set(
        usual.filter(decision="release")["transaction_id"]
    )


def test_the_margin_is_stored_and_the_contributions_add_up_to_it(trained: "Trained") -> None:
    table = trained.project.table("augmented_transactions", trained.later)
    champion = ModelRegistry(trained.project.versions).champion("sim")
    assert champion is not None
    assert table["fraud_margin"].dtype == pl.Float32
    again = champion.calibration.probability(table["fraud_margin"].to_numpy())
    assert (table["fraud_probability"].to_numpy() == again.astype(np.float32)).all()
    explained = table.filter("may_alert")
    assert explained.height == 15
    for row in explained.iter_rows(named=True):
        weights = {one["code"]: one["weight"] for one in row["contributions"]}
        assert sum(weights.values()) == pytest.approx(row["fraud_margin"], abs=1e-4)
        model = [code for code in row["reasons"] if code.startswith("MODEL_")]
        assert model == [one["code"] for one in row["contributions"][: len(model)]]
        assert all(weights[code] > 0.0 for code in model)
        assert BIAS in weights
    others = table.filter(~pl.col("may_alert"))
    assert (others["contributions"].list.len() == 0).all()
    manifest = trained.project.manifest("augmented_transactions", trained.later)
    assert manifest.extra["reasons_version"] == REASONS_VERSION


def test_without_a_model_there_is_neither_margin_nor_decision(trained: "Trained") -> None:
    table = trained.unscored
    assert table["fraud_margin"].null_count() == table["decision"].null_count() == 5_000
    assert (table["contributions"].list.len() == 0).all()


def test_the_cap_of_blocks_holds_over_all_uploads_of_a_feed_and_however_often_they_are_scored(
    trained: "Trained", copy_of: "ProjectOf", payments: "Rows"
) -> None:
    project = copy_of(
        trained.project, blocks_per_interval=3, block_interval_minutes=1440, release_share=0.0
    )
    first = trained.later
    project.must("augmented_transactions", key=first)
    second = project.ingest(payments("more", 200, 3, seed=3, after_days=28), "third.parquet")
    for again in (first, second):
        number = project.manifest("augmented_transactions", again).number
        project.must("augmented_transactions", key=again)
        assert project.manifest("augmented_transactions", again).number == number
    tables = [project.table("augmented_transactions", key) for key in (first, second)]
    blocks = pl.concat(tables).filter(pl.col("decision") == "block", ~pl.col("in_sample"))
    a_day = dict(blocks["occurred_at"].dt.date().value_counts().iter_rows())
    assert set(a_day.values()) == {3}
    reached = levels_of(project).block
    assert reached is not None, LEVELS_ARE_THERE
    to_block = tables[1].filter(pl.col("fraud_probability").cast(pl.Float64) >= reached)
    assert to_block.height > 0
    assert set(to_block["decision"]) == {"alert"}
