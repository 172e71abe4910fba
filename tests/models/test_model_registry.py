from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import JsonValue

from gpu_ops.anomaly import Forest, fit_forest
from gpu_ops.boosting import Booster, BoosterParams, train_booster
from gpu_ops.calibration import Calibration
from gpu_ops.gate import Status, Verdict
from gpu_ops.matrices import FeatureMismatchError
from gpu_ops.metrics import Figure
from gpu_ops.model_files import ModelFileError
from gpu_ops.splits import TimeSplit, Window
from gpu_ops.training_rows import TrainingTable
from resources.lake import Lake
from resources.registry import (
    Card,
    ModelNotFoundError,
    ModelParts,
    ModelRegistry,
    RowCount,
    write_model,
)
from resources.versions import Attempt, Manifest, MissingPartError, Versions

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
APPROVED = Verdict(Status.APPROVED, ("good",))
PENDING = Verdict(Status.PENDING, ("few frauds",))
REJECTED = Verdict(Status.REJECTED, ("too weak",))
CALIBRATION = Calibration(method="platt", slope=2.0, intercept=-1.0, reason="a test")
CARD = Card(
    feed="card",
    intended_use="Ranks card payments for review.",
    split=TimeSplit(
        Window(START, START + 10 * DAY),
        Window(START + 12 * DAY, START + 14 * DAY),
        Window(START + 16 * DAY, START + 20 * DAY),
        2 * DAY,
    ),
    windows={"train": RowCount(rows=60, frauds=20)},
    features=("amount", "count"),
    parameters={"rounds": 3},
    metrics={"roc_auc": Figure(0.9, 1.0, 0.5)},
    limits=("A test.",),
    code_version="0.1.0",
)


def features(rows: int = 60) -> pl.DataFrame:
    draws = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "transaction_id": [f"t{row}" for row in range(rows)],
            "amount": pl.Series(draws.normal(size=rows), dtype=pl.Float32),
            "count": pl.Series(draws.normal(size=rows), dtype=pl.Float32),
        }
    )


@pytest.fixture(scope="module")
def booster() -> Booster:
    table = TrainingTable.of(features().with_columns(is_fraud=pl.col("amount") > 0.5))
    return train_booster(table, table, BoosterParams(rounds=3, max_depth=2))


@pytest.fixture(scope="module")
def forest() -> Forest:
    return fit_forest(features(), ["amount", "count"], seed=0, n_trees=3)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path)))


@pytest.fixture
def registry(versions: Versions) -> ModelRegistry:
    return ModelRegistry(versions)


@pytest.fixture
def parts(booster: Booster, forest: Forest) -> ModelParts:
    return ModelParts(booster, forest, CALIBRATION, CARD, {"rows": 60})


def published(versions: Versions, parts: ModelParts, run_id: str, inputs: str = "1") -> Manifest:
    attempt = versions.begin(ModelRegistry.slot("card"), run_id)
    write_model(attempt, parts)
    return versions.publish(attempt, inputs={"training_set": inputs})


def test_a_model_comes_back_as_it_was_written(
    versions: Versions, registry: ModelRegistry, parts: ModelParts
) -> None:
    published(versions, parts, "run1")
    model = registry.get("card", 1)
    assert (model.version, model.name) == (1, "card/1")
    assert model.columns == ("amount", "count")
    assert model.split == CARD.split
    assert model.calibration == CALIBRATION
    assert model.evaluation == {"rows": 60}
    assert model.card.metrics["roc_auc"] == Figure(0.9, 1.0, 0.5)
    assert set(model.card.content_hashes) == {
        "booster.ubj",
        "forest.zip",
        "calibration.json",
        "evaluation.json",
    }
    assert all(
        model.manifest.file(name).sha256 == digest
        for name, digest in model.card.content_hashes.items()
    )


def test_its_scores_are_those_of_its_parts(
    versions: Versions, registry: ModelRegistry, parts: ModelParts
) -> None:
    published(versions, parts, "run1")
    scores = registry.get("card", 1).score(features())
    np.testing.assert_array_equal(scores.anomaly, parts.forest.score(features()))
    np.testing.assert_array_equal(scores.margin, parts.booster.predict_margin(features()))
    expected = 1 / (1 + np.exp(-(2.0 * scores.margin.astype(np.float64) - 1.0)))
    np.testing.assert_allclose(scores.probability, expected, rtol=1e-12)


def test_other_features_are_refused(
    versions: Versions, registry: ModelRegistry, parts: ModelParts
) -> None:
    published(versions, parts, "run1")
    with pytest.raises(FeatureMismatchError, match="missing count; extra age"):
        registry.get("card", 1).score(features().rename({"count": "age"}))


def test_training_again_on_the_same_rows_publishes_nothing(
    versions: Versions, parts: ModelParts
) -> None:
    assert published(versions, parts, "run1").number == 1
    assert published(versions, parts, "run2").number == 1
    assert published(versions, parts, "run3", inputs="2").number == 2


def test_without_models_there_is_no_champion(registry: ModelRegistry) -> None:
    assert registry.champion("card") is None
    assert registry.latest("card") is None
    assert registry.list("card") == ()
    with pytest.raises(ModelNotFoundError, match="card has no model version 1"):
        registry.get("card", 1)
    with pytest.raises(ModelNotFoundError):
        registry.register("card", 1, APPROVED, "gate")


