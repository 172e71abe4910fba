"""The search over settings of a feed's model, one stored trial after another."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from uuid import uuid4

import polars as pl

from fraud_assets import layers
from fraud_assets.feeds import Feed
from fraud_assets.labelled_rows import training_frame
from fraud_assets.model import feed_rows
from fraud_assets.modelling import MAX_TRAINING_ROWS, FeedRows, features_of, fitted_forest
from fraud_assets.training import (
    NotTrainable,
    assess,
    catalogue_of,
    catalogue_trained_on,
)
from fraud_assets.tuned_settings import (
    CONFIRMATIONS,
    ChosenSettings,
    StoredTrial,
    Study,
    choose,
    publish_study,
    read_study,
)
from gpu_ops.booster_params import BoosterParams
from gpu_ops.model_scores import with_forest_score
from gpu_ops.training_rows import LABEL, WEIGHT, TrainingTable
from gpu_ops.tuning import Trial, Tuned, next_settings, search_digest, try_settings
from resources.settings import Settings
from resources.versions import Versions

Say = Callable[[str], None]


class TuningImpossibleError(Exception):
    """There is nothing to search on; the message says why and what to do."""


@dataclass(frozen=True)
class Bounds:
    """How far a search goes.

    Attributes:
        trials: So many in all, those of earlier searches on the same rows among them.
        minutes: No further trial begins after so long; None: no such bound.
    """

    trials: int
    minutes: float | None = None


@dataclass(frozen=True)
class Searched:
    """What a search came to.

    Attributes:
        feed: Whose settings.
        study: All trials, and what training takes from now on.
        made: Trials made by this search; the others were stored.
    """

    feed: str
    study: Study
    made: int

    @property
    def chosen(self) -> ChosenSettings:
        """What training takes."""
        return self.study.chosen


def tune(
    versions: Versions,
    rows: FeedRows,
    settings: Settings,
    bounds: Bounds,
    say: Say = lambda _: None,
) -> Searched:
    """Searches settings that rank the validation window better than the default's.

    The training window fits, the validation window stops and judges; the test window is not
    looked at. After each trial all of them are stored, so an interrupted search loses one at most,
    and what training takes changes only once a search has ended by itself. The first trial is the
    default, and is made whatever the bounds.

    Args:
        versions: The lake.
        rows: The feed's labelled rows.
        settings: Seed, threads, device and the trainer of the forest.
        bounds: How many trials, how long.
        say: Told a line a trial.

    Raises:
        TuningImpossibleError: A window has one class.
        OvertakenError: Somebody else searches the same feed.
    """
    train, validation = _tables(rows, settings)
    data = search_digest(train, validation, settings.seed)
    study, number = _begun(versions, rows.feed, data)
    run_id = f"tune-{uuid4().hex}"
    stored = len(study.trials)
    if stored:
        say(f"{rows.feed}: {stored} trials on these rows are stored; going on from there")
    started = time.monotonic()
    while len(study.trials) < bounds.trials:
        if study.trials and _is_over(started, bounds.minutes):
            break
        trial = _made(study, train, validation, settings)
        study = study.model_copy(update={"trials": (*study.trials, trial)})
        number = publish_study(versions, rows.feed, study, run_id, number).number
        say(
            f"trial {len(study.trials) - 1}: average precision {trial.average_precision:.4f}, "
            f"{trial.trees} trees, {trial.seconds:.1f} s"
        )
    made = len(study.trials) - stored
    if study.chosen_on != data or study.chosen.trials != len(study.trials):

        def gain(best: StoredTrial) -> float:
            say(f"the best and the default under {CONFIRMATIONS} other seeds")
            return _gain(study.trials[0], best, train, validation, settings)

        study = study.model_copy(
            update={
                "chosen": choose(study.trials, gain),
                "chosen_on": data,
                "chosen_for": rows.catalogue,
                "default": BoosterParams().to_dict(),
            }
        )
        publish_study(versions, rows.feed, study, run_id, number)
    return Searched(rows.feed, study, made)


def rows_to_tune(versions: Versions, feed: Feed, settings: Settings) -> FeedRows:
    """The feed's rows in the visible training set, or as they would be in one made now.

    The visible one serves only if its features are those of the feed's visible uploads.

    Raises:
        TuningImpossibleError: The labels allow no training.
    """
    training = versions.latest(layers.snapshot_slot("training_set"))
    if training is not None:
        uploads = layers.visible(versions, "prepped_transactions", feed.name).values()
        catalogue = catalogue_trained_on(training, feed.name)
        if all(catalogue_of(one) == catalogue for one in uploads):
            for rows in feed_rows(versions, training):
                if rows.feed == feed.name:
                    return rows
    found = assess(versions, feed, settings, datetime.now(UTC))
    if isinstance(found, NotTrainable):
        raise TuningImpossibleError(f"nothing to tune {feed.name} on: {found.reason}")
    frame = training_frame(versions, found, max_training_rows=MAX_TRAINING_ROWS, seed=settings.seed)
    return FeedRows(feed.name, found.split, frame, catalogue_of(found.sources[0].prepped))


def _tables(rows: FeedRows, settings: Settings) -> tuple[TrainingTable, TrainingTable]:
    """Training and validation window as the booster reads them, the forest's score included."""
    train, validation = rows.window("train"), rows.window("validation")
    for name, part in (("training", train), ("validation", validation)):
        if part[LABEL].n_unique() < 2:  # noqa: PLR2004 - fraud and legitimate
            raise TuningImpossibleError(
                f"the {name} window of {rows.feed} has only one class, so no setting is better "
                "than another; tune once there are known frauds in it"
            )
    forest = fitted_forest(features_of(train), settings)

    def table(part: pl.DataFrame) -> TrainingTable:
        features = features_of(part)
        scored = with_forest_score(features, forest.score(features, threads=_threads(settings)))
        return TrainingTable.of(scored.with_columns(part[LABEL], part[WEIGHT]))

    return table(train), table(validation)


