"""The augmented layer: scores without a model, with one, and what may alert."""

from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fraud_assets import augmented, layers, scored_rows
from fraud_assets.scored_rows import score_upload
from gpu_ops.gate import Status, Verdict
from resources.registry import ModelRegistry

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Rows, Trained

CAPACITY, REVIEW_COST = 5, 5.0


def per_day(table: pl.DataFrame) -> dict[object, int]:
    days = table.filter("may_alert").group_by(pl.col("occurred_at").dt.date()).len()
    return dict(days.iter_rows())


def test_without_a_model_there_is_no_probability_and_nobody_claims_one(trained: "Trained") -> None:
    table = trained.unscored
    assert table["fraud_probability"].null_count() == 5_000
    assert table["expected_loss"].null_count() == 5_000
    assert table["model_version"].null_count() == 5_000
    assert table["anomaly_score"].is_between(0.0, 1.0).all()
    assert table["anomaly_score"].n_unique() > 1_000


def test_the_rows_that_fitted_the_first_forest_are_in_sample_and_may_still_alert(
    trained: "Trained",
) -> None:
    # forest_rows is 256: the earliest rows of the only upload.
    fitted = trained.unscored["in_sample"]
    assert fitted[:256].all()
    assert not fitted[256:].any()
    assert trained.unscored.filter("in_sample", "may_alert").height > 0


def test_without_a_model_the_best_odd_rows_with_a_reason_may_alert(trained: "Trained") -> None:
    table = trained.unscored
    assert set(per_day(table).values()) <= set(range(1, CAPACITY + 1))
    assert max(per_day(table).values()) == CAPACITY
    assert (table.filter("may_alert")["reasons"].list.len() > 0).all()
    assert (table.filter(~pl.col("may_alert"))["reasons"].list.len() == 0).all()


def test_nodes_name_feed_and_entity_and_rows_are_those_of_raw(trained: "Trained") -> None:
    raw = trained.project.table("raw_transactions", trained.learned)
    table = trained.project.table("augmented_transactions", trained.learned)
    same = ["transaction_id", "occurred_at", "kind", "amount", "is_fraud", "label_known_at"]
    assert_frame_equal(table.select(same), raw.select(same))
    assert table["payer"].to_list() == [f"sim:account:{name}" for name in raw["payer_id"]]
    assert table["payee"].to_list() == [f"sim:account:{name}" for name in raw["payee_id"]]
    assert table["feed"].unique().to_list() == ["sim"]


def test_the_champion_scores_and_its_own_rows_never_alert(trained: "Trained") -> None:
    table = trained.project.table("augmented_transactions", trained.learned)
    champion = ModelRegistry(trained.project.versions).champion("sim")
    assert champion is not None
    split = champion.split
    learned_from = [
        window.start <= at < window.end
        for at in table["occurred_at"]
        for window in [split.train if at < split.validation.start else split.validation]
    ]
    assert table["in_sample"].to_list() == learned_from
    assert 0 < sum(learned_from) < 5_000
    assert table.filter("in_sample", "may_alert").is_empty()
    assert table["may_alert"].any()
    assert table["model_version"].unique().to_list() == ["sim/1"]
    assert trained.project.manifest("augmented_transactions", trained.learned).number == 2


def test_expected_loss_is_probability_times_amount_and_decides_who_may_alert(
    trained: "Trained",
) -> None:
    table = trained.project.table("augmented_transactions", trained.later)
    loss = table["fraud_probability"].cast(pl.Float64) * table["amount"]
    assert (table["expected_loss"] - loss).abs().max() == 0.0
    assert not table["in_sample"].any()
    by_day: dict[object, list[tuple[float, str]]] = {}
    for row in table.iter_rows(named=True):
        if row["expected_loss"] >= REVIEW_COST:
            place = (-row["expected_loss"], row["transaction_id"])
            by_day.setdefault(row["occurred_at"].date(), []).append(place)
    best = {name for day in by_day.values() for _, name in sorted(day)[:CAPACITY]}
    assert set(table.filter("may_alert")["transaction_id"]) == best
    assert len(best) == 3 * CAPACITY


def test_a_loss_below_the_cost_of_a_review_is_not_worth_one(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project, review_cost=150.0)
    project.must("augmented_transactions", key=trained.later)
    table = project.table("augmented_transactions", trained.later)
    cheap = trained.project.table("augmented_transactions", trained.later)
    worth = cheap.filter("may_alert", pl.col("expected_loss") >= 150.0)["transaction_id"]
    assert 0 < worth.len() < cheap["may_alert"].sum()
    assert table.filter("may_alert")["transaction_id"].to_list() == worth.to_list()


def test_frauds_score_higher_than_the_rest_on_days_the_model_never_saw(trained: "Trained") -> None:
    table = trained.project.table("augmented_transactions", trained.later)
    mean = dict(table.group_by("is_fraud").agg(pl.col("fraud_probability").mean()).iter_rows())
    assert mean[True] > 5 * mean[False]


def test_scores_do_not_depend_on_how_many_rows_are_scored_at_once(
    trained: "Trained",
    copy_of: "ProjectOf",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = copy_of(trained.project)
    before = project.manifest("augmented_transactions", trained.later)
    monkeypatch.setattr(scored_rows, "CHUNK_ROWS", 97)
    monkeypatch.setattr(scored_rows, "EXPLAINED_AT_ONCE", 3)
    project.must("augmented_transactions", key=trained.later)
    after = project.manifest("augmented_transactions", trained.later)
    assert after.content_id == before.content_id
    assert after.number == before.number


def test_a_model_whose_approval_is_withdrawn_scores_nothing(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project)
    verdict = Verdict(Status.REJECTED, ("a person said no",))
    ModelRegistry(project.versions).register("sim", 1, verdict, by="ann")
    outcome = project.make("augmented_transactions", trained.later)
    assert outcome.success, outcome.reason
    table = project.table("augmented_transactions", trained.later)
    assert table["fraud_probability"].null_count() == table.height
    assert project.manifest("augmented_transactions", trained.later).inputs["model"] == "none"
    told = outcome.metadata["augmented_transactions"]["model"].value
    assert told == "none approved: anomaly scores and rules alone"


def test_a_version_that_lost_a_row_stays_hidden(
    project: "Project", rows: "Rows", monkeypatch: pytest.MonkeyPatch
) -> None:
    key = project.ingest(rows({}, {}, {}), "three.parquet")
    before = project.manifest("augmented_transactions", key)
    monkeypatch.setattr(augmented, "score_upload", lambda *a: score_upload(*a).head(2))
    outcome = project.make("augmented_transactions", key)
    assert not outcome.success
    assert "2 rows for 3 raw rows" in outcome.reason
    assert not outcome.checks["augmented_transactions", "same_rows_as_raw"].passed
    assert project.manifest("augmented_transactions", key) == before


def test_scores_need_features_of_the_visible_raw_rows(project: "Project", rows: "Rows") -> None:
    key = project.land(rows({}, {}), "two.parquet")
    project.must("raw_transactions", key=key)
    outcome = project.make("augmented_transactions", key)
    assert "materialize prepped_transactions first" in outcome.reason
    project.must("prepped_transactions", key=key)
    # Another raw version behind the features' back: they are not mixed.
    slot = layers.upload_slot("raw_transactions", "sim", key)
    attempt = project.versions.begin(slot, "by-hand")
    attempt.write_table(project.table("raw_transactions", key).head(1))
    project.versions.publish(attempt, inputs={})
    outcome = project.make("augmented_transactions", key)
    assert "materialize prepped_transactions first" in outcome.reason
    assert project.states()[key].state == "waiting"
