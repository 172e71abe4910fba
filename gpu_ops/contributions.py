"""What moved the model's score, feature by feature and in groups, in margin units (log-odds)."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.matrices import Float64Array

BIAS: Final = "BIAS"
"""Beside the groups: what a row without any feature would have."""

CONTRIBUTION: Final = pl.Struct({"code": pl.String(), "weight": pl.Float32()})
"""One group of features and what it adds to the margin."""

_MATRIX: Final = 2


class Groups(NamedTuple):
    """Contributions added up by code.

    Attributes:
        codes: The codes, sorted.
        sums: float64 (rows, codes).
    """

    codes: tuple[str, ...]
    sums: Float64Array


def grouped(
    contributions: NDArray[np.floating], columns: Sequence[str], code_of: Callable[[str], str]
) -> Groups:
    """Adds up the contributions of the columns that share a code.

    Args:
        contributions: SHAP values without the bias, rows x columns.
        columns: Name of each column.
        code_of: Column to code.

    Raises:
        ValueError: The shapes do not agree.
    """
    if contributions.ndim != _MATRIX or contributions.shape[1] != len(columns):
        raise ValueError(
            f"contributions of shape {contributions.shape} do not fit {len(columns)} columns; "
            "expected rows x columns without the bias"
        )
    codes = tuple(sorted({code_of(column) for column in columns}))
    place = {code: number for number, code in enumerate(codes)}
    grouping = np.zeros((len(columns), len(codes)))
    grouping[np.arange(len(columns)), [place[code_of(column)] for column in columns]] = 1.0
    return Groups(codes, np.nan_to_num(contributions.astype(np.float64)) @ grouping)


def contribution_lists(groups: Groups, bias: NDArray[np.floating]) -> pl.Series:
    """The groups of each row, what raised its margin most first, and the bias last.

    Returns:
        Series `contributions` of lists of `CONTRIBUTION`; the weights of a row add up to its
        margin, as far as Float32 tells.
    """
    rows, codes = groups.sums.shape
    order = np.argsort(-groups.sums, axis=1, kind="stable")
    weights = np.column_stack([np.take_along_axis(groups.sums, order, axis=1), bias])
    names = np.column_stack([order, np.full(rows, codes)])
    flat = pl.DataFrame(
        {
            "code": pl.Series([*groups.codes, BIAS]).gather(pl.Series(names.ravel())),
            "weight": pl.Series(weights.ravel().astype(np.float32)),
        }
    )
    lists = (
        flat.with_columns(row=np.repeat(np.arange(rows), codes + 1))
        .group_by("row", maintain_order=True)
        .agg(contributions=pl.struct("code", "weight"))
    )
    return lists["contributions"].cast(pl.List(CONTRIBUTION))
