"""The rows that a model is fitted on: all frauds, and a weighted sample of the rest."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from gpu_ops.matrices import IDENTIFIERS, Float32Array, feature_matrix

LABEL: Final = "is_fraud"
WEIGHT: Final = "weight"


@dataclass(frozen=True)
class TrainingTable:
    """Labelled rows as arrays.

    Attributes:
        features: float32 (rows, columns), C-contiguous; NaN is an absent value.
        labels: bool (rows,).
        weights: float32 (rows,), how many rows of the population each row stands for.
        columns: Names of the columns of `features`.
    """

    features: Float32Array
    labels: npt.NDArray[np.bool_]
    weights: Float32Array
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        rows, columns = self.features.shape
        if (len(self.labels), len(self.weights), len(self.columns)) != (rows, rows, columns):
            raise ValueError(
                f"{rows} rows of {columns} features, but {len(self.labels)} labels, "
                f"{len(self.weights)} weights and {len(self.columns)} names"
            )

    @property
    def has_both_classes(self) -> bool:
        """Whether there is at least one fraud and one legitimate row."""
        return bool(self.labels.any()) and not bool(self.labels.all())

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "TrainingTable":
        """The table of a frame with features, `is_fraud` and, if sampled, `weight`.

        Identifiers are left out; every other column is a feature.

        Raises:
            ValueError: A label is unknown (null), or a feature is infinite.
        """
        if frame[LABEL].null_count():
            raise ValueError("some labels are unknown; keep only rows whose label is known")
        known = {LABEL, WEIGHT, *IDENTIFIERS}
        columns = tuple(name for name in frame.columns if name not in known)
        weights = (
            frame[WEIGHT].cast(pl.Float32).to_numpy()
            if WEIGHT in frame.columns
            else np.ones(frame.height, np.float32)
        )
        labels = frame[LABEL].cast(pl.Boolean).to_numpy()
        return cls(feature_matrix(frame, columns), labels, weights, columns)


def training_sample(rows: pl.DataFrame, *, max_training_rows: int, seed: int) -> pl.DataFrame:
    """Every fraud and as many legitimate rows as fit, each with the weight it stands for.

    The legitimate rows are those with the smallest seeded hash of their id (bottom-k sampling),
    so that the choice depends on neither the order of the rows nor the version of a library.
    Their weight is 1 / rate, rate being the share of them that was kept; a fraud weighs 1. The
    weighted fraud rate is therefore the true one, and scores need no correction.

    Args:
        rows: Has `transaction_id`, unique, and `is_fraud`; rows with an unknown (null) label
            are dropped.
        max_training_rows: Most rows to return.
        seed: Chooses another sample.

    Returns:
        The kept rows in their order, with all their columns and `weight` Float32.

    Raises:
        ValueError: The frauds alone fill `max_training_rows`.
    """
    known = rows.filter(pl.col(LABEL).is_not_null())
    legitimate = np.flatnonzero(~known[LABEL].cast(pl.Boolean).to_numpy())
    frauds = known.height - legitimate.size
    room = max_training_rows - frauds
    if legitimate.size <= room:
        return known.with_columns(pl.lit(1.0, pl.Float32).alias(WEIGHT))
    if room < 1:
        raise ValueError(
            f"{frauds} frauds leave no room for legitimate rows among {max_training_rows} "
            "training rows; raise max_training_rows"
        )
    hashes = stable_hashes(known["transaction_id"].gather(legitimate), seed)
    chosen = legitimate[np.argpartition(hashes, room - 1)[:room]]
    weight = np.ones(known.height, np.float32)
    weight[chosen] = legitimate.size / room
    kept = known[LABEL].cast(pl.Boolean).to_numpy().copy()
    kept[chosen] = True
    return known.with_columns(pl.Series(WEIGHT, weight)).filter(pl.Series(kept))


def stable_hashes(ids: pl.Series, seed: int) -> npt.NDArray[np.uint64]:
    """XXH64 of each id's UTF-8 bytes: the same in every process, library version and machine."""
    hashes = (xxhash.xxh64_intdigest(one, seed) for one in ids.cast(pl.Binary).to_list())
    return np.fromiter(hashes, np.uint64, count=ids.len())
