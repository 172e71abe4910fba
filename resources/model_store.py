"""A model version in the lake: what it is made of, how it is written, and how it scores."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from gpu_ops.metrics import Figure
from gpu_ops.model_files import ModelFileError
from gpu_ops.model_scores import Scores, catalogue_columns, model_scores
from gpu_ops.paired_bootstrap import Interval
from gpu_ops.splits import TimeSplit
from gpu_ops.thresholds import Thresholds
from resources.versions import Attempt, Manifest, Versions

if TYPE_CHECKING:
    import polars as pl

    from gpu_ops.anomaly import Forest
    from gpu_ops.boosting import Booster
    from gpu_ops.calibration import Calibration
    from gpu_ops.engine import Device
    from gpu_ops.matrices import Float64Array

BOOSTER_FILE: Final = "booster.ubj"
FOREST_FILE: Final = "forest.zip"
CALIBRATION_FILE: Final = "calibration.json"
EVALUATION_FILE: Final = "evaluation.json"
CARD_FILE: Final = "card.json"

_Part = TypeVar("_Part")
_JSON: Final = TypeAdapter(dict[str, JsonValue])


class RowCount(BaseModel):
    """Rows and frauds of one window.

    Attributes:
        rows: Labelled transactions that were used.
        frauds: Frauds among them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    frauds: int


