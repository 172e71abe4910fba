"""The search over settings: what it looks at, that it resumes exactly, and when it is followed."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import gpu_ops.tuning
from fraud_assets import modelling, tuning
from fraud_assets.modelling import FeedRows, fit
from fraud_assets.sagemaker_fit import Hyperparameters
from fraud_assets.tuned_settings import (
    ChosenSettings,
    StoredTrial,
    booster_params,
    choose,
    chosen_settings,
    read_study,
    study_slot,
)
from fraud_assets.tuning import Bounds, TuningImpossibleError, tune
from gpu_ops import anomaly, boosting
from gpu_ops.booster_params import BoosterParams
from gpu_ops.splits import TimeSplit, Window
from gpu_ops.training_rows import TrainingTable
from gpu_ops.tuning import RANGES, Trial, default_settings, next_settings, try_settings
from resources.errors import OvertakenError
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SPLIT = TimeSplit(
    Window(START, START + 10 * DAY),
    Window(START + 11 * DAY, START + 16 * DAY),
    Window(START + 17 * DAY, START + 22 * DAY),
    DAY,
)
SETTINGS = Settings(threads=1, forest_rows=256, seed=3)
OTHER = {"learning_rate": 0.1, "max_depth": 7, "fraud_weight": 2.5}


def labelled() -> pl.DataFrame:
    """400 rows a window, whose fraud two of three features tell, but not surely."""
    random = np.random.default_rng(5)
    parts = []
    for window in ("train", "validation", "test"):
        values = random.normal(size=(400, 3)).astype(np.float32)
        odds = 2.0 * values[:, 0] + values[:, 1] - 3.0
        parts.append(
            pl.DataFrame(
                {
                    "transaction_id": [f"{window}-{number:03d}" for number in range(400)],
                    "occurred_at": [START] * 400,
                    "feed": "sim",
                    "payer_id": [f"payer-{number % 50}" for number in range(400)],
                    "transaction_amount": np.exp(values[:, 0].astype(np.float64)),
                    "window": window,
                    "is_fraud": random.random(400) < 1.0 / (1.0 + np.exp(-odds)),
                    "weight": pl.Series(np.ones(400), dtype=pl.Float32),
                    "amount_log": values[:, 0],
                    "payments_1d": values[:, 1],
                    "noise": values[:, 2],
                }
            )
        )
    return pl.concat(parts)


ROWS = FeedRows("sim", SPLIT, labelled(), "catalogue-1")


def lake(folder: Path) -> Versions:
    return Versions(Lake.open(str(folder)))


def without_seconds(trials: Sequence[StoredTrial]) -> list[dict[str, object]]:
    return [one.model_dump(exclude={"seconds"}) for one in trials]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Few trees, coarse bins, a small forest: the search is judged here, not its models."""
    in_full, forest_in_full = boosting.train_booster, anomaly.fit_forest

    def few_trees(
        train: TrainingTable, validation: TrainingTable, params: BoosterParams, **more: object
    ) -> boosting.Booster:
        fewer = replace(params, rounds=12, least_rounds=2, max_bin=16)
        return in_full(train, validation, fewer, **more)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(anomaly, "fit_forest", partial(forest_in_full, n_trees=3))
        patch.setattr(gpu_ops.tuning, "train_booster", few_trees)
        patch.setattr(modelling, "train_booster", few_trees)
        yield


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredTrial, ...]:
    """Ten trials in one go; the last two are the estimator's, no longer draws at random."""
    versions = lake(tmp_path_factory.mktemp("ten"))
    return tune(versions, ROWS, SETTINGS, Bounds(10)).study.trials


