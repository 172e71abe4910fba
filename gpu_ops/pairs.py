"""Pairs of accounts as single integers, which sort, group and compare faster than two columns."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_BITS: Final = 32
_SECOND: Final = (1 << _BITS) - 1


def pair_keys(first: NDArray[np.int32], second: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return one key for each pair; keys order as (first, second) do.

    Args:
        first: Int32, (n,), not negative.
        second: Int32, (n,), not negative.
    """
    keys: NDArray[np.int64] = first.astype(np.int64) << _BITS | second
    return keys


def pairs_of(keys: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the two sides of each of `pair_keys`."""
    return (keys >> _BITS).astype(np.int32), (keys & _SECOND).astype(np.int32)
