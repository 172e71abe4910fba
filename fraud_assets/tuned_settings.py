"""What the search over settings found, as it is stored, and what training takes of it."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from gpu_ops.booster_params import BoosterParams
from gpu_ops.model_files import ModelFileError
from resources.errors import CorruptManifestError, MissingPartError
from resources.model_store import read_checked
from resources.versions import Manifest, Slot, Versions

if TYPE_CHECKING:
    from resources.settings import Settings

LEAST_GAIN: Final = 0.005
LEAST_RELATIVE_GAIN: Final = 0.01
"""Found settings are used only if their average precision is above the default's by more than both.

The best of many trials is always a little above: that is chance, since the same window judges all.
"""

CONFIRMATIONS: Final = 3
"""Other seeds of the booster under which the best must beat the default too, in the mean.

Which rows and features a tree draws is chance as well: with 56 frauds in the window, one seed more
moved a figure by .02, and the best of a search is the one that was lucky in it.
"""

_STUDY_FILE: Final = "study.json"


class StoredTrial(BaseModel):
    """One trial of a search.

    Attributes:
        settings: The searched fields of `BoosterParams`.
        average_precision: On the validation window.
        trees: Kept by early stopping.
        seconds: That it took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, int | float]
    average_precision: float = Field(ge=0, le=1)
    trees: int
    seconds: float


class ChosenSettings(BaseModel):
    """What a model is trained with: the default, or what a finished search found better.

    Attributes:
        settings: Fields of `BoosterParams` in place of the default's; empty: the default.
        trials: How many were made; 0: nobody searched.
        default_average_precision: Of trial 0, the default, on the validation window of the search.
        best_average_precision: Of the best trial, there.
        confirmed_gain: Mean of the best's average precision less the default's under other seeds;
            None where the best did not come so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, int | float] = {}
    trials: int = 0
    default_average_precision: float | None = None
    best_average_precision: float | None = None
    confirmed_gain: float | None = None

    @property
    def is_tuned(self) -> bool:
        """Whether training differs from the default."""
        return bool(self.settings)

    def params(self, seed: int) -> BoosterParams:
        """The settings to train with."""
        from gpu_ops.tuning import with_settings

        return with_settings(self.settings, seed)

    def in_card(self) -> dict[str, JsonValue]:
        """What the card tells of the search beside the settings themselves."""
        if not self.trials:
            return {"tuned": False}
        return {
            "tuned": self.is_tuned,
            "tuning_trials": self.trials,
            "tuning_default_average_precision": self.default_average_precision,
            "tuning_best_average_precision": self.best_average_precision,
            "tuning_confirmed_gain": self.confirmed_gain,
        }

    def trained_on(self, feed: str) -> dict[str, JsonValue]:
        """Names the settings among what a model was trained on; the default needs no name."""
        if not self.is_tuned:
            return {}
        told = json.dumps(self.settings, sort_keys=True)
        return {f"tuning/feed={feed}": hashlib.sha256(told.encode()).hexdigest()[:16]}


class Study(BaseModel):
    """The trials on one training set, and what training takes.

    Attributes:
        data: Digest of all that the trials depend on, as `search_digest`.
        trials: In order; the first is the default.
        chosen: By the last search that was not interrupted, of this or of earlier data.
        chosen_on: Digest of the data that `chosen` was found on.
        chosen_for: Digest of the catalogue that `chosen` was found for.
        default: The project's default when it was found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    trials: tuple[StoredTrial, ...] = ()
    chosen: ChosenSettings = ChosenSettings()
    chosen_on: str = ""
    chosen_for: str = ""
    default: dict[str, int | float] = {}


def study_slot(feed: str) -> Slot:
    """Where the versions of a feed's study lie, one a trial."""
    return Slot.snapshot(f"tuning/feed={feed}")


def read_study(versions: Versions, feed: str) -> tuple[Study | None, int]:
    """The stored study, None without a readable one, and the highest number of its versions.

    A damaged one counts as none: the default settings are always right to train with, and the next
    search puts a good one above it.
    """
    numbers = versions.all_numbers(study_slot(feed))
    if not numbers:
        return None, 0
    try:
        manifest = versions.get(study_slot(feed), numbers[-1])
        study = Study.model_validate_json(read_checked(versions, manifest, _STUDY_FILE))
    except (CorruptManifestError, MissingPartError, ModelFileError, ValidationError):
        return None, numbers[-1]
    return study, numbers[-1]


def publish_study(
    versions: Versions, feed: str, study: Study, run_id: str, follows: int
) -> Manifest:
    """Makes a study the visible one.

    Raises:
        OvertakenError: Somebody else searches the same feed.
    """
    attempt = versions.begin(study_slot(feed), run_id)
    attempt.write_bytes(_STUDY_FILE, study.model_dump_json(indent=1).encode())
    return versions.publish(attempt, inputs={"data": study.data}, follows=follows)


def chosen_settings(versions: Versions, feed: str, catalogue: str) -> ChosenSettings:
    """What to train a feed with.

    Args:
        versions: The lake.
        feed: Whose model.
        catalogue: Digest of the catalogue of its features. Settings found for other features, or
            beside another default of the project, are not used.
    """
    study, _ = read_study(versions, feed)
    fits = (
        study is not None
        and study.chosen_for == catalogue
        and study.default == BoosterParams().to_dict()
    )
    return study.chosen if study is not None and fits else ChosenSettings()


def booster_params(
    versions: Versions, feed: str, catalogue: str, settings: "Settings"
) -> BoosterParams:
    """The settings to train a feed's booster with; see `chosen_settings`."""
    return chosen_settings(versions, feed, catalogue).params(settings.seed)


def choose(
    trials: Sequence[StoredTrial], gain_under_other_seeds: Callable[[StoredTrial], float]
) -> ChosenSettings:
    """The best trial where it beats the default by more than chance would; else the default.

    Args:
        trials: The default first.
        gain_under_other_seeds: Asked of the best trial, if it beats the default at all: its mean
            gain in average precision over the default.
    """
    default = trials[0].average_precision
    best = max(trials, key=lambda one: one.average_precision)
    least = max(LEAST_GAIN, LEAST_RELATIVE_GAIN * default)
    confirmed = None
    if best.average_precision - default > least:
        confirmed = gain_under_other_seeds(best)
    return ChosenSettings(
        settings=best.settings if confirmed is not None and confirmed > least else {},
        trials=len(trials),
        default_average_precision=default,
        best_average_precision=best.average_precision,
        confirmed_gain=confirmed,
    )