def _threads(settings: Settings) -> int:
    return settings.threads or os.cpu_count() or 1


def _begun(versions: Versions, feed: str, data: str) -> tuple[Study, int]:
    """The study on these rows: the stored one, or a new one, which keeps what training takes."""
    stored, number = read_study(versions, feed)
    if stored is None:
        return Study(data=data), number
    if stored.data == data:
        return stored, number
    return stored.model_copy(update={"data": data, "trials": ()}), number


def _made(
    study: Study, train: TrainingTable, validation: TrainingTable, settings: Settings
) -> StoredTrial:
    """The next trial of a study."""
    begun = time.monotonic()
    earlier = [Trial(one.settings, one.average_precision, one.trees) for one in study.trials]
    found = _tried(
        next_settings(earlier, settings.seed), train, validation, settings, settings.seed
    )
    return StoredTrial(**found._asdict(), seconds=round(time.monotonic() - begun, 3))


def _gain(
    default: StoredTrial,
    best: StoredTrial,
    train: TrainingTable,
    validation: TrainingTable,
    settings: Settings,
) -> float:
    """Mean average precision of the best less that of the default, under seeds not tried yet."""
    seeds = range(settings.seed + 1, settings.seed + 1 + CONFIRMATIONS)
    found, usual = (
        [
            _tried(one.settings, train, validation, settings, seed).average_precision
            for seed in seeds
        ]
        for one in (best, default)
    )
    return fmean(found) - fmean(usual)


def _tried(
    tuned: Tuned, train: TrainingTable, validation: TrainingTable, settings: Settings, seed: int
) -> Trial:
    return try_settings(
        tuned,
        train,
        validation,
        seed=seed,
        device="cuda" if settings.engine == "gpu" else "cpu",
        threads=_threads(settings),
    )


def _is_over(started: float, minutes: float | None) -> bool:
    return minutes is not None and time.monotonic() - started >= 60.0 * minutes
