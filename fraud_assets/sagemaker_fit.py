"""What a training job of SageMaker computes: the model that `modelling.fit` would make.

The steps are those of `modelling.fit`, with a checkpoint after each of the two long ones; a test
holds that both give the same bytes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fraud_assets.modelling import SPLIT, FeedRows, fit
from fraud_assets.training import IDENTITY, ROLES
from fraud_assets.tuned_settings import ChosenSettings
from gpu_ops.model_files import ModelFileError, seal, unseal
from gpu_ops.splits import TimeSplit
from resources.gate_settings import GateSettings
from resources.registry import ModelParts
from resources.settings import Settings
from resources.threshold_settings import ThresholdSettings

_WINDOWS: Final = ("train", "validation", "test")
_OF_THE_TOOLKIT: Final = "sagemaker_"


class Hyperparameters(BaseModel):
    """Everything that a training job is told, as SageMaker passes it: texts by name.

    Attributes:
        feed: Whose model.
        split: The windows, a JSON text.
        device: Where the trees are grown.
        seed: As `Settings.seed`.
        threads: As `Settings.threads`; 0: one for each core of the machine.
        forest_rows: As `Settings.forest_rows`.
        forest_trainer: As `Settings.forest_trainer`.
        daily_capacity: As `Settings.daily_capacity`.
        review_cost: As `Settings.review_cost`.
        thresholds: The settings of the two levels, a JSON text; the card holds what they give.
        gate: The settings of the gate, a JSON text; they are part of the card.
        catalogue: Digest of the catalogue of the features; part of the card.
        chosen: What the search over settings chose, a JSON text; `{}`: the default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str
    split: str
    device: Literal["cpu", "gpu"] = "cpu"
    seed: int = 0
    threads: int = Field(default=0, ge=0)
    forest_rows: int
    forest_trainer: Literal["scikit-learn", "cuml"] = "scikit-learn"
    daily_capacity: int
    review_cost: float
    thresholds: str = "{}"
    gate: str = "{}"
    catalogue: str = ""
    chosen: str = "{}"

    @classmethod
    def of(cls, feed: str, split: TimeSplit, settings: Settings, *, on_gpu: bool) -> Self:
        """The hyperparameters that make a job train as this process would."""
        return cls(
            feed=feed,
            split=SPLIT.dump_json(split).decode(),
            device="gpu" if on_gpu else "cpu",
            seed=settings.seed,
            threads=settings.threads or 0,
            forest_rows=settings.forest_rows,
            forest_trainer=settings.forest_trainer,
            daily_capacity=settings.daily_capacity,
            review_cost=settings.review_cost,
            thresholds=settings.model_dump_json(include=set(ThresholdSettings.model_fields)),
            gate=settings.model_dump_json(include=set(GateSettings.model_fields)),
        )

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """The hyperparameters that a job was given; those of SageMaker's toolkit are left out.

        Raises:
            pydantic.ValidationError: One is absent, wrong or unknown.
        """
        return cls.model_validate(
            {name: text for name, text in given.items() if not name.startswith(_OF_THE_TOOLKIT)}
        )

    def texts(self) -> dict[str, str]:
        """The hyperparameters as texts."""
        return {name: str(value) for name, value in self.model_dump().items()}

    @property
    def chosen_settings(self) -> ChosenSettings:
        """What the booster is trained with."""
        return ChosenSettings.model_validate_json(self.chosen)

    def settings(self) -> Settings:
        """The settings that fitting looks at."""
        return Settings(
            seed=self.seed,
            threads=self.threads or None,
            forest_rows=self.forest_rows,
            forest_trainer=self.forest_trainer,
            daily_capacity=self.daily_capacity,
            review_cost=self.review_cost,
            **GateSettings.model_validate_json(self.gate).model_dump(),
            **ThresholdSettings.model_validate_json(self.thresholds).model_dump(),
        )


@dataclass(frozen=True)
class Checkpoints:
    """Results of finished steps, kept where SageMaker copies them to S3 and back.

    A step is the unit, not a round of boosting: its result is what an uninterrupted job would
    have made, to the byte, and a step takes minutes.

    Attributes:
        folder: `/opt/ml/checkpoints`; None: nothing is kept.
        identity: Names the inputs; steps of other inputs are not used.
    """

    folder: Path | None
    identity: str

    def kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The result of a step: as kept, or made now and kept."""
        if self.folder is None:
            return make()
        path = self.folder / f"{self.identity}-{name}"
        try:
            return unseal(path.read_bytes(), "checkpoint")
        except (FileNotFoundError, ModelFileError):
            # Absent, or cut off while it was written or copied: the step is done again.
            result = make()
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(seal(result))
        partial.replace(path)
        return result


def read_channels(folders: Mapping[str, Path]) -> pl.DataFrame:
    """The labelled rows in the Parquet files of all channels.

    Args:
        folders: Channel to folder, `train` at least. A row's window is in its own column, so one
            channel may hold all of them.

    Raises:
        ValueError: There are no files, a column is absent, or a row is there twice.
    """
    files = [path for folder in folders.values() for path in sorted(folder.rglob("*.parquet"))]
    if not files:
        raise ValueError(f"no Parquet files in the channels {', '.join(folders) or '(none)'}")
    rows = pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in files])
    absent = [name for name in (*IDENTITY, *ROLES) if name not in rows.columns]
    if absent:
        raise ValueError(f"the training rows lack the columns {', '.join(absent)}")
    if rows["transaction_id"].is_duplicated().any():
        raise ValueError("a transaction is in the channels twice; give each file to one channel")
    found = set(rows["window"].unique().to_list())
    if not found.issuperset(_WINDOWS):
        raise ValueError(f"no rows of the window {', '.join(sorted(set(_WINDOWS) - found))}")
    return rows


def fit_in_steps(rows: FeedRows, given: Hyperparameters, checkpoints: Checkpoints) -> ModelParts:
    """Fits what `modelling.fit` fits, keeping booster and forest as soon as they are there."""
    return fit(rows, given.settings(), given.device, checkpoints.kept, given.chosen_settings)
