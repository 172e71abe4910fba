"""A condition in SQL as a function of one row, for scoring a transaction when it comes.

It gives what `gpu_ops.sql_tables` gives of the same row: a test compares the two on any condition.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, cast

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

Row: TypeAlias = Mapping[str, object]
"""Column to value; None where it is not known."""

Value: TypeAlias = float | str | bool | None
Reader: TypeAlias = Callable[[Row], Value]
_Number: TypeAlias = Callable[[Row], float | None]
_Truth: TypeAlias = Callable[[Row], bool | None]


def reader(node: Node, columns: Mapping[str, Kind]) -> Reader:
    """The condition as a function; it returns None where the condition is not known.

    Args:
        node: A condition without faults.
        columns: Kind of each column. Numbers are read with `float`, texts with `str`.

    Returns:
        A function that raises KeyError where the row lacks a column, and ValueError or TypeError
        where a number's value is none.
    """
    return _Compiler(columns).reader(node)


def _divided(left: float, right: float) -> float | None:
    return left / right if right else None


_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float | None]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
}
_ORDER: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Compiler:
    """Makes a function of each part; the kinds are those that `gpu_ops.sql_checking` has seen."""

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self._columns = columns

    def reader(self, node: Node) -> Reader:  # noqa: C901, PLR0911 - one case a part of SQL
        match node:
            case Literally():
                value = node.value
                return lambda _row: value
            case Column():
                return _column(node.name, self._columns[node.name])
            case Negative():
                operand = self._number(node.operand)
                return lambda row: None if (found := operand(row)) is None else -found
            case Arithmetic():
                calculate = _ARITHMETIC[node.sign]
                return _arithmetic(calculate, self._number(node.left), self._number(node.right))
            case Comparison():
                return self._comparison(node)
            case Among():
                values = frozenset(one.value for one in node.values)
                member = self.reader(node.operand)
                return lambda row: None if (found := member(row)) is None else found in values
            case Between():
                low, high = self._number(node.low), self._number(node.high)
                return _between(self._number(node.operand), low, high)
            case Missing():
                missing = self.reader(node.operand)
                return lambda row: missing(row) is None
            case Not():
                denied = self._truth(node.operand)
                return lambda row: None if (found := denied(row)) is None else not found
            case Joined():
                return _joined([self._truth(one) for one in node.operands], node.word == "OR")
            case Case():
                branches = [(self._truth(when), self.reader(then)) for when, then in node.branches]
                return _case(
                    branches, None if node.otherwise is None else self.reader(node.otherwise)
                )
            case Call():
                return self._call(node)

    def _number(self, node: Node) -> _Number:
        return cast("_Number", self.reader(node))

    def _truth(self, node: Node) -> _Truth:
        return cast("_Truth", self.reader(node))

    def _comparison(self, node: Comparison) -> _Truth:
        if node.sign in _ORDER:
            compare = _ORDER[node.sign]
            return _order(compare, self._number(node.left), self._number(node.right))
        return _equality(self.reader(node.left), self.reader(node.right), node.sign == "=")

    def _call(self, node: Call) -> Reader:  # noqa: PLR0911 - one case a function
        if node.function == "coalesce":
            return _coalesce([self.reader(one) for one in node.arguments])
        if node.function == "nullif":
            value, other = map(self.reader, node.arguments)
            return lambda row: None if (found := value(row)) == other(row) else found
        numbers = [self._number(one) for one in node.arguments]
        match node.function:
            case "greatest":
                return _extreme(max, numbers)
            case "least":
                return _extreme(min, numbers)
            case "abs":
                return _rounded(abs, numbers[0])
            case "ceil":
                return _rounded(math.ceil, numbers[0])
            case "floor":
                return _rounded(math.floor, numbers[0])


def _column(name: str, kind: Kind) -> Reader:
    if kind == "number":

        def number(row: Row) -> float | None:
            value = row[name]
            if value is None:
                return None
            # float() tells of what it cannot read; NaN alone differs from itself.
            found = float(cast("float", value))
            return found if found == found else None  # noqa: PLR0124

        return number
    convert = str if kind == "text" else bool
    return lambda row: None if (value := row[name]) is None else convert(value)


def _arithmetic(
    calculate: Callable[[float, float], float | None], left: _Number, right: _Number
) -> _Number:
    def result(row: Row) -> float | None:
        first, second = left(row), right(row)
        if first is None or second is None:
            return None
        found = calculate(first, second)
        return None if found is None or math.isnan(found) else found

    return result


def _order(compare: Callable[[float, float], bool], left: _Number, right: _Number) -> _Truth:
    def result(row: Row) -> bool | None:
        first, second = left(row), right(row)
        return None if first is None or second is None else compare(first, second)

    return result


def _equality(left: Reader, right: Reader, wanted: bool) -> _Truth:  # noqa: FBT001 - = or <>
    def result(row: Row) -> bool | None:
        first, second = left(row), right(row)
        return None if first is None or second is None else (first == second) is wanted

    return result


def _between(operand: _Number, low: _Number, high: _Number) -> _Truth:
    """The operand is read once, however deep it is."""

    def result(row: Row) -> bool | None:
        value = operand(row)
        bounds = ((low(row), operator.ge), (high(row), operator.le))
        return _all(
            None if value is None or bound is None else compare(value, bound)
            for bound, compare in bounds
        )

    return result


def _all(parts: Iterable[bool | None]) -> bool | None:
    """Whether all hold: False where one does not, else None where one is not known."""
    is_known = True
    for one in parts:
        if one is None:
            is_known = False
        elif not one:
            return False
    return True if is_known else None


def _joined(parts: Sequence[_Truth], is_any: bool) -> _Truth:  # noqa: FBT001 - AND or OR
    def both(row: Row) -> bool | None:
        return _all(one(row) for one in parts)

    def either(row: Row) -> bool | None:
        is_none = _all(None if (found := one(row)) is None else not found for one in parts)
        return None if is_none is None else not is_none

    return either if is_any else both


def _case(branches: Sequence[tuple[_Truth, Reader]], otherwise: Reader | None) -> Reader:
    def result(row: Row) -> Value:
        for condition, value in branches:
            if condition(row):
                return value(row)
        return None if otherwise is None else otherwise(row)

    return result


def _coalesce(parts: Sequence[Reader]) -> Reader:
    def result(row: Row) -> Value:
        found = (value for one in parts if (value := one(row)) is not None)
        return next(found, None)

    return result


def _extreme(choose: Callable[[list[float]], float], parts: Sequence[_Number]) -> _Number:
    """As in PostgreSQL and DuckDB, nulls are passed over."""

    def result(row: Row) -> float | None:
        known = [value for one in parts if (value := one(row)) is not None]
        return choose(known) if known else None

    return result


def _rounded(change: Callable[[float], float], operand: _Number) -> _Number:
    def result(row: Row) -> float | None:
        value = operand(row)
        if value is None or value == math.inf:
            return value
        # There is no whole number near minus infinity either, but it has an absolute value.
        return float(change(value)) if value > -math.inf or change is abs else value

    return result
