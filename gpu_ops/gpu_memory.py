"""When a GPU's memory does not suffice: the same work in smaller parts."""

import gc
import logging
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

GROWTH: Final = 4
"""How many times more parts each further attempt makes: a failed attempt costs more than a part."""

MOST_PARTITIONS: Final = 256
"""Beyond this a part holds little but its busiest account, which no split makes smaller."""

# XGBoost, CuPy and RMM each say it in their own words, not all of them by a MemoryError.
_TEXTS: Final = (
    "std::bad_alloc",
    "out_of_memory",
    "out of memory",
    "cudaerrormemoryallocation",
    "memory allocation error",
    "maximum pool size exceeded",
)

_Result = TypeVar("_Result")
_LOG: Final = logging.getLogger(__name__)


class GpuMemoryError(MemoryError):
    """A GPU's memory did not suffice, however small the parts; the message says what to do."""


def is_memory_error(error: BaseException) -> bool:
    """Tell whether an error, or one that caused it, says that memory did not suffice."""
    return any(
        isinstance(one, MemoryError) or any(text in str(one).lower() for text in _TEXTS)
        for one in _chain(error)
    )


def with_smaller_partitions(
    run: Callable[[int], _Result], partitions: int = 1, limit: int = MOST_PARTITIONS
) -> _Result:
    """Run some work, and where memory does not suffice, again in more and smaller parts.

    Args:
        run: The work, given the number of parts; each attempt starts from the beginning.
        partitions: Parts of the first attempt, 1 or more.
        limit: Most parts that are tried.

    Raises:
        ValueError: `partitions` is below 1 or above `limit`.
        GpuMemoryError: Memory did not suffice in `limit` parts either.
    """
    if not 1 <= partitions <= limit:
        raise ValueError(f"{partitions} partitions; expected 1 to {limit}")
    while True:
        try:
            return run(partitions)
        except Exception as error:
            if not is_memory_error(error):
                raise
            if partitions == limit:
                raise GpuMemoryError(
                    f"the GPU's memory does not suffice, even in {limit} parts; use a GPU with "
                    "more memory, or the engine 'cpu-streaming', which works through files"
                ) from error
            failed = partitions
        # Outside the handler, whose error would keep the failed attempt's tables alive.
        gc.collect()
        partitions = min(failed * GROWTH, limit)
        _LOG.warning("GPU memory does not suffice in %d parts; trying %d", failed, partitions)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
