"""Whether a condition makes sense: its columns exist, and every part gets the kind it works on."""

from collections.abc import Iterable, Mapping
from typing import Final

from gpu_ops.sql_faults import Fault, did_you_mean
from gpu_ops.sql_syntax import (
    KIND_WORDS,
    Among,
    Arithmetic,
    Between,
    Call,
    Case,
    Column,
    Comparison,
    Function,
    Joined,
    Kind,
    Literally,
    Missing,
    Negative,
    Node,
    Not,
    columns_of,
)

_ARGUMENTS: Final[Mapping[Function, tuple[int, int]]] = {
    "abs": (1, 1),
    "ceil": (1, 1),
    "coalesce": (2, 100),
    "floor": (1, 1),
    "greatest": (2, 100),
    "least": (2, 100),
    "nullif": (2, 2),
}
"""Fewest and most arguments of each function."""
_OF_ANY_KIND: Final = frozenset({"coalesce", "nullif"})


def faults_of(
    node: Node, columns: Mapping[str, Kind], refused: Mapping[str, str]
) -> tuple[Fault, ...]:
    """All that is wrong with a condition, in the order of its text; none: it may be used.

    Args:
        node: The condition.
        columns: The columns that it may read.
        refused: Other columns that authors may think of, and why each is not to be had.
    """
    checker = _Checker(columns, refused)
    kind = checker.kind_of(node)
    if kind not in {"truth", None}:
        checker.add(f"a condition is true or false, this is {KIND_WORDS[kind]}", node)
    elif not checker.faults and not any(columns_of(node)):
        checker.add("the condition reads no column, so it is the same for all rows", node)
    return tuple(sorted(checker.faults, key=lambda one: one.at))


def kind_of(node: Node, columns: Mapping[str, Kind]) -> Kind:
    """What an expression without faults yields.

    Raises:
        ValueError: It has faults.
    """
    checker = _Checker(columns, {})
    kind = checker.kind_of(node)
    if kind is None or checker.faults:
        raise ValueError("; ".join(one.problem for one in checker.faults))
    return kind


class _Checker:
    """Collects faults; the kind of a part with a fault is None, and is not held against others."""

    def __init__(self, columns: Mapping[str, Kind], refused: Mapping[str, str]) -> None:
        self._columns = columns
        self._refused = refused
        self.faults: list[Fault] = []

    def add(self, problem: str, node: Node) -> None:
        self.faults.append(Fault(problem, node.at))

    def kind_of(self, node: Node) -> Kind | None:  # noqa: C901, PLR0911, PLR0912 - one case a part
        match node:
            case Literally():
                return _kind_of_literal(node)
            case Column():
                return self._column(node)
            case Negative():
                self._expect("number", node.operand, "-")
                return "number"
            case Arithmetic():
                self._arithmetic(node)
                return "number"
            case Comparison():
                self._comparison(node)
                return "truth"
            case Among():
                self._same((node.operand, *node.values), "IN")
                return "truth"
            case Between():
                for part in (node.operand, node.low, node.high):
                    self._expect("number", part, "BETWEEN")
                return "truth"
            case Missing():
                self.kind_of(node.operand)
                return "truth"
            case Not():
                self._expect("truth", node.operand, "NOT")
                return "truth"
            case Joined():
                for part in node.operands:
                    self._expect("truth", part, node.word)
                return "truth"
            case Case():
                return self._case(node)
            case Call():
                return self._call(node)

    def _column(self, node: Column) -> Kind | None:
        kind = self._columns.get(node.name)
        if kind is None and node.name in self._refused:
            self.add(f"'{node.name}' cannot be read: {self._refused[node.name]}", node)
        elif kind is None:
            hint = did_you_mean(node.name, self._columns)
            self.add(f"there is no column '{node.name}'{hint}", node)
        return kind

    def _arithmetic(self, node: Arithmetic) -> None:
        self._expect("number", node.left, node.sign)
        self._expect("number", node.right, node.sign)
        if node.sign == "/" and isinstance(node.right, Literally) and node.right.value == 0:
            self.add("what is divided by zero is null, so this never hits", node)

    def _comparison(self, node: Comparison) -> None:
        if node.sign in {"=", "<>"}:
            self._same((node.left, node.right), node.sign)
            return
        for part in (node.left, node.right):
            self._expect("number", part, node.sign)

    def _case(self, node: Case) -> Kind | None:
        for condition, _ in node.branches:
            self._expect("truth", condition, "WHEN")
        values = [value for _, value in node.branches]
        return self._same(values if node.otherwise is None else [*values, node.otherwise], "CASE")

    def _call(self, node: Call) -> Kind | None:
        fewest, most = _ARGUMENTS[node.function]
        if not fewest <= len(node.arguments) <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            self.add(f"{node.function} takes {wanted} values, not {len(node.arguments)}", node)
        if node.function in _OF_ANY_KIND:
            return self._same(node.arguments, node.function)
        for part in node.arguments:
            self._expect("number", part, node.function)
        return "number"

    def _expect(self, wanted: Kind, node: Node, by: str) -> None:
        found = self.kind_of(node)
        if found in {wanted, None}:
            return
        hint = ""
        if wanted == "truth" and found == "number" and isinstance(node, Column):
            hint = f"; write {node.name} = 1"
        self.add(f"{by} takes {KIND_WORDS[wanted]}, this is {KIND_WORDS[found]}{hint}", node)

    def _same(self, nodes: Iterable[Node], by: str) -> Kind | None:
        """The one kind of several parts; a fault at the first that is of another."""
        first: Kind | None = None
        for node in nodes:
            found = self.kind_of(node)
            if first is None:
                first = found
            elif found not in {first, None}:
                self.add(
                    f"{by} takes values of one kind: {KIND_WORDS[first]} before, this is "
                    f"{KIND_WORDS[found]}",
                    node,
                )
                return first
        return first


def _kind_of_literal(node: Literally) -> Kind:
    if isinstance(node.value, bool):
        return "truth"
    return "text" if isinstance(node.value, str) else "number"
