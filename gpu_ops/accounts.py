"""Accounts as integers: name order kept, no hashing, so that results never depend on row order."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_CHUNK = 8
"""Bytes in one 64-bit key."""


@dataclass(frozen=True)
class CodedAccounts:
    """Accounts numbered 0..n-1 in the order of their names.

    Attributes:
        names: String, (n,), sorted by bytes, unique.
        payer: Int32, (rows,): number of each row's payer.
        payee: Int32, (rows,): number of each row's payee.
    """

    names: pl.Series
    payer: NDArray[np.int32]
    payee: NDArray[np.int32]


def coded_accounts(payer: pl.Series, payee: pl.Series) -> CodedAccounts:
    """Number the accounts of two String columns in the order of their names.

    Sorting, deduplicating and joining millions of strings costs seconds; the same work on
    fixed-width integer keys that order as the strings do costs a fraction of it and is exact.

    Raises:
        ValueError: if a name is null or holds a NUL byte, which the keys cannot tell from padding.
    """
    both = pl.concat([payer.alias("name"), payee.alias("name")], rechunk=True)
    if both.null_count() > 0:
        raise ValueError("an account without a name cannot be part of a graph")
    keys = _name_keys(both)
    ordered = keys.with_row_index("row").sort(keys.columns)
    is_new = ordered.select(
        pl.any_horizontal(pl.col(key) != pl.col(key).shift(1) for key in keys.columns).fill_null(
            value=True
        )
    ).to_series()
    rows = ordered.get_column("row")
    codes = np.empty(both.len(), dtype=np.int32)
    codes[rows.to_numpy()] = is_new.cast(pl.Int32).cum_sum().to_numpy() - 1
    return CodedAccounts(
        names=both.gather(rows.filter(is_new)).alias("account"),
        payer=codes[: payer.len()],
        payee=codes[payer.len() :],
    )


def _name_keys(names: pl.Series) -> pl.DataFrame:
    """Return UInt64 columns that sort as the names do: big-endian bytes after the common prefix."""
    if names.is_empty():
        return pl.DataFrame(schema={"key_0": pl.UInt64})
    if names.str.contains("\0", literal=True).any():
        raise ValueError("an account's name must not hold a NUL byte")
    low, high = str(names.min()), str(names.max())
    # Every name lies between the two, so what these share all share.
    prefix = _common_prefix(low.encode(), high.encode())
    longest = int(names.str.len_bytes().max())  # type: ignore[arg-type] # not empty: an integer
    n_keys = max(1, -(-(longest - prefix) // _CHUNK))
    # Padding counts characters, of which there are never more than bytes: always long enough.
    padded = names.str.pad_end(prefix + n_keys * _CHUNK, "\0").cast(pl.Binary)
    return pl.DataFrame(
        {
            f"key_{k}": padded.bin.slice(prefix + k * _CHUNK, _CHUNK).bin.reinterpret(
                dtype=pl.UInt64, endianness="big"
            )
            for k in range(n_keys)
        }
    )


def _common_prefix(low: bytes, high: bytes) -> int:
    """Return how many leading bytes the two share."""
    for position, (a, b) in enumerate(zip(low, high, strict=False)):
        if a != b:
            return position
    return min(len(low), len(high))
