"""Work side by side: compiled loops that let go of Python's lock, on as many threads as Polars."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

_Found = TypeVar("_Found")
_Scalar = TypeVar("_Scalar", bound=np.generic)


def side_by_side(tasks: Sequence[Callable[[], _Found]]) -> list[_Found]:
    """Run tasks on as many threads as Polars may use; what they return, in their order."""
    with ThreadPoolExecutor(max(1, min(len(tasks), pl.thread_pool_size()))) as pool:
        return list(pool.map(lambda task: task(), tasks))


def in_parts(
    function: Callable[[NDArray[np.int64]], NDArray[_Scalar]], items: NDArray[np.int64]
) -> NDArray[_Scalar]:
    """Apply a function to parts of an array, one a thread, and join what it returns.

    Args:
        function: gives one value for each item, whichever others it sees.
        items: Int64, (n,).
    """
    parts = np.array_split(items, max(1, min(items.size, pl.thread_pool_size())))
    return np.concatenate(side_by_side([partial(function, part) for part in parts]))
