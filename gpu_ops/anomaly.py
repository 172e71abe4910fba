"""Isolation forest: how odd a transaction is, without any label."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from gpu_ops.engine import Device
from gpu_ops.forest_files import (
    ARRAYS,
    ForestParts,
    pack_forest,
    pack_model,
    unpack_forest,
    unpack_model,
)
from gpu_ops.matrices import Float32Array, check_columns, feature_matrix, map_chunks
from gpu_ops.model_files import ModelFileError
from gpu_ops.openmp import wait_passively

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

    from gpu_ops.isolation_paths import CompleteTrees


class ForestScorer(Protocol):
    """Where a forest is walked; `PathScorer` on the CPU, `gpu_ops.gpu_forest` on a GPU."""

    def anomaly_scores(self, rows: Float32Array) -> Float32Array:
        """Anomaly score of each row, float32 in 0..1; the rows are finite and C-contiguous."""


@dataclass(frozen=True)
class PathScorer:
    """Walks the stored trees on the CPU.

    Attributes:
        trees: The trees.
        scale: What a row's sum of path lengths is divided by; 0 where a tree saw one row.
    """

    trees: "CompleteTrees"
    scale: float

    def anomaly_scores(self, rows: Float32Array) -> Float32Array:
        """Anomaly score of each row, float32 in 0..1."""
        from gpu_ops.isolation_paths import path_length_sums

        # One sample a tree isolates nothing: scale 0, and every row is as odd as another.
        relative = (
            path_length_sums(self.trees, rows) / self.scale if self.scale else np.ones(len(rows))
        )
        return np.exp2(-relative).astype(np.float32)


@dataclass(frozen=True)
class Forest:
    """A fitted isolation forest with all that scoring needs.

    Attributes:
        columns: Names of the features that it was fitted on, in order.
        medians: What replaces a null of each column; learned at fit.
        trees: The trees as scoring walks them.
        scale: What a row's sum of path lengths is divided by; 0 where a tree saw one row.
        packed: The scikit-learn forest as it is stored.
    """

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    trees: "CompleteTrees"
    scale: float
    packed: bytes = field(repr=False)

    @classmethod
    def of(
        cls, model: "IsolationForest", columns: Sequence[str], medians: Sequence[float]
    ) -> "Forest":
        """A forest that scikit-learn fitted.

        Raises:
            ModelFileError: Its nodes do not form trees.
        """
        from gpu_ops.isolation_paths import average_path_length, complete_trees

        try:
            trees = complete_trees([tree.tree_ for tree in model.estimators_], len(columns))
        except ValueError as error:
            raise ModelFileError(f"the forest cannot be used: {error}") from error
        # max_samples_ is what a tree really drew: fewer than asked where rows were few.
        samples = np.array([model.max_samples_], np.int64)
        scale = len(model.estimators_) * float(average_path_length(samples)[0])
        return cls(tuple(columns), tuple(medians), trees, scale, pack_model(model))

    @cached_property
    def model(self) -> "IsolationForest":
        """The scikit-learn forest, which GPU libraries can read too.

        Raises:
            ModelFileError: What is stored of it is no such forest.
        """
        return unpack_model(self.packed, len(self.columns))

    @cached_property
    def _on_cpu(self) -> tuple[list[int], ForestScorer]:
        """Numbers of the columns that some tree tests, and a scorer of these alone.

        Often half of the columns are never tested; rows without them fit the caches.
        """
        tested, places = np.unique(self.trees.features, return_inverse=True)
        features = places.reshape(self.trees.features.shape).astype(np.uint32)
        return tested.tolist(), PathScorer(replace(self.trees, features=features), self.scale)

    @cached_property
    def on_gpu(self) -> ForestScorer:
        """The forest in a GPU's memory; loaded once."""
        from gpu_ops.gpu_forest import NvForestScorer

        # Without a scale all scores are equal, which nvForest would divide by.
        return NvForestScorer.of(self.model) if self.scale else PathScorer(self.trees, self.scale)

    def score(
        self, features: pl.DataFrame, *, threads: int | None = None, device: Device = "cpu"
    ) -> Float32Array:
        """Anomaly score 2 ** (-E[h(x)] / c(samples)) of each row, float32 in 0..1.

        Higher is odder; about 0.5 is ordinary. It is scikit-learn's `-score_samples` (equation
        2 of Liu, Ting and Zhou, Isolation forest, ICDM 2008), computed in chunks.

        Args:
            features: Has the forest's columns, in any order; others are ignored.
            threads: Threads that share the chunks, default one a CPU; no effect on the scores.
                On a GPU one thread feeds it.
            device: Where to score; the scores differ by 1e-6 at most.

        Raises:
            FeatureMismatchError: A column is missing.
            ValueError: A feature that some tree tests is infinite.
        """
        check_columns(features.columns, self.columns, allow_extra=True)
        is_on_gpu = device == "cuda"
        every = list(range(len(self.columns)))
        tested, scorer = (every, self.on_gpu) if is_on_gpu else self._on_cpu
        columns = [self.columns[number] for number in tested]
        medians = [self.medians[number] for number in tested]

        def score_chunk(chunk: pl.DataFrame) -> Float32Array:
            return scorer.anomaly_scores(filled_matrix(chunk, columns, medians))

        feeding = 1 if is_on_gpu else threads or os.cpu_count() or 1
        scored = map_chunks(features, score_chunk, threads=feeding)
        return np.concatenate([np.empty(0, np.float32), *scored])

    def to_bytes(self) -> bytes:
        """The forest as a file without pickle; equal forests give equal bytes."""
        arrays = {name: getattr(self.trees, name) for name in ARRAYS}
        return pack_forest(ForestParts(self.columns, self.medians, self.scale, arrays, self.packed))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Forest":
        """The forest that `to_bytes` stored; its scores are equal.

        Raises:
            ModelFileError: The file is truncated, altered or no forest.
        """
        return _read_forest(data)


