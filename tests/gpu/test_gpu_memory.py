import logging

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.gpu_memory import GpuMemoryError, is_memory_error, with_smaller_partitions

POOL = "std::bad_alloc: out_of_memory: RMM failure at: pool_memory_resource.hpp:275"


def test_work_that_fits_runs_once() -> None:
    asked: list[int] = []

    def run(parts: int) -> str:
        asked.append(parts)
        return "done"

    assert with_smaller_partitions(run) == "done"
    assert asked == [1]


def test_each_attempt_makes_four_times_as_many_parts(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[int] = []

    def run(parts: int) -> int:
        asked.append(parts)
        if parts < 16:
            raise MemoryError(POOL)
        return parts

    with caplog.at_level(logging.WARNING):
        assert with_smaller_partitions(run) == 16
    assert asked == [1, 4, 16]
    assert [record.getMessage() for record in caplog.records] == [
        "GPU memory does not suffice in 1 parts; trying 4",
        "GPU memory does not suffice in 4 parts; trying 16",
    ]


def test_at_the_limit_it_says_what_to_do() -> None:
    asked: list[int] = []

    def run(parts: int) -> None:
        asked.append(parts)
        raise MemoryError(POOL)

    with pytest.raises(GpuMemoryError, match="even in 10 parts; use a GPU with more memory"):
        with_smaller_partitions(run, 2, 10)
    assert asked == [2, 8, 10]


def test_other_errors_are_not_retried() -> None:
    asked: list[int] = []

    def run(parts: int) -> None:
        asked.append(parts)
        raise NotImplementedError("Read from cloud storage")

    with pytest.raises(NotImplementedError, match="cloud storage"):
        with_smaller_partitions(run)
    assert asked == [1]


@pytest.mark.parametrize(("partitions", "limit"), [(0, 4), (5, 4)])
def test_impossible_numbers_of_parts_are_refused(partitions: int, limit: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 4"):
        with_smaller_partitions(lambda parts: parts, partitions, limit)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA error: cudaErrorMemoryAllocation out of memory"),
        ValueError("[10:00] gpu.cu:75: Memory allocation error on worker 0: std::bad_alloc"),
        # Each of the phrases alone, spelt as the libraries spell it.
        RuntimeError("parallel_for failed: cudaErrorMemoryAllocation"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY"),
        RuntimeError("Out of memory allocating 1,024 bytes"),
        ValueError("Memory allocation error on worker 0"),
        RuntimeError("Maximum pool size exceeded"),
        pl.exceptions.ComputeError(f"MemoryError: {POOL}"),
    ],
)
def test_every_library_has_its_words_for_it(error: Exception) -> None:
    assert is_memory_error(error)
    outer = RuntimeError("the step failed")
    outer.__cause__ = error
    assert is_memory_error(outer)


def test_an_ordinary_error_is_none() -> None:
    assert not is_memory_error(ValueError("infinite values in the features amount"))


def test_an_error_in_a_plan_on_the_gpu_comes_out_as_it_was() -> None:
    """Polars hands on what the GPU's callback raises, which the retry relies on."""

    def failing(plan: object, _duration: int | None) -> None:
        def run(*_: object) -> None:
            raise MemoryError(POOL)

        plan.set_udf(run)  # type: ignore[attr-defined] # as cudf-polars does it

    with pytest.raises(MemoryError, match="pool_memory_resource"):
        pl.LazyFrame({"a": [1]}).select(pl.col("a") * 2).collect(post_opt_callback=failing)  # type: ignore[call-overload] # of Polars' own tests


@given(needed=st.integers(1, 600), limit=st.integers(1, 600))
@settings(deadline=None, max_examples=5)  # each attempt collects garbage, which takes a while
def test_it_ends_at_enough_parts_or_at_the_limit(needed: int, limit: int) -> None:
    def run(parts: int) -> int:
        if parts < needed:
            raise MemoryError
        return parts

    if needed > limit:
        with pytest.raises(GpuMemoryError):
            with_smaller_partitions(run, 1, limit)
    else:
        assert needed <= with_smaller_partitions(run, 1, limit) <= limit
