"""A condition in SQL as a Polars expression, of operations alone that the GPU translator knows.

Numbers are Float64 throughout. NaN is no number and counts as null; what is divided by zero is
null; infinities are numbers. Null follows SQL's three-valued logic, which is Kleene's and Polars'.
"""

from collections.abc import Mapping

import polars as pl

from gpu_ops.sql_checking import kind_of
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
    columns_of,
)

_DTYPES: Mapping[Kind, type[pl.DataType]] = {
    "number": pl.Float64,
    "text": pl.String,
    "truth": pl.Boolean,
}


def expression(node: Node, columns: Mapping[str, Kind]) -> pl.Expr:
    """The condition over a table; null where it is not known.

    Args:
        node: A condition without faults, which reads a column.
        columns: Kind of each column.
    """
    first = next(columns_of(node)).name
    # Polars makes one value of CASE WHEN TRUE ..., where a table needs one a row.
    each_row = pl.col(first).is_null() | pl.col(first).is_not_null()
    return _Planner(columns, first).expression(node) & each_row


class _Planner:
    def __init__(self, columns: Mapping[str, Kind], first: str) -> None:
        self._columns = columns
        self._zeros = pl.col(first).is_null().cast(pl.Float64) * 0.0

    def expression(self, node: Node) -> pl.Expr:  # noqa: C901, PLR0911 - one case a part of SQL
        match node:
            case Literally():
                return pl.lit(node.value)
            case Column():
                return self._column(node)
            case Negative():
                return -self.expression(node.operand)
            case Arithmetic():
                return self._arithmetic(node)
            case Comparison():
                return self._comparison(node)
            case Among():
                values = [one.value for one in node.values]
                return self.expression(node.operand).is_in(values)
            case Between():
                low, high = self.expression(node.low), self.expression(node.high)
                return self.expression(node.operand).is_between(low, high)
            case Missing():
                return self.expression(node.operand).is_null()
            case Not():
                return ~self.expression(node.operand)
            case Joined():
                joined = pl.all_horizontal if node.word == "AND" else pl.any_horizontal
                return joined(map(self.expression, node.operands))
            case Case():
                return self._case(node)
            case Call():
                return self._call(node)

    def _column(self, node: Column) -> pl.Expr:
        kind = self._columns[node.name]
        read = pl.col(node.name).cast(_DTYPES[kind])
        return read.fill_nan(None) if kind == "number" else read

    def _arithmetic(self, node: Arithmetic) -> pl.Expr:
        left, right = self.expression(node.left), self.expression(node.right)
        if node.sign == "/":
            if isinstance(node.right, Literally):
                # Polars divides by a single number as it multiplies by its reciprocal: 49 / 49 is
                # then 0.9999999999999999. By a column it divides.
                return (left / (self._zeros + right)).fill_nan(None)
            # A divisor of zero is made null first.
            return (left / pl.when(right != 0.0).then(right)).fill_nan(None)
        result = {"+": left + right, "-": left - right, "*": left * right}[node.sign]
        return result.fill_nan(None)

    def _comparison(self, node: Comparison) -> pl.Expr:
        left, right = self.expression(node.left), self.expression(node.right)
        match node.sign:
            case "=":
                return left == right
            case "<>":
                return left != right
            case "<":
                return left < right
            case "<=":
                return left <= right
            case ">":
                return left > right
            case ">=":
                return left >= right

    def _case(self, node: Case) -> pl.Expr:
        dtype = _DTYPES[kind_of(node, self._columns)]
        result = (
            pl.lit(None, dtype=dtype) if node.otherwise is None else self.expression(node.otherwise)
        )
        for condition, value in reversed(node.branches):
            hit = self.expression(condition)
            result = pl.when(hit).then(self.expression(value)).otherwise(result)
        return result

    def _call(self, node: Call) -> pl.Expr:  # noqa: PLR0911 - one case a function
        parts = [self.expression(one) for one in node.arguments]
        match node.function:
            case "abs":
                return parts[0].abs()
            case "ceil":
                return parts[0].ceil()
            case "floor":
                return parts[0].floor()
            case "coalesce":
                return pl.coalesce(parts)
            case "greatest":
                return pl.max_horizontal(parts)
            case "least":
                return pl.min_horizontal(parts)
            case "nullif":
                # Where the comparison is null, the value stays.
                return pl.when(parts[0] == parts[1]).then(None).otherwise(parts[0])
