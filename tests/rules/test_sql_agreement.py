"""A condition hits the same rows as a table's plan, row by row, and in a database."""

import re
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings

from gpu_ops.sql_condition import Condition, ConditionError
from gpu_ops.sql_parsing import parse
from gpu_ops.sql_syntax import Node, sql
from tests.rules.random_conditions import CONDITIONS, KINDS, PLAIN_CONDITIONS, rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

ROWS: Final = rows()
FINITE: Final = rows(only_finite=True)
few = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow], database=None
)


def usable(node: Node) -> Condition:
    """Random conditions know no mistake but that they read no column."""
    try:
        return Condition.of(sql(node), KINDS)
    except ConditionError as error:
        assume("reads no column" not in str(error))
        raise


def hits_of(condition: Condition, table: pl.DataFrame) -> list[bool | None]:
    return table.with_columns(hit=condition.expression)["hit"].to_list()


@given(CONDITIONS)
@few
def test_tables_and_single_rows_agree(node: Node) -> None:
    condition = usable(node)
    assert [condition.of_row(row) for row in ROWS.rows(named=True)] == hits_of(condition, ROWS)


@given(CONDITIONS)
@few
def test_a_condition_is_read_as_it_is_written(node: Node) -> None:
    assert parse(sql(node)) == node


@pytest.fixture(scope="module")
def database() -> "Iterator[DuckDBPyConnection]":
    # Its types, kept by a test's signature, would be told as leaks when the tests are over.
    import duckdb

    with duckdb.connect(":memory:") as found:
        # What is divided by zero is null, as in the rules; in IEEE's reading it is infinite.
        found.execute("SET ieee_floating_point_ops = false")
        found.execute("SET error_on_division_by_zero = false")
        types = {"number": "DOUBLE", "text": "VARCHAR", "truth": "BOOLEAN"}
        columns = ", ".join(f"{name} {types[kind]}" for name, kind in KINDS.items())
        found.execute(f"CREATE TABLE rows ({columns})")
        found.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", FINITE.rows())
        yield found


@given(PLAIN_CONDITIONS)
@few
def test_a_database_agrees(database: "DuckDBPyConnection", node: Node) -> None:
    condition = usable(node)
    text = re.sub(r"(?<![\w.])(\d[\d.]*(?:e[-+]?\d+)?)", r"CAST(\1 AS DOUBLE)", str(condition))
    found = database.execute(f"SELECT {text} FROM rows").fetchall()  # noqa: S608 - its own grammar
    assert [hit for (hit,) in found] == hits_of(condition, FINITE)


@pytest.mark.parametrize(
    ("condition", "hits"),
    [
        ("x / 49 = 1", [True, False, None, False, None]),
        # Polars multiplies by the reciprocal of a number: 49 * (1 / 49) is below 1.
        ("x / 49 >= 1", [True, False, None, True, None]),
        ("x / 0.0001 > 1 OR count = 3", [True, True, True, True, None]),
        ("x > count", [True, False, None, True, None]),
        ("x - x = 0", [True, True, None, None, None]),
        ("NOT (x > 1)", [False, True, None, False, None]),
        ("x > 1 OR kind = 'card'", [True, None, True, True, None]),
        ("x > 1 AND kind = 'card'", [True, False, None, True, None]),
        ("count / flag IS NULL", [False, True, True, True, True]),
        ("x IN (49, 3)", [True, False, None, False, None]),
        ("x NOT IN (49, 3)", [False, True, None, True, None]),
        ("x BETWEEN -1 AND 48", [False, True, None, False, None]),
        ("kind IN ('card', 'debit')", [True, None, True, True, None]),
        ("count - 4 < 0", [True, True, True, True, None]),
        (
            "CASE WHEN x > 1 THEN 'much' WHEN x <= 1 THEN 'little' END = 'much'",
            [True, False, None, True, None],
        ),
        ("coalesce(x, 5) = 5", [False, False, True, False, True]),
        ("least(x, count, 2) = 2", [True, False, True, True, True]),
        ("nullif(count, 3) IS NULL", [True, True, True, True, True]),
        ("floor(x / 10) * 10 = x", [False, True, None, True, None]),
        ("abs(x) > 1e308", [False, False, None, True, None]),
        ("CASE WHEN TRUE THEN 1 = 1 ELSE x > 1 END", [True, True, True, True, True]),
    ],
)
def test_what_is_not_known_is_no_hit_and_no_miss(condition: str, hits: list[bool | None]) -> None:
    table = pl.DataFrame(
        {
            "x": [49.0, 0.0, float("nan"), float("inf"), None],
            "count": [3, 3, 3, 3, None],
            "flag": [1, 0, None, None, 1],
            "kind": ["card", None, "card", "card", None],
        },
        schema_overrides={"count": pl.UInt32, "flag": pl.UInt8},
    )
    found = Condition.of(condition, KINDS)
    assert hits_of(found, table) == hits
    # Without other columns beside it there is a value a row as well.
    assert table.select(found.expression).height == table.height
    assert [found.of_row(row) for row in table.rows(named=True)] == hits


def test_a_row_of_integers_and_texts_is_read_like_one_of_floats() -> None:
    condition = Condition.of("count / 2 > 1 AND flag = 1", KINDS)
    assert condition.of_row({"count": 3, "flag": True}) is True
    with pytest.raises(KeyError, match="flag"):
        condition.of_row({"count": 3})
    with pytest.raises(ValueError, match="could not convert"):
        condition.of_row({"count": "three", "flag": 1})


@pytest.mark.parametrize(
    ("condition", "hits"),
    [
        # Whole numbers of 64 bits would wrap around to a small or negative one.
        ("x * 4 > 3e19", [True, False, None]),
        ("x + x > 1e19", [True, False, None]),
        ("-x - x < -1e19", [True, False, None]),
        ("-x > 9e18", [False, True, None]),
        ("abs(x) > 9e18", [True, True, None]),
        ("x * x * x * 0 = 0", [True, True, None]),
        ("x - x = 0", [True, True, None]),
    ],
)
def test_whole_numbers_do_not_wrap_around(condition: str, hits: list[bool | None]) -> None:
    table = pl.DataFrame({"x": [2**63 - 1, -(2**63), None]}, schema={"x": pl.Int64})
    found = Condition.of(condition, KINDS)
    assert hits_of(found, table) == hits
    assert [found.of_row(row) for row in table.rows(named=True)] == hits
