"""Frames of features as the float32 matrices that models read."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

IDENTIFIERS: Final = ("transaction_id", "occurred_at")
"""Columns that lead a feature table and are no features."""

CHUNK_ROWS: Final = 65_536
"""Rows of one chunk: small enough that its matrix adds little to the frame's own memory."""

_Result = TypeVar("_Result")


class FeatureMismatchError(ValueError):
    """A frame has not the feature columns that a model was trained on.

    Attributes:
        missing: Columns that the model needs and the frame lacks.
        extra: Feature columns of the frame that the model has never seen.
    """

    def __init__(self, missing: Sequence[str], extra: Sequence[str]) -> None:
        self.missing = tuple(missing)
        self.extra = tuple(extra)
        parts = []
        if missing:
            parts.append(f"missing {', '.join(missing)}")
        if extra:
            parts.append(f"extra {', '.join(extra)}")
        super().__init__(
            f"the features are not those of the model: {'; '.join(parts)}. "
            "Score with the catalogue that it was trained on, or train a new one"
        )


def check_columns(found: Sequence[str], wanted: Sequence[str], *, allow_extra: bool) -> None:
    """Raises FeatureMismatchError unless `wanted` are the feature columns found, in any order."""
    present = set(found)
    missing = [name for name in wanted if name not in present]
    known = {*wanted, *IDENTIFIERS}
    extra = [] if allow_extra else [name for name in found if name not in known]
    if missing or extra:
        raise FeatureMismatchError(missing, extra)


def feature_matrix(frame: pl.DataFrame, columns: Sequence[str]) -> Float32Array:
    """The columns as a C-contiguous float32 matrix (rows, columns); null becomes NaN.

    Raises:
        FeatureMismatchError: A column is missing.
        ValueError: A value is infinite in float32; the message names the columns.
    """
    check_columns(frame.columns, columns, allow_extra=True)
    # Without expressions: they would be most of the time that a single row takes.
    values = frame[list(columns)]
    if any(dtype != pl.Float32 for dtype in values.dtypes):
        values = values.cast(pl.Float32)
    matrix = np.ascontiguousarray(values.to_numpy(order="c"), dtype=np.float32)
    infinite: npt.NDArray[np.bool_] = np.isinf(matrix)
    if infinite.any():
        names = [columns[number] for number in np.flatnonzero(infinite.any(axis=0)).tolist()]
        raise ValueError(f"infinite values in the features {', '.join(names)}")
    return matrix


def chunks(frame: pl.DataFrame, rows: int = CHUNK_ROWS) -> Iterator[pl.DataFrame]:
    """Consecutive slices of at most `rows` rows; none of an empty frame."""
    return (frame.slice(start, rows) for start in range(0, frame.height, rows))


def map_chunks(
    frame: pl.DataFrame, function: Callable[[pl.DataFrame], _Result], *, threads: int
) -> list[_Result]:
    """`function` of every chunk, in order, on `threads` threads of this process."""
    if threads <= 1 or frame.height <= CHUNK_ROWS:
        return [function(chunk) for chunk in chunks(frame)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, chunks(frame)))
