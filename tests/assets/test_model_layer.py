"""The model layer: windows, evaluation, the gate's verdict, and what serves after it."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fraud_assets import layers, model, training_plan
from fraud_assets.feeds import load_feeds
from fraud_assets.labelled_rows import training_frame
from fraud_assets.prepped import CATALOGUE_DIGEST
from fraud_assets.training import Trainable, assess
from fraud_assets.training_plan import TrainingPlan
from gpu_ops.gate import Status
from resources.registry import ModelRegistry

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Trained

CEILINGS = ("average_precision", "roc_auc", "precision_at_capacity", "recall_at_capacity")


@pytest.fixture
def copy(trained: "Trained", copy_of: "ProjectOf") -> "Project":
    """The trained project, to be changed at will."""
    return copy_of(trained.project)


def test_windows_follow_each_other_with_a_label_delay_between(trained: "Trained") -> None:
    table = trained.project.table("training_set")
    times = {name: part["occurred_at"].to_list() for (name,), part in table.group_by("window")}
    assert set(times) == {"train", "validation", "test"}
    for before, after in (("train", "validation"), ("validation", "test")):
        # The feed's labels take a day.
        assert min(times[after]) - max(times[before]) >= timedelta(days=1)
    assert len(times["train"]) > len(times["test"]) > len(times["validation"]) > 400
    assert table["is_fraud"].null_count() == 0
    made_of = dict(trained.project.manifest("training_set").inputs)
    assert made_of.pop("labels/feed=sim").startswith("2026-03-0")
    assert made_of.pop("catalogue/feed=sim") == CATALOGUE_DIGEST
    assert made_of == {
        f"prepped/feed=sim/upload={trained.learned}": trained.project.manifest(
            "prepped_transactions", trained.learned
        ).content_id
    }


def test_the_gate_approves_and_says_why(trained: "Trained") -> None:
    (entry,) = ModelRegistry(trained.project.versions).list("sim")
    assert (entry.version, entry.status, entry.by) == (1, Status.APPROVED, "gate")
    told = " ".join(entry.reasons)
    for words in ("ROC AUC", "beside logistic_published", "frauds in the test", "p99 latency"):
        assert words in told
    champion = ModelRegistry(trained.project.versions).champion("sim")
    assert champion is not None
    assert champion.name == "sim/1"


def test_every_metric_stands_beside_its_ceiling_and_a_random_order(trained: "Trained") -> None:
    table = trained.project.table("model_evaluation")
    assert table["feed"].unique().to_list() == ["sim"]
    rows = {row["metric"]: row for row in table.iter_rows(named=True)}
    for name in CEILINGS:
        row = rows[name]
        assert row["random"] < row["value"] <= row["ceiling"]
        assert row["champion"] is None
    assert rows["average_precision"]["ceiling"] == 1.0
    assert rows["roc_auc"]["random"] == 0.5
    evidence = trained.project.manifest("model_evaluation").extra["evidence"]
    assert isinstance(evidence, dict)
    test = trained.project.table("training_set").filter(window="test")
    stored = evidence["sim"]
    assert isinstance(stored, dict)
    assert stored["champion"] is None
    assert isinstance(stored["challenger"], dict)
    assert stored["challenger"]["rows"] == test.height
    assert stored["challenger"]["positives"] == test["is_fraud"].sum()


def test_training_again_on_the_same_rows_makes_no_new_version(copy: "Project") -> None:
    before = {name: copy.manifest(name) for name in ("training_set", "model_evaluation")}
    parts = [upload.key for upload in copy.uploads.all()]
    # The rows of the second upload would be new ones: they are set aside.
    later = copy.versions.lake.list(f"prepped/feed=sim/upload={parts[1]}/manifest")
    copy.lake.delete(one.key for one in later)
    outcome = copy.run("train_model", config=_feeds("sim"))
    assert outcome.success, outcome.reason
    registry = ModelRegistry(copy.versions)
    assert copy.manifest("training_set") == before["training_set"]
    assert copy.versions.all_numbers(registry.slot("sim")) == [1]
    # The champion is the model itself by now, and no rival of itself.
    assert copy.table("model_evaluation")["champion"].null_count() == 12
    champion = registry.champion("sim")
    assert champion is not None
    assert champion.version == 1


def test_more_rows_give_a_challenger_that_is_measured_beside_the_champion(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    copy = copy_of(trained.project, gate_min_roc_auc=0.9999)
    outcome = copy.run("train_model")
    assert outcome.success, outcome.reason
    registry = ModelRegistry(copy.versions)
    assert [(entry.version, entry.status) for entry in registry.list("sim")] == [
        (1, Status.APPROVED),
        (2, Status.REJECTED),
    ]
    champion = registry.champion("sim")
    assert champion is not None
    assert champion.version == 1
    told = outcome.metadata["registered_model"]
    assert told["sim_status"].value == "Rejected"
    assert told["sim_approved"].value == 0
    assert "< 0.9999: Rejected" in str(told["sim_reasons"].value)
    assert "beside sim/1, 95 % bounds" in str(told["sim_reasons"].value)
    table = copy.table("model_evaluation").filter(metric="average_precision")
    assert table["champion"].null_count() == 0
    assert table["champion"].item() != table["value"].item()


def test_figures_are_numbers_that_plot(copy: "Project") -> None:
    outcome = copy.make("model_evaluation")
    assert outcome.success, outcome.reason
    told = outcome.metadata["model_evaluation"]
    value = copy.table("model_evaluation").filter(metric="average_precision")["value"].item()
    assert told["sim_average_precision"].value == value
    assert isinstance(told["sim_p99_latency_ms"].value, float)
    assert str(told["sim_curve"].value).startswith("![precision and recall of sim](data:image/png")


def test_feeds_without_labels_are_named_with_the_reason(project: "Project") -> None:
    outcome = project.run("train_model", config=_feeds("card", "aml"))
    assert not outcome.success
    assert outcome.reason == (
        "No feed has labels to train on. card: no prepared transactions; "
        "aml: no prepared transactions"
    )


def test_a_preview_shows_every_feed() -> None:
    tables = [pl.DataFrame({"feed": [name] * 3, "rank": [1, 2, 3]}) for name in ("card", "sim")]
    assert model.in_turns(tables).rows() == [
        ("card", 1),
        ("sim", 1),
        ("card", 2),
        ("sim", 2),
        ("card", 3),
        ("sim", 3),
    ]


def test_a_model_is_tried_again_once_more_labels_are_known(
    copy: "Project", trained: "Trained", monkeypatch: pytest.MonkeyPatch
) -> None:
    # The rows of the second upload would be new ones: they are set aside.
    set_aside = copy.versions.lake.list(f"prepped/feed=sim/upload={trained.later}/manifest")
    copy.lake.delete(one.key for one in set_aside)
    feeds = load_feeds(copy.settings.feeds_dir)
    plan = TrainingPlan(copy.versions, feeds, copy.settings)
    assert "nothing new was landed" in (plan.nothing_new("sim") or "")

    def a_label_more(*given: object) -> Trainable:
        found = assess(*given)  # type: ignore[arg-type] # passed on as they are
        assert isinstance(found, Trainable)
        return replace(found, known_test_labels=found.known_test_labels + 1)

    monkeypatch.setattr(training_plan, "assess", a_label_more)
    assert plan.nothing_new("sim") is None


def test_a_model_of_another_training_set_is_not_evaluated(copy: "Project") -> None:
    attempt = copy.versions.begin(layers.snapshot_slot("training_set"), "by-hand")
    attempt.write_table(copy.table("training_set").head(-1), part="part-sim")
    manifest = copy.manifest("training_set")
    copy.versions.publish(attempt, inputs=manifest.inputs, extra=manifest.extra)
    outcome = copy.make("model_evaluation")
    assert not outcome.success
    assert "materialize fraud_model first" in outcome.reason


def test_the_contract_blocks_a_training_set_with_a_wrong_weight(
    copy: "Project", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        model,
        "training_frame",
        lambda *a, **o: training_frame(*a, **o).with_columns(weight=pl.lit(0.0, pl.Float32)),
    )
    before = copy.manifest("training_set")
    outcome = copy.make("training_set")
    assert not outcome.success
    assert not outcome.checks["training_set", "contract"].passed
    assert copy.manifest("training_set") == before


def _feeds(*names: str) -> dict[str, object]:
    return {"ops": {"training_set": {"config": {"feeds": list(names)}}}}
