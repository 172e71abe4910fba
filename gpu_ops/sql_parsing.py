"""Conditions in SQL: text to syntax, by an allow-list; nothing of it is ever run as code.

A recursive descent with binding powers (Pratt 1973): each sign takes what binds tighter.
"""

from typing import Final, NoReturn, cast, get_args

from gpu_ops.sql_faults import ConditionError, Fault, did_you_mean
from gpu_ops.sql_syntax import (
    MOST_DEPTH,
    MOST_PARTS,
    Among,
    Arithmetic,
    ArithmeticSign,
    Between,
    Call,
    Case,
    Column,
    Comparison,
    ComparisonSign,
    Function,
    Joined,
    Literally,
    Missing,
    Negative,
    Node,
    Not,
    depth,
    size,
)
from gpu_ops.sql_tokens import Token, tokens_of

FUNCTIONS: Final[tuple[Function, ...]] = get_args(Function)
WORDS: Final = frozenset(
    {"and", "or", "not", "in", "between", "is", "null", "true", "false"}
    | {"case", "when", "then", "else", "end"}
)
_OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN = range(1, 8)
_COMPARISONS: Final = frozenset(get_args(ComparisonSign))
_ARITHMETIC: Final = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}
_REFUSED: Final = {
    **dict.fromkeys(
        {"select", "from", "where", "join", "union", "with", "exists", "group", "order", "having"}
        | {"insert", "update", "delete", "drop", "create", "over", "partition", "limit"},
        "a rule is one condition over one row; queries are not allowed",
    ),
    **dict.fromkeys(("like", "ilike", "similar", "regexp"), "write = or IN with whole texts"),
    "cast": "numbers, texts and truth values are never turned into each other",
    "any": "write IN with a list of values",
    "all": "write the conditions one by one, joined by AND",
    "mod": "a remainder is amount - 100 * floor(amount / 100)",
    "if": "write CASE WHEN condition THEN value ELSE value END",
    "iff": "write CASE WHEN condition THEN value ELSE value END",
    "isnull": "write IS NULL",
    "ifnull": "write coalesce(value, other)",
    "nvl": "write coalesce(value, other)",
    "ceiling": "write ceil(value)",
}


