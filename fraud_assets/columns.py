"""The sorts of columns that contracts are made of."""

import sys
from collections.abc import Mapping

import pandera.polars as pa
import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS


def column(
    dtype: pl.DataType | type[pl.DataType], *checks: pa.Check, null: bool = False
) -> pa.Column:
    """A column of a dtype whose values pass all checks."""
    return pa.Column(dtype, list(checks), nullable=null)


def text(*, null: bool = False) -> pa.Column:
    """String; not empty where it must not be null."""
    return column(pl.String(), *(() if null else (pa.Check.str_length(min_value=1),)), null=null)


def share(dtype: pl.DataType | None = None, *, null: bool = False) -> pa.Column:
    """A number in 0..1, Float64 by default; never NaN."""
    return column(dtype or pl.Float64(), pa.Check.in_range(0.0, 1.0), null=null)


def time(*, null: bool = False) -> pa.Column:
    """A moment in UTC."""
    return column(UTC_MICROSECONDS, null=null)


def number(*, null: bool = False) -> pa.Column:
    """Float64, finite and not negative."""
    # Neither NaN nor an infinite value passes the upper bound.
    return column(pl.Float64(), pa.Check.in_range(0.0, sys.float_info.max), null=null)


def evidence() -> pa.Column:
    """Float64, finite, of either sign: nats for or against."""
    return column(pl.Float64(), pa.Check.in_range(-sys.float_info.max, sys.float_info.max))


def count(dtype: pl.DataType) -> pa.Column:
    """A number that is never negative."""
    return column(dtype, pa.Check.ge(0))


def schema(columns: Mapping[str, pa.Column]) -> pa.DataFrameSchema:
    """A table of these columns in this order, and no others."""
    return pa.DataFrameSchema(dict(columns), strict=True, ordered=True)