class Card(BaseModel):
    """What a reader must know of a model before trusting it (Mitchell et al., Model cards, 2019).

    Nothing in it depends on when or where it was trained: training again on the same rows gives
    the same card, and so no new version.

    Attributes:
        feed: Whose transactions it scores.
        intended_use: For what it is made, and for what not.
        split: Windows of event time for training, validation and test, and the label delay.
        windows: Rows and frauds in each: `train`, `validation`, `test`.
        features: Names, in the order of the model.
        parameters: What it was trained with.
        metrics: Figures on the test window with ceiling and random order.
        limits: Where it is known to be weak.
        code_version: Version of this project that trained it.
        content_hashes: File name to SHA-256 of the model's other files; filled when written.
        catalogue: Digest of the feature catalogue; empty in cards of older versions.
        data: What it was trained and measured on, in words.
        spread: Metric to the 95 % interval over resamples of payers, where it is defined.
        leakage: What keeps knowledge of the future out of the figures.
        bounds: What the gate asked of it, the figures of `GateBounds`.
        thresholds: From which probability on to alert and to block, chosen on the validation
            window; None in cards of older versions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str
    intended_use: str
    split: TimeSplit
    windows: dict[str, RowCount]
    features: tuple[str, ...]
    parameters: dict[str, JsonValue]
    metrics: dict[str, Figure]
    limits: tuple[str, ...]
    code_version: str
    content_hashes: dict[str, str] = {}
    catalogue: str = ""
    data: str = ""
    spread: dict[str, Interval | None] = {}
    leakage: str = ""
    bounds: dict[str, JsonValue] = {}
    thresholds: Thresholds | None = None


@dataclass(frozen=True)
class ModelParts:
    """All parts of a new model version.

    Attributes:
        booster: The trained booster.
        forest: The isolation forest of the same training window.
        calibration: From margin to probability.
        card: Its card, without hashes.
        evaluation: `Evaluation.to_dict()` of the test window, with what else belongs to it.
    """

    booster: "Booster"
    forest: "Forest"
    calibration: "Calibration"
    card: Card
    evaluation: dict[str, JsonValue] = field(default_factory=dict)


def write_model(attempt: Attempt, parts: ModelParts) -> Card:
    """Stages the files of a model version; publish the attempt to make it visible.

    Returns:
        The card as written, with the hashes of the other files.
    """
    files = {
        BOOSTER_FILE: parts.booster.to_bytes(),
        FOREST_FILE: parts.forest.to_bytes(),
        CALIBRATION_FILE: parts.calibration.to_json(),
        EVALUATION_FILE: _JSON.dump_json(parts.evaluation, indent=1),
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    card = parts.card.model_copy(update={"content_hashes": hashes})
    files[CARD_FILE] = card.model_dump_json(indent=1).encode()
    for name, data in files.items():
        attempt.write_bytes(name, data)
    return card


@dataclass(frozen=True, eq=False)
class ModelVersion:
    """A published model, read from the lake part by part as it is used.

    Reading a part raises ModelFileError, naming the object, if its content is not what was
    published, and MissingPartError if it is absent.

    Attributes:
        versions: Where it is.
        manifest: Which one.
        feed: Whose transactions it scores.
    """

    versions: Versions
    manifest: Manifest
    feed: str

    @property
    def version(self) -> int:
        """Its number, 1 for the first model of the feed."""
        return self.manifest.number

    @property
    def name(self) -> str:
        """Feed and number, such as `card/3`."""
        return f"{self.feed}/{self.version}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the catalogue's features that it needs."""
        return catalogue_columns(self.booster.columns)

    @property
    def split(self) -> TimeSplit:
        """The windows it was trained, validated and tested on."""
        return self.card.split

    @cached_property
    def card(self) -> Card:
        """Its card."""
        try:
            return Card.model_validate_json(read_checked(self.versions, self.manifest, CARD_FILE))
        except ValidationError as error:
            raise self._unreadable(CARD_FILE, error) from error

    @cached_property
    def evaluation(self) -> dict[str, JsonValue]:
        """Its evaluation on the test window, as JSON."""
        data = read_checked(self.versions, self.manifest, EVALUATION_FILE)
        try:
            return _JSON.validate_json(data)
        except ValidationError as error:
            raise self._unreadable(EVALUATION_FILE, error) from error

    @cached_property
    def booster(self) -> "Booster":
        """The booster."""
        from gpu_ops.boosting import Booster

        return self._loaded(BOOSTER_FILE, Booster.from_bytes)

    @cached_property
    def forest(self) -> "Forest":
        """The isolation forest."""
        from gpu_ops.anomaly import Forest

        return self._loaded(FOREST_FILE, Forest.from_bytes)

    @cached_property
    def calibration(self) -> "Calibration":
        """The calibration."""
        from gpu_ops.calibration import Calibration

        return self._loaded(CALIBRATION_FILE, Calibration.from_json)

    def score(
        self, features: "pl.DataFrame", *, threads: int | None = None, device: "Device" = "cpu"
    ) -> Scores:
        """Anomaly score, margin and probability of each row.

        Args:
            features: The columns of the model in any order, with or without identifiers.
            threads: For the forest, default one a CPU.
            device: Where both are computed.

        Raises:
            FeatureMismatchError: The features are not those of the model.
        """
        return model_scores(
            self.booster, self.forest, self.calibration, features, threads=threads, device=device
        )

    def probability(self, features: "pl.DataFrame", *, device: "Device" = "cpu") -> "Float64Array":
        """The probability of `score` alone."""
        return self.score(features, device=device).probability

    def _loaded(self, name: str, load: Callable[[bytes], _Part]) -> _Part:
        data = read_checked(self.versions, self.manifest, name)
        try:
            return load(data)
        except ModelFileError as error:
            raise self._unreadable(name, error) from error

    def _unreadable(self, name: str, error: Exception) -> ModelFileError:
        first_line = (str(error).splitlines() or [""])[0]
        return ModelFileError(f"{self.manifest.key_of(name)} of model {self.name}: {first_line}")


def read_checked(versions: Versions, manifest: Manifest, name: str) -> bytes:
    """The bytes of a file of a version, their hash compared with the manifest's.

    Raises:
        ModelFileError: The content is not what was published, or there is no such file.
        MissingPartError: The file is absent or has another size.
    """
    try:
        entry = manifest.file(name)
    except KeyError as error:
        raise ModelFileError(
            f"version {manifest.number} of {manifest.slot} has no file {name}"
        ) from error
    data = versions.read_bytes(manifest, name)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ModelFileError(
            f"{manifest.key_of(name)} has another content than published; train again"
        )
    return data