def parse(text: str) -> Node:
    """The syntax of a condition; what its columns are is not looked at here.

    Raises:
        ConditionError: It is no expression of the allowed part of SQL, or too deep.
    """
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._place = 0
        self._nesting = 0

    def whole(self) -> Node:
        found = self._expression(_OR)
        if self._next.kind != "end":
            self._unexpected("the condition should end here, or go on with AND or OR")
        if size(found) > MOST_PARTS:
            self._fail("the condition is too large; make several rules of it", 0)
        return self._not_too_deep(found)

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _is_word(self, *words: str) -> bool:
        return self._next.kind == "name" and self._next.value in words

    def _takes_word(self, word: str) -> bool:
        is_there = self._is_word(word)
        self._place += is_there
        return is_there

    def _takes_sign(self, sign: str) -> bool:
        is_there = self._next.kind == "sign" and self._next.value == sign
        self._place += is_there
        return is_there

    def _expect_word(self, word: str) -> None:
        if not self._takes_word(word):
            self._unexpected(f"{word.upper()} is missing here")

    def _expect_sign(self, sign: str, why: str) -> None:
        if not self._takes_sign(sign):
            self._unexpected(f"{sign} is missing here{why}")

    def _expression(self, power: int) -> Node:
        """What stands from here on, as far as it binds as tightly as `power`."""
        self._nesting += 1
        if self._nesting > MOST_DEPTH:
            self._fail(f"the condition is nested deeper than {MOST_DEPTH}", self._next.at)
        left = self._prefix()
        while (longer := self._infix(left, power)) is not None:
            left = self._not_too_deep(longer)
        self._nesting -= 1
        return left

    def _prefix(self) -> Node:
        token = self._next
        if token.kind in {"number", "text"}:
            return self._literal()
        if self._takes_sign("("):
            inner = self._expression(_OR)
            self._expect_sign(")", ", for the ( before it")
            return inner
        if self._takes_sign("-"):
            operand = self._expression(_SIGN)
            if isinstance(operand, Literally) and isinstance(operand.value, float):
                return Literally(-operand.value, token.at)
            return Negative(operand, token.at)
        if self._takes_sign("+"):
            return self._expression(_SIGN)
        if token.kind != "name":
            self._unexpected("a value is missing here")
        return self._named()

    def _named(self) -> Node:
        token = self._take()
        match token.value:
            case "true" | "false":
                return Literally(token.value == "true", token.at)
            case "not":
                return Not(self._expression(_NOT), token.at)
            case "case":
                return self._case(token)
            case "null":
                self._fail("null is compared by IS NULL or IS NOT NULL alone", token.at)
        if self._next.value == "(" and self._next.kind == "sign":
            return self._call(token)
        if token.value in WORDS or token.value in _REFUSED:
            self._place -= 1
            self._unexpected("a value is missing here")
        return Column(token.value, token.at)

    def _literal(self) -> Literally:
        sign = -1.0 if self._takes_sign("-") else 1.0
        token = self._take()
        if token.kind == "text" and sign > 0:
            return Literally(token.value, token.at)
        if token.kind != "number":
            self._place -= token.kind != "end"
            self._unexpected("a number or a text in single quotes is expected here")
        value = float(token.value)
        if value == float("inf"):
            self._fail(f"the number {token.value} is too large", token.at)
        return Literally(sign * value, token.at)

    def _infix(self, left: Node, power: int) -> Node | None:
        """`left` and what the next sign or word makes of it; None where none binds so tightly."""
        token = self._next
        if token.kind == "sign" and token.value in _ARITHMETIC:
            binding = _ARITHMETIC[token.value]
            if binding < power:
                return None
            sign = cast("ArithmeticSign", self._take().value)
            return Arithmetic(sign, left, self._expression(binding + 1), token.at)
        if token.kind == "sign" and token.value in _COMPARISONS and power <= _COMPARISON:
            compared = cast("ComparisonSign", self._take().value)
            right = self._expression(_SUM)
            return self._one_comparison(Comparison(compared, left, right, token.at))
        if self._is_word("not", "in", "between", "is") and power <= _COMPARISON:
            return self._one_comparison(self._test(left))
        for word, binding in (("and", _AND), ("or", _OR)):
            if self._is_word(word) and power <= binding:
                return self._joined(left, word, binding)
        return None

    def _one_comparison(self, found: Node) -> Node:
        token = self._next
        is_second = token.kind == "sign" and token.value in _COMPARISONS
        if is_second or self._is_word("in", "between", "is"):
            self._fail(
                "a comparison follows another; join two by AND: 1 < amount AND amount < 5", token.at
            )
        return found

    def _joined(self, left: Node, word: str, binding: int) -> Node:
        at = self._next.at
        operands = [left]
        while self._takes_word(word):
            operands.append(self._expression(binding + 1))
        return Joined("AND" if word == "and" else "OR", tuple(operands), at)

    def _test(self, left: Node) -> Node:
        """`IS [NOT] NULL`, `[NOT] IN (...)` or `[NOT] BETWEEN ... AND ...`."""
        at = self._next.at
        if self._takes_word("is"):
            is_not = self._takes_word("not")
            self._expect_word("null")
            return Not(Missing(left, at), at) if is_not else Missing(left, at)
        is_not = self._takes_word("not")
        found: Node
        if self._takes_word("in"):
            found = Among(left, self._values(), at)
        elif self._takes_word("between"):
            low = self._expression(_SUM)
            self._expect_word("and")
            high = self._expression(_SUM)
            found = Between(left, low, high, at)
        else:
            self._unexpected("IN or BETWEEN is missing here")
        return Not(found, at) if is_not else found

    def _values(self) -> tuple[Literally, ...]:
        self._expect_sign("(", ": IN takes a list in brackets")
        values = [self._literal()]
        while self._takes_sign(","):
            values.append(self._literal())
        self._expect_sign(")", ", at the end of the list")
        return tuple(values)

    def _case(self, token: Token) -> Case:
        branches = []
        if not self._is_word("when"):
            self._unexpected("WHEN is missing here: CASE WHEN condition THEN value ... END")
        while self._takes_word("when"):
            condition = self._expression(_OR)
            self._expect_word("then")
            branches.append((condition, self._expression(_OR)))
        otherwise = self._expression(_OR) if self._takes_word("else") else None
        self._expect_word("end")
        return Case(tuple(branches), otherwise, token.at)

    def _call(self, name: Token) -> Call:
        if name.value not in FUNCTIONS:
            hint = _REFUSED.get(name.value)
            more = f"; {hint}" if hint else did_you_mean(name.value, FUNCTIONS)
            self._fail(
                f"there is no function {name.value}{more}. Rules may call: {', '.join(FUNCTIONS)}",
                name.at,
            )
        self._expect_sign("(", "")
        arguments = [self._expression(_OR)]
        while self._takes_sign(","):
            arguments.append(self._expression(_OR))
        self._expect_sign(")", f", for the ( of {name.value}")
        return Call(name.value, tuple(arguments), name.at)

    def _not_too_deep(self, node: Node) -> Node:
        if depth(node) > MOST_DEPTH:
            self._fail(f"the condition is nested deeper than {MOST_DEPTH}", node.at)
        return node

    def _unexpected(self, wanted: str) -> NoReturn:
        token = self._next
        hint = _REFUSED.get(token.value) if token.kind == "name" else None
        if hint:
            self._fail(f"{token.value.upper()} is not allowed: {hint}", token.at)
        found = "the end" if token.kind == "end" else repr(token.value)
        self._fail(f"{wanted}; found {found}", token.at)

    def _fail(self, problem: str, at: int) -> NoReturn:
        raise ConditionError(self._text, [Fault(problem, at)])
