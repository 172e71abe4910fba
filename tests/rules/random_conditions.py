"""Random conditions and the rows on which they are compared."""

from itertools import product
from typing import Final

import polars as pl
from hypothesis import strategies as st

from gpu_ops.sql_syntax import (
    Among,
    Arithmetic,
    Between,
    Call,
    Case,
    Column,
    Comparison,
    Joined,
    Kind,
    Literally,
    Missing,
    Negative,
    Node,
    Not,
)

KINDS: Final[dict[str, Kind]] = {
    "x": "number",
    "y": "number",
    "small": "number",
    "count": "number",
    "flag": "number",
    "kind": "text",
    "holds": "truth",
}
"""Columns of `rows`; `small` is Float32, `count` UInt32 and `flag` UInt8, as features are."""

_PLAIN: Final = (0.0, -0.0, 1.0, 3.0, 49.0, -7.0, 0.1, 1e-3)
_EXTREME: Final = (*_PLAIN, 2**53 + 2.0, 1e300, 5e-324)
_TEXTS: Final = ("card", "transfer", "it's", "")


def rows(*, only_finite: bool = False) -> pl.DataFrame:
    """Rows in which every special value of one column meets some of every other."""
    beyond = [] if only_finite else [float("nan"), float("inf"), float("-inf"), 1e300, -1e-300]
    numbers = [None, 0.0, -0.0, 1.0, -3.5, 49.0, 0.1, 1234.56, *beyond]
    pairs = list(product(numbers, numbers))
    size = len(pairs)

    def turn(*values: float | str | bool | None) -> list[float | str | bool | None]:
        return [values[place % len(values)] for place in range(size)]

    return pl.DataFrame(
        {
            "x": [first for first, _ in pairs],
            "y": [second for _, second in pairs],
            "small": turn(0.1, None, 49.0, 7.0, *(beyond[:2] if beyond else ())),
            "count": turn(0, 1, 3, 4_000_000_000, None),
            "flag": turn(0, 1, None),
            "kind": turn("card", "transfer", None, "", "it's"),
            "holds": turn(True, False, None),
        },
        schema={
            "x": pl.Float64,
            "y": pl.Float64,
            "small": pl.Float32,
            "count": pl.UInt32,
            "flag": pl.UInt8,
            "kind": pl.String,
            "holds": pl.Boolean,
        },
    )


def _numbers(depth: int, known: tuple[float, ...]) -> st.SearchStrategy[Node]:
    columns = st.sampled_from(["x", "y", "small", "count", "flag"]).map(Column)
    literals = st.sampled_from(known).map(Literally)
    if depth == 0:
        return columns | columns | literals
    inner = _numbers(depth - 1, known)
    divisors = inner.filter(lambda node: not isinstance(node, Literally) or bool(node.value))
    return st.one_of(
        columns,
        st.builds(Arithmetic, st.sampled_from(["+", "-", "*"]), inner, inner),
        st.builds(Arithmetic, st.just("/"), inner, divisors),
        st.builds(Negative, columns | st.builds(Call, st.just("abs"), st.tuples(inner))),
        st.builds(Call, st.sampled_from(["abs", "ceil", "floor"]), st.tuples(inner)),
        st.builds(
            Call,
            st.sampled_from(["coalesce", "greatest", "least", "nullif"]),
            st.tuples(inner, inner),
        ),
        _cases(inner, depth, known),
    )


def _texts(depth: int, known: tuple[float, ...]) -> st.SearchStrategy[Node]:
    literals = st.sampled_from(_TEXTS).map(Literally)
    column = st.just(Column("kind"))
    if depth == 0:
        return column | literals
    inner = _texts(depth - 1, known)
    calls = st.builds(Call, st.sampled_from(["coalesce", "nullif"]), st.tuples(inner, inner))
    return column | literals | calls | _cases(inner, depth, known)


def _cases(
    values: st.SearchStrategy[Node], depth: int, known: tuple[float, ...]
) -> st.SearchStrategy[Node]:
    branch = st.tuples(_truths(depth - 1, known), values)
    branches = st.lists(branch, min_size=1, max_size=2).map(tuple)
    return st.builds(Case, branches, values | st.none())


def _truths(depth: int, known: tuple[float, ...]) -> st.SearchStrategy[Node]:
    if depth == 0:
        return st.just(Column("holds")) | st.booleans().map(Literally)
    numbers, texts, inner = (
        _numbers(depth - 1, known),
        _texts(depth - 1, known),
        _truths(depth - 1, known),
    )
    signs = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    equalities = st.sampled_from(["=", "<>"])
    some_numbers = st.lists(st.sampled_from(known).map(Literally), min_size=1, max_size=3)
    some_texts = st.lists(st.sampled_from(_TEXTS).map(Literally), min_size=1, max_size=3)
    return st.one_of(
        st.builds(Comparison, signs, numbers, numbers),
        st.builds(Comparison, equalities, texts, texts),
        st.builds(Comparison, equalities, inner, inner),
        st.builds(Among, numbers, some_numbers.map(tuple)),
        st.builds(Among, texts, some_texts.map(tuple)),
        st.builds(Between, numbers, numbers, numbers),
        st.builds(Missing, st.one_of(numbers, texts, inner)),
        st.builds(Not, inner),
        st.builds(
            Joined,
            st.sampled_from(["AND", "OR"]),
            st.lists(inner, min_size=2, max_size=3).map(tuple),
        ),
        _cases(inner, depth, known),
    )


CONDITIONS: Final = _truths(3, _EXTREME)
PLAIN_CONDITIONS: Final = _truths(3, _PLAIN)
"""Without numbers that overflow, where databases do as they like."""
