"""The parts of a condition in SQL, as values; `gpu_ops.sql_condition` is where to begin."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Kind = Literal["number", "text", "truth"]
"""What an expression yields; null belongs to each of them."""

KIND_WORDS: Final[dict[Kind, str]] = {
    "number": "a number",
    "text": "text",
    "truth": "true or false",
}

ArithmeticSign = Literal["+", "-", "*", "/"]
ComparisonSign = Literal["=", "<>", "<", "<=", ">", ">="]
Function = Literal["abs", "ceil", "coalesce", "floor", "greatest", "least", "nullif"]

MOST_DEPTH: Final = 40
"""How deep expressions may stand in each other; what walks them may recurse."""

MOST_PARTS: Final = 20_000
"""How large the plan of a condition may be."""


@dataclass(frozen=True, slots=True)
class Literally:
    """A number, a text, or true or false, as written."""

    value: float | str | bool
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a column in the row."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """`- operand`."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left sign right` of two numbers."""

    sign: ArithmeticSign
    left: "Node"
    right: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left sign right` of two values of one kind."""

    sign: ComparisonSign
    left: "Node"
    right: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Among:
    """`operand IN (values)`."""

    operand: "Node"
    values: tuple[Literally, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Between:
    """`operand BETWEEN low AND high`, both included."""

    operand: "Node"
    low: "Node"
    high: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """`operand IS NULL`."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT operand`."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Joined:
    """Two or more conditions that must hold together (`AND`), or one of which must (`OR`)."""

    word: Literal["AND", "OR"]
    operands: tuple["Node", ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Case:
    """`CASE WHEN condition THEN value ... ELSE otherwise END`; without ELSE it is null."""

    branches: tuple[tuple["Node", "Node"], ...]
    otherwise: "Node | None"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`."""

    function: Function
    arguments: tuple["Node", ...]
    at: int = field(default=0, compare=False)


Node: TypeAlias = (
    Literally
    | Column
    | Negative
    | Arithmetic
    | Comparison
    | Among
    | Between
    | Missing
    | Not
    | Joined
    | Case
    | Call
)


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911 - one case a part of SQL
    """The expressions that stand directly in another."""
    match node:
        case Literally() | Column():
            return ()
        case Negative() | Among() | Missing() | Not():
            return (node.operand,)
        case Arithmetic() | Comparison():
            return (node.left, node.right)
        case Between():
            return (node.operand, node.low, node.high)
        case Joined():
            return node.operands
        case Call():
            return node.arguments
        case Case():
            inner = tuple(part for branch in node.branches for part in branch)
            return inner if node.otherwise is None else (*inner, node.otherwise)


def depth(node: Node) -> int:
    """How many expressions stand in each other at most, the node itself counted."""
    return 1 + max((depth(one) for one in children(node)), default=0)


def size(node: Node) -> int:
    """How many expressions the table's plan has: it names divisors and what may be null twice."""
    is_twice = isinstance(node, Arithmetic) and node.sign == "/"
    is_twice |= isinstance(node, Call) and node.function == "nullif"
    return 1 + (1 + is_twice) * sum(map(size, children(node)))


def columns_of(node: Node) -> Iterator[Column]:
    """Every mention of a column, in the order of the text."""
    if isinstance(node, Column):
        yield node
    for one in children(node):
        yield from columns_of(one)


def sql(node: Node) -> str:  # noqa: C901, PLR0911 - one case a part of SQL
    """The one spelling of an expression: equal texts are equal conditions.

    >>> sql(Comparison(">", Column("amount"), Literally(1e3)))
    'amount > 1000.0'
    """
    match node:
        case Literally():
            return _literal(node.value)
        case Column():
            return node.name
        case Negative():
            return f"-{_inner(node.operand)}"
        case Arithmetic() | Comparison():
            return f"{_inner(node.left)} {node.sign} {_inner(node.right)}"
        case Among():
            values = ", ".join(_literal(one.value) for one in node.values)
            return f"{_inner(node.operand)} IN ({values})"
        case Between():
            low, high = _inner(node.low), _inner(node.high)
            return f"{_inner(node.operand)} BETWEEN {low} AND {high}"
        case Missing():
            return f"{_inner(node.operand)} IS NULL"
        case Not():
            return f"NOT {_inner(node.operand)}"
        case Joined():
            return f" {node.word} ".join(map(_inner, node.operands))
        case Call():
            return f"{node.function}({', '.join(map(sql, node.arguments))})"
        case Case():
            told = [f"WHEN {sql(when)} THEN {sql(then)}" for when, then in node.branches]
            told += [] if node.otherwise is None else [f"ELSE {sql(node.otherwise)}"]
            return f"CASE {' '.join(told)} END"


def _inner(node: Node) -> str:
    is_whole = isinstance(node, Column | Call | Case) or (
        # A minus before a number that is negative itself would begin a comment.
        isinstance(node, Literally) and not str(node.value).startswith("-")
    )
    return sql(node) if is_whole else f"({sql(node)})"


def _literal(value: float | str | bool) -> str:  # noqa: FBT001 - a literal's value is no flag
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return repr(float(value))
