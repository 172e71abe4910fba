"""What a training job of SageMaker computes: the model that `modelling.fit` would make.

The steps are those of `modelling.fit`, with a checkpoint after each of the two long ones; a test
holds that both give the same bytes.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from fraud_assets.modelling import INTENDED_USE, LIMITS, SPLIT, FeedRows, features_of, judge
from fraud_assets.training import IDENTITY, ROLES
from gpu_ops.boosting import Booster, BoosterParams, train_booster
from gpu_ops.calibration import fit_calibration
from gpu_ops.model_files import ModelFileError, seal, unseal
from gpu_ops.splits import TimeSplit
from gpu_ops.training_rows import TrainingTable
from resources.registry import Card, ModelParts, RowCount
from resources.settings import Settings

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
        daily_capacity: As `Settings.daily_capacity`.
        review_cost: As `Settings.review_cost`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str
    split: str
    device: Literal["cpu", "gpu"] = "cpu"
    seed: int = 0
    threads: int = Field(default=0, ge=0)
    forest_rows: int
    daily_capacity: int
    review_cost: float

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
            daily_capacity=settings.daily_capacity,
            review_cost=settings.review_cost,
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

    def settings(self) -> Settings:
        """The settings that fitting looks at."""
        return Settings(
            seed=self.seed,
            threads=self.threads or None,
            forest_rows=self.forest_rows,
            daily_capacity=self.daily_capacity,
            review_cost=self.review_cost,
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


def fit_in_steps(
    rows: FeedRows, settings: Settings, device: Literal["cpu", "gpu"], checkpoints: Checkpoints
) -> ModelParts:
    """Fits what `modelling.fit` fits, keeping booster and forest as soon as they are there."""
    from gpu_ops.anomaly import Forest, fit_forest

    train, validation, test = (rows.window(name) for name in _WINDOWS)
    params = BoosterParams(seed=settings.seed)
    features = features_of(train)

    def grown() -> bytes:
        return train_booster(
            _table(train),
            _table(validation),
            params,
            device="cuda" if device == "gpu" else "cpu",
            threads=settings.threads or os.cpu_count() or 1,
        ).to_bytes()

    def fitted() -> bytes:
        sample = features.head(settings.forest_rows)
        return fit_forest(sample, features.columns, seed=settings.seed).to_bytes()

    booster = Booster.from_bytes(checkpoints.kept("booster", grown))
    forest = Forest.from_bytes(checkpoints.kept("forest", fitted))
    calibration = fit_calibration(
        booster.predict_margin(features_of(validation)), validation["is_fraud"].to_numpy()
    )
    probability = calibration.probability(booster.predict_margin(features_of(test)))
    judged = judge(test, probability, settings)
    card = Card(
        feed=rows.feed,
        intended_use=INTENDED_USE,
        split=rows.split,
        windows={
            name: RowCount(rows=part.height, frauds=int(part["is_fraud"].sum()))
            for name, part in zip(_WINDOWS, (train, validation, test), strict=True)
        },
        features=booster.columns,
        parameters={**asdict(params), "trees": booster.model.num_boosted_rounds()},
        metrics=judged.figures,
        limits=LIMITS,
        code_version=version("fraud-assets"),
    )
    return ModelParts(booster, forest, calibration, card, judged.to_dict())


def _table(rows: pl.DataFrame) -> TrainingTable:
    return TrainingTable.of(rows.drop(*IDENTITY, "window"))