def test_a_search_that_was_cut_off_gives_the_trials_of_one_that_was_not(
    tmp_path: Path, ten: tuple[StoredTrial, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # No row of the test window may be read: its features are infinite, its labels unknown.
    unreadable = pl.col("amount_log", "payments_1d", "noise") * math.inf
    never_read = (
        ROWS.window("test").with_columns(unreadable).with_columns(is_fraud=pl.lit(None, pl.Boolean))
    )
    rows = FeedRows(
        "sim", SPLIT, pl.concat([ROWS.window("train"), ROWS.window("validation"), never_read]), "c"
    )
    versions = lake(tmp_path)
    grown = 0

    def killed_in_the_sixth(*given: object, **more: object) -> Trial:
        nonlocal grown
        if grown == 5:
            raise KeyboardInterrupt
        grown += 1
        return try_settings(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning, "try_settings", killed_in_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        tune(versions, rows, SETTINGS, Bounds(10))
    study, _ = read_study(versions, "sim")
    assert study is not None
    assert len(study.trials) == 5
    # What training takes is for searches that ended to say.
    assert study.chosen == ChosenSettings()
    monkeypatch.setattr(tuning, "try_settings", try_settings)
    found = tune(versions, rows, SETTINGS, Bounds(10))
    assert found.made == 5
    assert without_seconds(found.study.trials) == without_seconds(ten)
    # Nothing is left to do, and nothing is published for it.
    published = versions.all_numbers(study_slot("sim"))
    assert tune(versions, rows, SETTINGS, Bounds(10)).made == 0
    assert versions.all_numbers(study_slot("sim")) == published


def test_the_first_trial_is_the_default_and_all_others_lie_in_the_ranges(
    ten: tuple[StoredTrial, ...],
) -> None:
    default = BoosterParams()
    assert ten[0].settings == {
        "learning_rate": default.learning_rate,
        "max_depth": default.max_depth,
        "min_child_weight": default.min_child_weight,
        "subsample": default.subsample,
        "node_share": default.node_share,
        "l2": default.l2,
        "fraud_weight": default.fraud_weight,
    }
    for trial in ten:
        for one in RANGES:
            assert one.low <= trial.settings[one.name] <= one.high
            assert isinstance(trial.settings[one.name], int) is one.is_whole or trial is ten[0]
    assert len({json.dumps(trial.settings) for trial in ten}) == 10
    # The validation window's own figure of the default: as the model of `fit` has it.
    booster = fit(ROWS, SETTINGS, "cpu").booster
    assert booster.model.num_boosted_rounds() == ten[0].trees


def test_what_is_tried_next_depends_on_seed_number_and_what_was_found() -> None:
    earlier = [Trial(default_settings(), 0.5, 40)]
    for number in range(1, 9):
        earlier.append(Trial(next_settings(earlier, 0), 0.5 + number / 100, 40))
    again = [*earlier[:-1], Trial(earlier[-1].settings, 0.1, 40)]
    assert next_settings(earlier, 0) == next_settings(list(earlier), 0)
    assert next_settings(earlier, 0) != next_settings(earlier, 1)
    assert next_settings(earlier, 0) != next_settings(again, 0)
    # Neither seed and number as a sum nor the number alone may name a draw.
    assert next_settings(earlier[:2], 1) != next_settings(earlier[:3], 0)
    assert next_settings(earlier[:2], 0) != next_settings(earlier[:3], 0)


@pytest.mark.parametrize(
    ("default", "best", "is_tuned"),
    [
        (0.80, 0.8075, False),  # 1 % of .8 is .008
        (0.80, 0.8085, True),
        (0.20, 0.2045, False),  # .005 is more than 1 %
        (0.20, 0.2055, True),
        (0.20, 0.2000, False),
    ],
)
def test_the_default_stays_unless_it_is_beaten_by_more_than_chance(
    default: float, best: float, *, is_tuned: bool
) -> None:
    trials = tuple(
        StoredTrial(settings={"max_depth": depth}, average_precision=found, trees=50, seconds=1)
        for depth, found in ((5, default), (3, 0.1), (7, best))
    )
    for gain in (0.004, 0.02):
        assert choose(trials, lambda one, gain=gain: gain * (one is trials[2])) == ChosenSettings(  # type: ignore[misc]
            settings={"max_depth": 7} if is_tuned and gain > 0.01 else {},
            trials=3,
            default_average_precision=default,
            best_average_precision=best,
            confirmed_gain=gain if is_tuned else None,
        )


def test_the_best_must_be_best_under_other_seeds_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {3: 0.7, 4: 0.50, 5: 0.54, 6: 0.52}
    tried: list[tuple[float, int]] = []

    def lucky(one: dict[str, float], *_a: object, seed: int, **_o: object) -> Trial:
        tried.append((one["max_depth"], seed))
        return Trial(one, 0.5 if one["max_depth"] == 5 else found[seed], 40)

    monkeypatch.setattr(tuning, "try_settings", lucky)
    monkeypatch.setattr(tuning, "next_settings", lambda e, _: {"max_depth": 5 + 2 * len(e)})
    chosen = tune(lake(tmp_path), ROWS, SETTINGS, Bounds(2)).chosen
    assert chosen.confirmed_gain == pytest.approx(0.02)
    assert chosen.settings == {"max_depth": 7}
    assert tried == [(5, 3), (7, 3), (7, 4), (7, 5), (7, 6), (5, 4), (5, 5), (5, 6)]
    found[5] = 0.46
    chosen = tune(lake(tmp_path / "other"), ROWS, SETTINGS, Bounds(2)).chosen
    assert chosen.confirmed_gain == pytest.approx(-0.02 / 3)
    assert chosen.settings == {}


def test_training_takes_what_was_found_for_the_same_features_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = lake(tmp_path)

    def found(_trial: dict[str, float], *_a: object, **_o: object) -> Trial:
        depth = _trial["max_depth"]
        return Trial(_trial, 0.5 if depth == 5 else 0.6, 44)

    monkeypatch.setattr(tuning, "try_settings", found)
    monkeypatch.setattr(tuning, "next_settings", lambda e, _: {"max_depth": 5 + 2 * len(e)})
    assert tune(versions, ROWS, SETTINGS, Bounds(2)).chosen.is_tuned
    assert booster_params(versions, "sim", "catalogue-1", SETTINGS) == BoosterParams(
        max_depth=7, seed=3
    )
    for feed, catalogue in (("sim", "catalogue-2"), ("card", "catalogue-1")):
        assert booster_params(versions, feed, catalogue, SETTINGS) == BoosterParams(seed=3)
    assert list(chosen_settings(versions, "sim", "catalogue-1").trained_on("sim")) == [
        "tuning/feed=sim"
    ]
    assert chosen_settings(versions, "sim", "catalogue-2").trained_on("sim") == {}
    # A new study on other rows that is cut off changes nothing; one that ends does.
    others = FeedRows("sim", SPLIT, ROWS.rows.with_columns(noise=-pl.col("noise")), "catalogue-1")

    def killed(*_a: object, **_o: object) -> Trial:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tuning, "try_settings", killed)
        with pytest.raises(KeyboardInterrupt):
            tune(versions, others, SETTINGS, Bounds(2))
    assert chosen_settings(versions, "sim", "catalogue-1").settings == {"max_depth": 7}
    only_default = tune(versions, others, SETTINGS, Bounds(9, minutes=1e-9))
    assert len(only_default.study.trials) == 1
    assert chosen_settings(versions, "sim", "catalogue-1").settings == {}
    # A damaged record is none, and the next search puts a good one above it.
    newest = versions.latest(study_slot("sim"))
    assert newest is not None
    (tmp_path / newest.key_of("study.json")).write_bytes(b"{}")
    assert chosen_settings(versions, "sim", "catalogue-1") == ChosenSettings()
    assert tune(versions, ROWS, SETTINGS, Bounds(2)).made == 2
    assert chosen_settings(versions, "sim", "catalogue-1").settings == {"max_depth": 7}


def test_the_card_and_a_training_job_know_what_was_found() -> None:
    chosen = ChosenSettings(
        settings=OTHER,
        trials=12,
        default_average_precision=0.61,
        best_average_precision=0.64,
        confirmed_gain=0.02,
    )
    given = Hyperparameters.of("sim", SPLIT, SETTINGS, on_gpu=False).model_copy(
        update={"chosen": chosen.model_dump_json()}
    )
    assert Hyperparameters.read(given.texts()).chosen_settings == chosen
    told = fit(ROWS, SETTINGS, "cpu", chosen=chosen).card.parameters
    assert {name: told[name] for name in OTHER} == OTHER
    assert told["seed"] == 3
    assert {name: value for name, value in told.items() if name.startswith("tun")} == {
        "tuned": True,
        "tuning_trials": 12,
        "tuning_default_average_precision": 0.61,
        "tuning_best_average_precision": 0.64,
        "tuning_confirmed_gain": 0.02,
    }
    assert fit(ROWS, SETTINGS, "cpu").card.parameters["tuned"] is False


def test_two_searches_of_one_feed_do_not_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = lake(tmp_path)

    def meanwhile(*given: object, **more: object) -> Trial:
        monkeypatch.setattr(tuning, "try_settings", try_settings)
        tune(versions, ROWS, SETTINGS, Bounds(1))
        return try_settings(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning, "try_settings", meanwhile)
    with pytest.raises(OvertakenError, match="run again"):
        tune(versions, ROWS, SETTINGS, Bounds(2))


def test_one_class_in_a_window_is_refused(tmp_path: Path) -> None:
    for window, name in (("train", "training"), ("validation", "validation")):
        honest = ROWS.rows.with_columns(is_fraud=pl.col("is_fraud") & (pl.col("window") != window))
        with pytest.raises(TuningImpossibleError, match=f"the {name} window of sim has only one"):
            tune(lake(tmp_path), FeedRows("sim", SPLIT, honest), SETTINGS, Bounds(1))


def test_the_document_has_the_ranges() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "models.md").read_text()
    default = BoosterParams().to_dict()
    for one in RANGES:
        drawn = ", in its logarithm" if one.is_log else ""
        row = f"`{one.name}` | {default[one.name]:g} | {one.low:g} to {one.high:g}{drawn}"
        assert f"| {row} | {one.reason} |" in page