@pytest.mark.parametrize(
    ("verdicts", "champion"),
    [
        ([(1, PENDING)], None),
        ([(1, REJECTED)], None),
        ([(1, APPROVED)], 1),
        ([(1, APPROVED), (2, REJECTED)], 1),
        ([(1, APPROVED), (2, PENDING)], 1),
        ([(1, APPROVED), (2, APPROVED)], 2),
        # A person approves what was held, and takes an approval back.
        ([(1, PENDING), (1, APPROVED)], 1),
        ([(1, APPROVED), (2, APPROVED), (2, REJECTED)], 1),
        ([(1, APPROVED), (2, APPROVED), (1, REJECTED), (1, APPROVED)], 1),
    ],
)
def test_the_champion_is_the_last_standing_approval(
    versions: Versions,
    registry: ModelRegistry,
    parts: ModelParts,
    verdicts: list[tuple[int, Verdict]],
    champion: int | None,
) -> None:
    for inputs in ("1", "2"):
        published(versions, parts, f"run{inputs}", inputs)
    for version, verdict in verdicts:
        registry.register("card", version, verdict, "gate")
    found = registry.champion("card")
    assert (None if found is None else found.version) == champion
    assert [(entry.version, entry.status) for entry in registry.list("card")] == [
        (version, verdict.status) for version, verdict in verdicts
    ]
    assert registry.champion("paysim") is None


def test_the_log_keeps_who_when_and_why(
    versions: Versions, registry: ModelRegistry, parts: ModelParts
) -> None:
    model = published(versions, parts, "run1")
    before = datetime.now(UTC)
    registry.register("card", 1, PENDING, "gate", run_id="run1")
    (entry,) = registry.list("card")
    assert (entry.reasons, entry.by, entry.content_id) == (
        ("few frauds",),
        "gate",
        model.content_id,
    )
    assert before <= entry.at <= datetime.now(UTC)


def test_the_same_verdict_again_changes_nothing(
    versions: Versions, registry: ModelRegistry, parts: ModelParts
) -> None:
    published(versions, parts, "run1")
    first = registry.register("card", 1, APPROVED, "gate")
    assert registry.register("card", 1, APPROVED, "gate") == first
    assert len(registry.list("card")) == 1
    registry.register("card", 1, APPROVED, "a person")
    assert len(registry.list("card")) == 2


class LosesTheRace(Versions):
    """Lets somebody else register a verdict just before its own first log is published."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self.others = [(1, REJECTED), (2, PENDING)]

    def publish(
        self,
        attempt: Attempt,
        *,
        inputs: dict[str, str],
        extra: dict[str, JsonValue] | None = None,
        follows: int | None = None,
    ) -> Manifest:
        while self.others:
            version, verdict = self.others.pop()
            ModelRegistry(Versions(self.lake)).register("card", version, verdict, "other")
        return super().publish(attempt, inputs=inputs, extra=extra, follows=follows)


def test_verdicts_registered_at_the_same_time_are_all_kept(
    versions: Versions, registry: ModelRegistry, parts: ModelParts
) -> None:
    for inputs in ("1", "2"):
        published(versions, parts, f"run{inputs}", inputs)
    registry.register("card", 1, APPROVED, "gate")
    ModelRegistry(LosesTheRace(versions.lake)).register("card", 2, APPROVED, "gate")
    assert [(entry.version, entry.by) for entry in registry.list("card")] == [
        (1, "gate"),
        (2, "other"),
        (1, "other"),
        (2, "gate"),
    ]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("booster.ubj", "booster"),
        ("forest.zip", "forest"),
        ("calibration.json", "calibration"),
        ("card.json", "card"),
        ("evaluation.json", "evaluation"),
    ],
)
def test_a_damaged_file_is_named(
    versions: Versions, registry: ModelRegistry, parts: ModelParts, name: str, part: str
) -> None:
    manifest = published(versions, parts, "run1")
    key = manifest.key_of(name)
    data = versions.lake.get(key)
    versions.lake.put(key, data[:5] + bytes([data[5] ^ 1]) + data[6:])
    with pytest.raises(ModelFileError, match=f"{name} has another content"):
        getattr(registry.get("card", 1), part)
    versions.lake.put(key, data[:-1])
    with pytest.raises(MissingPartError, match=name):
        getattr(registry.get("card", 1), part)


def test_a_file_that_is_no_model_is_named(versions: Versions, registry: ModelRegistry) -> None:
    attempt = versions.begin(ModelRegistry.slot("card"), "run1")
    for name in ("booster.ubj", "forest.zip", "calibration.json", "card.json"):
        attempt.write_bytes(name, b"{}")
    versions.publish(attempt, inputs={})
    for name, part in (
        ("booster.ubj", "booster"),
        ("forest.zip", "forest"),
        ("calibration.json", "calibration"),
        ("card.json", "card"),
        ("evaluation.json", "evaluation"),
    ):
        with pytest.raises(ModelFileError, match=name):
            getattr(registry.get("card", 1), part)


def test_the_forest_before_the_first_model(
    versions: Versions, registry: ModelRegistry, forest: Forest
) -> None:
    assert registry.forest("card") is None
    attempt = versions.begin(ModelRegistry.forest_slot("card"), "run1")
    ModelRegistry.write_forest(attempt, forest)
    versions.publish(attempt, inputs={})
    found = registry.forest("card")
    assert found is not None
    np.testing.assert_array_equal(found.score(features()), forest.score(features()))