# A process that scores many uploads reads the same file each time, and reading takes seconds.
@lru_cache(maxsize=2)
def _read_forest(data: bytes) -> Forest:
    from gpu_ops.isolation_paths import checked_trees

    parts = unpack_forest(data)
    try:
        trees = checked_trees(parts.arrays, len(parts.columns))
    except ValueError as error:
        raise ModelFileError(f"the forest cannot be used: {error}") from error
    return Forest(parts.columns, parts.medians, trees, parts.scale, parts.packed)


def fit_forest(
    features: pl.DataFrame,
    columns: Sequence[str],
    *,
    seed: int,
    n_trees: int = 100,
    max_samples: int = 256,
) -> Forest:
    """Fits an isolation forest on ordinary traffic; the few odd rows in it do no harm.

    Args:
        features: At least one row; nulls are replaced by their column's median, or by 0 where
            a column has nothing but nulls. Constant columns do no harm.
        columns: The features to use.
        seed: Makes it repeatable.
        n_trees: Number of trees.
        max_samples: Rows drawn for a tree, at most 4,096.

    Raises:
        FeatureMismatchError: A column is missing.
        ValueError: No rows, no columns, an infinite feature, or too many samples a tree.
    """
    wait_passively()
    from sklearn.ensemble import IsolationForest

    check_forest_input(features, columns, max_samples)
    medians = column_medians(features, columns)
    rows = filled_matrix(features, columns, medians)
    model = IsolationForest(
        n_estimators=n_trees, max_samples=min(max_samples, len(rows)), random_state=seed
    )
    return Forest.of(model.fit(rows), columns, medians)


def check_forest_input(features: pl.DataFrame, columns: Sequence[str], max_samples: int) -> None:
    """Raises ValueError where there is nothing to fit a forest on, or trees would be too deep."""
    if features.is_empty() or not columns:
        raise ValueError("an isolation forest needs at least one row and one column")
    if not 1 <= max_samples <= (limit := 4096):
        raise ValueError(f"max_samples is {max_samples}; it must lie between 1 and {limit}")


def column_medians(features: pl.DataFrame, columns: Sequence[str]) -> tuple[float, ...]:
    """The float32 median of each column without its nulls and NaN; 0 where nothing is left."""
    matrix = feature_matrix(features, columns)
    return tuple(
        float(np.median(known)) if (known := column[~np.isnan(column)]).size else 0.0
        for column in matrix.T
    )


def filled_matrix(
    features: pl.DataFrame, columns: Sequence[str], medians: Sequence[float]
) -> Float32Array:
    """The feature matrix, float32, with each null or NaN replaced by its column's median."""
    matrix = feature_matrix(features, columns)
    absent = np.isnan(matrix)
    if absent.any():
        matrix = np.where(absent, np.asarray(medians, np.float32), matrix)
    return matrix
