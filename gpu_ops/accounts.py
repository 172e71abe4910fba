"""Accounts as integers in the order of their names, so that results never depend on row order."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.threads import side_by_side

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
    ends = [payer.alias("account").rechunk(), payee.alias("account").rechunk()]
    if any(end.null_count() for end in ends):
        raise ValueError("an account without a name cannot be part of a graph")
    prefix = _prefix_of(ends)
    short = side_by_side([partial(_without, end, prefix) for end in ends])
    distinct, numbers = _by_hash(short)
    order = distinct.arg_sort().to_numpy()
    rank = np.empty(distinct.len(), dtype=np.int32)
    rank[order] = np.arange(distinct.len(), dtype=np.int32)
    return CodedAccounts(
        names=prefix + distinct.gather(order), payer=rank[numbers[0]], payee=rank[numbers[1]]
    )


def _prefix_of(ends: list[pl.Series]) -> str:
    """Return what all names begin with; without it, they compare many times faster."""
    sample = pl.concat([end.head(_SAMPLED) for end in ends])
    prefix = _common_prefix(str(sample.min()), str(sample.max()))
    return prefix if all(end.str.starts_with(prefix).all() for end in ends) else ""


def _without(names: pl.Series, prefix: str) -> pl.Series:
    return names.str.strip_prefix(prefix) if prefix else names


def _by_hash(ends: list[pl.Series]) -> tuple[pl.Series, list[NDArray[np.int32]]]:
    """Return the distinct names, in any order, and the number of each row's."""
    from gpu_ops.grouping_kernels import numbered

    hashes = side_by_side([partial(_hashes, end) for end in ends])
    every, first = numbered(np.concatenate(hashes))
    numbers = [every[: ends[0].len()], every[ends[0].len() :]]
    is_payer = first < ends[0].len()
    distinct = pl.concat(
        [ends[0].gather(first[is_payer]), ends[1].gather(first[~is_payer] - ends[0].len())]
    )
    differ = [
        partial(_differ, end, distinct, number) for end, number in zip(ends, numbers, strict=True)
    ]
    if any(side_by_side(differ)):
        # Two names share a hash.
        every = pl.concat(ends).rank("dense").cast(pl.Int32).to_numpy() - 1
        return pl.concat(ends).unique().sort(), [every[: ends[0].len()], every[ends[0].len() :]]
    return distinct, numbers


def _hashes(names: pl.Series) -> NDArray[np.uint64]:
    return names.hash().to_numpy()


def _differ(names: pl.Series, distinct: pl.Series, numbers: NDArray[np.int32]) -> bool:
    """Return whether a name is not that of its number."""
    return bool((distinct.gather(numbers) != names).any())


def _common_prefix(low: str, high: str) -> str:
    """Return what two names, and all between them, begin with."""
    for position, (a, b) in enumerate(zip(low, high, strict=False)):
        if a != b:
            return low[:position]
    return min(low, high, key=len)
