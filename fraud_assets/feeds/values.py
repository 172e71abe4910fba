"""Texts and numbers of a source column as canonical values; what does not fit becomes null."""

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import RefusedError

_EXACT_INTEGERS: Final = 2**53


def to_text(raw: pl.Series) -> pl.Series:
    """Ids and codes as String without blanks around them, null where nothing is left.

    Whole floats become integers (`596.0` is `596`), since tables that once had a gap in an
    integer column hold floats.

    Raises:
        RefusedError: The column holds lists, records or other things that are no text.
    """
    dtype = raw.dtype
    if dtype.is_nested() or dtype in (pl.Object, pl.Unknown):
        raise RefusedError(f"column {raw.name!r} holds {dtype}; expected text or numbers")
    if dtype.is_float():
        text = _whole_floats(raw.fill_nan(None))
    elif dtype == pl.Binary:
        text = raw.cast(pl.String, strict=False)
    else:
        text = raw.cast(pl.String)
    stripped = text.str.strip_chars()
    return stripped.set(stripped == "", None)


def _whole_floats(raw: pl.Series) -> pl.Series:
    is_whole = (raw == raw.round()) & (raw.abs() < _EXACT_INTEGERS)
    whole = raw.cast(pl.Int64, strict=False).cast(pl.String)
    return raw.cast(pl.String).zip_with(~is_whole.fill_null(value=False), whole)


def to_number(raw: pl.Series, *, decimal_comma: bool = False) -> pl.Series:
    """Float64, null where the source has no number; NaN and infinities stay what they are.

    A thousands separator makes a value no number: `1,234` is a thousand in one country and a bit
    more than one in another.

    Raises:
        RefusedError: The column holds times, lists or other things that are no numbers.
    """
    dtype = raw.dtype
    if dtype.is_numeric():
        return raw.cast(pl.Float64)
    if dtype == pl.Null:
        return raw.cast(pl.Float64)
    if not is_textual(dtype):
        raise RefusedError(f"column {raw.name!r} holds {dtype}; expected numbers or text")
    text = raw.cast(pl.String)
    if decimal_comma:
        text = text.set(text.str.contains(".", literal=True), None).str.replace(
            ",", ".", literal=True
        )
    numbers = text.cast(pl.Float64, strict=False)
    left = (numbers.is_null() & text.is_not_null()).arg_true()
    if left.len() == 0:
        return numbers
    return numbers.scatter(left, text.gather(left).str.strip_chars().cast(pl.Float64, strict=False))


def to_label(text: pl.Series, fraud: Sequence[str], genuine: Sequence[str]) -> pl.Series:
    """Boolean, null where the text is in neither list."""
    meaning: Mapping[str, bool] = dict.fromkeys(fraud, True) | dict.fromkeys(genuine, False)
    return text.replace_strict(
        list(meaning), list(meaning.values()), default=None, return_dtype=pl.Boolean
    )


def is_textual(dtype: pl.DataType) -> bool:
    """Whether values of this type are texts, however stored."""
    return dtype in (pl.String, pl.Categorical, pl.Enum, pl.Binary, pl.Null)


def is_blank(raw: pl.Series) -> pl.Series:
    """Where a source column has nothing, or nothing but blanks."""
    if raw.dtype == pl.String:
        return raw.is_null() | (raw.str.strip_chars() == "").fill_null(value=True)
    return raw.fill_nan(None).is_null() if raw.dtype.is_float() else raw.is_null()
