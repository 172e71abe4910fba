"""What a search found is taken by the next training, which is then due."""

from typing import TYPE_CHECKING

import pytest

from fraud_assets.feeds import load_feeds
from fraud_assets.prepped import CATALOGUE_DIGEST
from fraud_assets.training import TRAINED_ON
from fraud_assets.training_plan import TrainingPlan
from fraud_assets.tuned_settings import ChosenSettings, Study, publish_study
from gpu_ops.booster_params import BoosterParams
from gpu_ops.gate import Status, Verdict
from resources.registry import ModelRegistry

if TYPE_CHECKING:
    from tests.assets.conftest import ProjectOf, Trained

FOUND = Study(
    data="of-some-rows",
    chosen=ChosenSettings(
        settings={"max_depth": 2, "learning_rate": 0.3},
        trials=9,
        default_average_precision=0.5,
        best_average_precision=0.6,
    ),
    chosen_for=CATALOGUE_DIGEST,
    default=BoosterParams().to_dict(),
)


@pytest.mark.slow
def test_after_a_search_training_is_due_and_takes_what_was_found(
    trained: "Trained", copy_of: "ProjectOf"
) -> None:
    copy = copy_of(trained.project)
    # The second upload would be something new by itself.
    later = copy.versions.lake.list(f"prepped/feed=sim/upload={trained.later}/manifest")
    copy.lake.delete(one.key for one in later)
    registry = ModelRegistry(copy.versions)
    plan = TrainingPlan(copy.versions, load_feeds(copy.settings.feeds_dir), copy.settings)
    assert plan.nothing_new("sim") is not None
    of_other_features = FOUND.model_copy(update={"chosen_for": "other"})
    publish_study(copy.versions, "sim", of_other_features, "tune-1", 0)
    assert plan.nothing_new("sim") is not None
    publish_study(copy.versions, "sim", FOUND, "tune-2", 1)
    assert plan.nothing_new("sim") is None
    made = copy.make("fraud_model")
    assert made.success, made.reason
    model = registry.latest("sim")
    assert model is not None
    assert model.version == 2
    told = model.card.parameters
    assert (told["max_depth"], told["learning_rate"]) == (2, 0.3)
    assert (told["tuned"], told["tuning_trials"]) == (True, 9)
    trained_on = model.manifest.extra[TRAINED_ON]
    assert isinstance(trained_on, dict)
    assert "tuning/feed=sim" in trained_on
    # Nobody judged it yet, which alone would make training due.
    registry.register("sim", 2, Verdict(Status.PENDING, ("held",)), by="gate")
    assert plan.nothing_new("sim") is not None
