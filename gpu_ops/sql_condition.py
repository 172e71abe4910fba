"""Conditions that people write: one SQL expression over the columns of a row, true or false.

The text is read by an allow-list of columns, signs and functions and never run as code. From one
syntax come a Polars expression for tables and a function for single rows, which agree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import polars as pl

from gpu_ops.sql_checking import faults_of
from gpu_ops.sql_faults import ConditionError
from gpu_ops.sql_parsing import parse
from gpu_ops.sql_rows import Row, reader
from gpu_ops.sql_syntax import Kind, Node, columns_of, sql
from gpu_ops.sql_tables import expression

__all__ = ["Condition", "ConditionError", "Row"]


@dataclass(frozen=True)
class Condition:
    """A condition without faults.

    Attributes:
        syntax: Its parts.
        kinds: Kind of each column that it may read.
    """

    syntax: Node
    kinds: Mapping[str, Kind]

    @classmethod
    def of(
        cls, text: str, kinds: Mapping[str, Kind], refused: Mapping[str, str] | None = None
    ) -> Self:
        """The condition that a text states.

        Args:
            text: SQL: columns, literals, `+ - * /`, comparisons, AND, OR, NOT, IN, BETWEEN, IS
                NULL, CASE and a few functions.
            kinds: The columns that it may read.
            refused: Other columns that authors may think of, and why each is not to be had.

        Raises:
            ConditionError: All that is wrong with it, each with its place.
        """
        syntax = parse(text)
        faults = faults_of(syntax, kinds, refused or {})
        if faults:
            raise ConditionError(text, faults)
        return cls(syntax, kinds)

    def __str__(self) -> str:
        """Its one spelling: conditions that say the same in the same order have the same."""
        return sql(self.syntax)

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it reads."""
        return frozenset(one.name for one in columns_of(self.syntax))

    @cached_property
    def expression(self) -> pl.Expr:
        """Boolean expression over a table; null where it is not known."""
        return expression(self.syntax, self.kinds)

    @cached_property
    def of_row(self) -> Callable[[Row], bool | None]:
        """The same of one row; None where it is not known."""
        found = reader(self.syntax, self.kinds)
        return lambda row: None if (value := found(row)) is None else bool(value)
