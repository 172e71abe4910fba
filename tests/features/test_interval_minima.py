"""The least value of open intervals, by hand and against the obvious implementation."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.interval_minima import interval_minima

Interval = tuple[int, int, int]


def minima(queries: list[int], intervals: list[Interval]) -> list[int]:
    columns = dict.fromkeys(("start", "end", "value"), pl.Int64)
    found = interval_minima(
        pl.LazyFrame({"key": queries}, schema={"key": pl.Int64}),
        pl.LazyFrame(intervals, schema=columns, orient="row"),
        len(intervals),
        "least",
    )
    least: list[int] = found.collect()["least"].to_list()
    return least


def test_an_interval_is_open_after_its_start_up_to_its_end() -> None:
    assert minima([0, 3, 4, 7, 7, 8], [(3, 7, 5)]) == [0, 0, 5, 5, 5, 0]


def test_a_least_value_may_come_late_and_go_early() -> None:
    # The second lies within the first, the third outlives it.
    assert minima([*range(1, 10)], [(1, 7, 20), (3, 5, 10), (2, 9, 30)]) == [
        *(0, 20, 20, 10, 10, 20, 20, 30, 30)
    ]


intervals = st.tuples(st.integers(0, 12), st.integers(1, 12), st.integers(1, 9)).map(
    lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2])
)


@settings(deadline=None, max_examples=50)
@given(some=st.lists(intervals, max_size=12), queries=st.lists(st.integers(0, 26), max_size=9))
def test_equals_the_obvious_implementation(some: list[Interval], queries: list[int]) -> None:
    ascending = sorted(queries)
    wanted = [
        min((value for start, end, value in some if start < query <= end), default=0)
        for query in ascending
    ]
    assert minima(ascending, some) == wanted
