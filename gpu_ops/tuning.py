"""A bounded search over the settings of the booster, one trial after the other.

The sampler is the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kegl, Algorithms
for hyper-parameter optimization, 2011) as Optuna implements it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import numpy as np

from gpu_ops.booster_params import BoosterParams
from gpu_ops.boosting import train_booster
from gpu_ops.engine import Device
from gpu_ops.matrices import check_columns
from gpu_ops.ranking_metrics import average_precision
from gpu_ops.training_rows import TrainingTable

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Tuned: TypeAlias = dict[str, int | float]
"""Fields of `BoosterParams` by name."""


@dataclass(frozen=True)
class Range:
    """Where one setting is looked for.

    Attributes:
        name: The field of `BoosterParams`.
        low: Least value, inclusive.
        high: Greatest value, inclusive.
        reason: Why there.
        is_log: Drawn evenly in its logarithm.
        is_whole: A whole number.
    """

    name: str
    low: float
    high: float
    reason: str
    is_log: bool = False
    is_whole: bool = False

    @property
    def distribution(self) -> "BaseDistribution":
        """The range in Optuna's words."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.is_whole:
            return IntDistribution(int(self.low), int(self.high), log=self.is_log)
        return FloatDistribution(self.low, self.high, log=self.is_log)


RANGES: Final = (
    Range(
        "learning_rate",
        0.02,
        0.3,
        "below, the most trees are used up before training stops; above, a handful decide",
        is_log=True,
    ),
    Range(
        "max_depth",
        3,
        8,
        "interactions of three features at least; deeper leaves hold single frauds",
        is_whole=True,
    ),
    Range(
        "min_child_weight",
        0.5,
        30.0,
        "from nearly none to leaves of a hundred rows that are hard to tell",
        is_log=True,
    ),
    Range("subsample", 0.4, 1.0, "fewer rows a tree leave too few of the frauds"),
    Range("node_share", 0.1, 1.0, "a tenth is a dozen features a split; most tell nearly the same"),
    Range(
        "l2", 0.1, 30.0, "a factor of ten and more to both sides of XGBoost's own 1", is_log=True
    ),
    Range(
        "fraud_weight",
        1.0,
        20.0,
        "from none to where the margin says little about the rate; less than one hides frauds",
        is_log=True,
    ),
)
"""What is searched. `max_bin` costs memory and time, `column_share` does what `node_share` does,
and the number of trees is found by early stopping in each trial: none of them is searched."""

START_TRIALS: Final = 8
"""Trials before the estimator speaks: the default and seven draws spread over the ranges."""


class Trial(NamedTuple):
    """A trial that was made.

    Attributes:
        settings: A value for each of `RANGES`.
        average_precision: On the validation window, 0..1.
        trees: Trees kept by early stopping.
    """

    settings: Tuned
    average_precision: float
    trees: int


def default_settings() -> Tuned:
    """The project's own values of the settings that are searched: trial 0 of every search."""
    params = BoosterParams().to_dict()
    return {one.name: params[one.name] for one in RANGES}


def with_settings(settings: Tuned, seed: int) -> BoosterParams:
    """The project's settings with some of them changed."""
    # Named fields of other types than numbers do not exist, which mypy cannot tell from a dict.
    return BoosterParams(**{**BoosterParams().to_dict(), **settings, "seed": seed})  # type: ignore[arg-type]


def next_settings(earlier: Sequence[Trial], seed: int) -> Tuned:
    """What to try after some trials; a function of those and the seed alone.

    Each trial has a sampler of its own, seeded by the seed and the trial's number, on a study made
    anew of the earlier trials. So a search that was interrupted goes on as if it had not been.

    Args:
        earlier: All trials so far, in order.
        seed: Of the search, 0 or more.
    """
    if not earlier:
        return default_settings()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    number = len(earlier)
    # A sum of both would give seed 1, trial 2 what seed 2, trial 1 got.
    drawn_by = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    sampler = optuna.samplers.TPESampler(seed=drawn_by, n_startup_trials=START_TRIALS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {one.name: one.distribution for one in RANGES}
    study.add_trials([_frozen(one, distributions) for one in earlier])
    return dict(study.ask(distributions).params)


def _frozen(trial: Trial, distributions: "dict[str, BaseDistribution]") -> "FrozenTrial":
    from optuna.trial import create_trial

    return create_trial(
        params=trial.settings, distributions=distributions, value=trial.average_precision
    )


def try_settings(
    settings: Tuned,
    train: TrainingTable,
    validation: TrainingTable,
    *,
    seed: int,
    device: Device = "cpu",
    threads: int = 1,
) -> Trial:
    """Fits on the training window and judges on the next by the average precision of its ranks.

    Args:
        settings: A value for each of `RANGES`.
        train: Both classes.
        validation: Later rows, both classes. They stop training too, in every trial alike.
        seed: Of the booster.
        device: Where the trees are grown.
        threads: CPU threads; another number may change the last digits.

    Raises:
        FeatureMismatchError: The two tables have different columns.
        ValueError: A window has one class.
    """
    check_columns(validation.columns, train.columns, allow_extra=False)
    order = [validation.columns.index(name) for name in train.columns]
    params = with_settings(settings, seed)
    booster = train_booster(train, validation, params, device=device, threads=threads)
    margin = booster.model.inplace_predict(validation.features[:, order], predict_type="margin")
    found = average_precision(np.asarray(margin, np.float64), validation.labels)
    if found is None:
        raise ValueError("the validation rows have no fraud: there is nothing to judge by")
    return Trial(settings, found, booster.model.num_boosted_rounds())


def best_trial(trials: Sequence[Trial]) -> int:
    """The number of the trial with the highest average precision, the earliest of equals."""
    return max(range(len(trials)), key=lambda number: (trials[number].average_precision, -number))


def search_digest(train: TrainingTable, validation: TrainingTable, seed: int) -> str:
    """Names all that trials depend on: rows, ranges, default, seed; 32 hexadecimal digits."""
    searched = [(one.name, one.low, one.high, one.is_log, one.is_whole) for one in RANGES]
    digest = hashlib.sha256(repr((searched, BoosterParams(), START_TRIALS, seed)).encode())
    for table in (train, validation):
        digest.update(repr((table.columns, table.features.shape)).encode())
        for array in (table.features, table.labels, table.weights):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
