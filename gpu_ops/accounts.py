"""Accounts as integers in the order of their names, so that results never depend on row order."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

_SAMPLED = 1_000
"""Names of which the common beginning is tried on all."""


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

    Sorting, deduplicating and joining millions of strings costs seconds. Their hashes are grouped
    in a tenth of it, and names compared once each: should two have one hash, sorting decides.

    Raises:
        ValueError: if a name is null.
    """
    both = pl.concat([payer.alias("account"), payee.alias("account")], rechunk=True)
    if both.null_count() > 0:
        raise ValueError("an account without a name cannot be part of a graph")
    short = _without_common_prefix(both)
    numbers, first = _by_hash(short)
    order = short.gather(first).arg_sort().to_numpy()
    rank = np.empty(first.size, dtype=np.int32)
    rank[order] = np.arange(first.size, dtype=np.int32)
    codes = rank[numbers]
    return CodedAccounts(
        names=both.gather(first[order]), payer=codes[: payer.len()], payee=codes[payer.len() :]
    )


def _without_common_prefix(names: pl.Series) -> pl.Series:
    """Return what tells names apart, in their order: short strings compare many times faster."""
    sample = names.head(_SAMPLED)
    prefix = _common_prefix(str(sample.min()), str(sample.max()))
    if not names.str.starts_with(prefix).all():
        return names
    return names.str.strip_prefix(prefix)


def _by_hash(names: pl.Series) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number distinct names in any order; return each row's number and where each came first."""
    from gpu_ops.grouping_kernels import numbered

    numbers, first = numbered(names.hash().to_numpy())
    if not (names.gather(first).gather(numbers) == names).all():
        # Two names share a hash.
        numbers = names.rank("dense").cast(pl.Int32).to_numpy() - 1
        first = np.unique(numbers, return_index=True)[1]
    return numbers, first


def _common_prefix(low: str, high: str) -> str:
    """Return what two names, and all between them, begin with."""
    for position, (a, b) in enumerate(zip(low, high, strict=False)):
        if a != b:
            return low[:position]
    return min(low, high, key=len)
