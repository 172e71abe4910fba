"""A challenger scores in shadow; a model of other features does not score at all."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from polars.testing import assert_frame_equal
from sklearn.metrics import average_precision_score

from fraud_assets.feeds import load_feeds
from fraud_assets.shadow import shadow_of
from fraud_assets.training_plan import TrainingPlan
from gpu_ops.calibration import Calibration
from gpu_ops.gate import Status, Verdict
from resources.registry import ModelParts, ModelRegistry, write_model

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Trained

SHADOW = ["challenger_probability", "challenger_version"]
PENDING = Verdict(Status.PENDING, ("held",))
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def another(project: "Project", **card: object) -> ModelRegistry:
    """The champion once more with another calibration and card, published as a version."""
    registry = ModelRegistry(project.versions)
    first = registry.get("sim", 1)
    parts = ModelParts(
        first.booster,
        first.forest,
        Calibration(method="platt", slope=0.5, intercept=-1.0, reason="a test"),
        first.card.model_copy(update=card),
    )
    attempt = project.versions.begin(registry.slot("sim"), "another")
    write_model(attempt, parts)
    project.versions.publish(attempt, inputs={"made": str(card)})
    return registry


def test_a_challenger_is_scored_beside_the_champion_and_decides_nothing(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project)
    before = trained.project.table("augmented_transactions", trained.later)
    assert before["challenger_probability"].null_count() == before.height
    assert shadow_of(project.versions, "sim", project.settings, LATER) is None
    registry = another(project)
    registry.register("sim", 2, PENDING, by="gate")
    project.must("augmented_transactions", key=trained.later)
    after = project.table("augmented_transactions", trained.later)
    # May alert, reasons, probability, expected loss: all as before.
    assert_frame_equal(after.drop(SHADOW), before.drop(SHADOW))
    assert after["may_alert"].any()
    assert after["challenger_version"].unique().to_list() == ["sim/2"]
    # Its trees are the champion's, so its margin is, too.
    margin = before["fraud_margin"].to_numpy().astype(np.float64)
    expected = 1 / (1 + np.exp(1.0 - 0.5 * margin))
    np.testing.assert_allclose(after["challenger_probability"], expected, rtol=1e-6)
    inputs = project.manifest("augmented_transactions", trained.later).inputs
    assert (inputs["model"], inputs["challenger"]) == ("sim/1", "sim/2")

    found = shadow_of(project.versions, "sim", project.settings, LATER)
    assert found is not None
    assert (found.champion, found.challenger) == ("sim/1", "sim/2")
    assert (found.rows, found.positives) == (after.height, after["is_fraud"].sum())
    # It ranks as the champion does.
    assert found.difference.value == pytest.approx(0.0, abs=1e-3)
    assert found.difference.reference == pytest.approx(
        average_precision_score(after["is_fraud"], after["fraud_probability"])
    )
    assert "sim/2 in shadow beside sim/1: 410 rows with labels" in found.line()
    start = after["occurred_at"].min()
    assert isinstance(start, datetime)
    early = shadow_of(project.versions, "sim", project.settings, start)
    assert early is not None
    assert early.line().endswith("0 rows with labels, 0 frauds; too few to compare")

    # A challenger that cannot be read is told of, and keeps nobody from a score.
    key = registry.get("sim", 2).manifest.key_of("calibration.json")
    project.lake.put(key, project.lake.get(key).replace(b"platt", b"plott"))
    outcome = project.make("augmented_transactions", trained.later)
    assert outcome.success, outcome.reason
    check = outcome.checks["augmented_transactions", "models_fit"]
    assert not check.passed
    assert "the challenger cannot be read" in str(check.description)
    again = project.table("augmented_transactions", trained.later)
    assert_frame_equal(again, before)


def test_a_champion_of_other_features_is_refused_until_one_of_these_is_trained(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    project = copy_of(trained.project)
    features = ModelRegistry(project.versions).get("sim", 1).card.features
    for changed, told in (
        ({"features": ("amount_renamed", *features[1:])}, f"no amount_renamed; new {features[0]}"),
        ({"catalogue": "0123456789abcdef"}, "the same names, but other definitions"),
    ):
        registry = another(project, **changed)
        newest = registry.latest("sim")
        assert newest is not None
        registry.register("sim", newest.version, Verdict(Status.APPROVED, ("so be it",)), by="ann")
        outcome = project.make("augmented_transactions", trained.later)
        assert outcome.success, outcome.reason
        check = outcome.checks["augmented_transactions", "models_fit"]
        assert not check.passed
        assert f"({told})" in str(check.description)
        assert "fraud-assets train" in str(check.description)
        table = project.table("augmented_transactions", trained.later)
        assert table["fraud_probability"].null_count() == table.height
        assert table["anomaly_score"].null_count() == 0
        assert table["may_alert"].any()
        assert project.manifest("augmented_transactions", trained.later).inputs["model"] == "none"
        # So the next run trains, and scores again what had no model.
        feeds = {"sim": load_feeds(None)["sim"]}
        assert TrainingPlan(project.versions, feeds, project.settings).champions() == {"sim": None}


def test_the_gate_does_not_overrule_a_person(trained: "Trained", copy_of: "ProjectOf") -> None:
    project = copy_of(trained.project)
    registry = ModelRegistry(project.versions)
    withdrawn = replace(PENDING, status=Status.REJECTED, reasons=("rolled back: odd",))
    registry.register("sim", 1, withdrawn, by="ann")
    outcome = project.make("registered_model")
    assert outcome.success, outcome.reason
    told = outcome.metadata["registered_model"]
    assert told["sim_status"].value == "Rejected"
    assert told["sim_reasons"].value == "decided by ann: rolled back: odd"
    assert [one.by for one in registry.list("sim")] == ["gate", "ann"]
