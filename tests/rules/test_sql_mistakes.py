"""What is no condition is refused, with the place and what to do."""

import time

import pytest

from gpu_ops.rule_columns import REFUSED_COLUMNS, RULE_COLUMNS
from gpu_ops.sql_condition import Condition, ConditionError
from gpu_ops.sql_syntax import MOST_DEPTH


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConditionError) as caught:
        Condition.of(text, RULE_COLUMNS, REFUSED_COLUMNS)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1, column 1: a value is missing here; found the end"),
        ("amont > 5", "line 1, column 1: there is no column 'amont'; did you mean 'amount'?"),
        ("amount > 5 AND\n  is_fraud", "line 2, column 3: 'is_fraud' cannot be read: a label is"),
        ("label_known_at IS NULL", "column 1: 'label_known_at' cannot be read: a label is not"),
        (
            "is_night AND amount > 5",
            "column 1: AND takes true or false, this is a number; write is_night = 1",
        ),
        ("amount = 'much'", "column 10: = takes values of one kind: a number before, this is text"),
        ("kind > 5", "column 1: > takes a number, this is text"),
        ("NOT kind", "column 5: NOT takes true or false, this is text"),
        ("kind BETWEEN 1 AND 2", "column 1: BETWEEN takes a number, this is text"),
        ("amount BETWEEN 1 AND kind", "column 22: BETWEEN takes a number, this is text"),
        ("abs(kind) > 5", "column 5: abs takes a number, this is text"),
        ("least(1, kind) > 5", "column 10: least takes a number, this is text"),
        ("CASE WHEN amount THEN 1 ELSE 2 END = 1", "column 11: WHEN takes true or false, this is"),
        ("amount > 5 IS NULL", "column 12: a comparison follows another; join two by AND"),
        ("amount IN (1) IN (2)", "column 15: a comparison follows another; join two by AND"),
        ("amount + kind > 5", "column 10: + takes a number, this is text"),
        ("kind IN ('card', 5)", "column 18: IN takes values of one kind"),
        ("CASE WHEN amount > 5 THEN 1 ELSE 'x' END = 1", "column 34: CASE takes values of one"),
        ("amount", "column 1: a condition is true or false, this is a number"),
        ("1 < 2", "column 3: the condition reads no column"),
        ("amount / 0 > 1", "column 8: what is divided by zero is null, so this never hits"),
        ("amount = NULL", "column 10: null is compared by IS NULL or IS NOT NULL alone"),
        ("1 < amount < 5", "column 12: a comparison follows another; join two by AND"),
        ("amount == 5", "column 8: == means nothing here: write one = to compare"),
        ('kind = "card"', 'column 8: " means nothing here: texts stand in single quotes'),
        ("kind = 'card", "column 8: ' means nothing here: the text that begins here has no end"),
        ("amount > 10%", "column 12: % means nothing here: there is no sign for percent"),
        ("amount > 5;", "column 11: ; means nothing here: a rule is one condition"),
        ("amount > 5 -- much", "column 12: -- means nothing here: comments belong into the YAML"),
        ("amount > 1e999", "column 10: the number 1e999 is too large"),
        ("amount > 1.2.3", "column 13: '1.2' is followed by no blank"),
        ("(amount > 5", "column 12: ) is missing here, for the ( before it; found the end"),
        ("amount > 5)", "column 11: the condition should end here, or go on with AND or OR"),
        ("amount BETWEEN 1", "column 17: AND is missing here; found the end"),
        ("kind IN ()", "column 10: a number or a text in single quotes is expected here"),
        ("amount IN (SELECT 1)", "column 12: SELECT is not allowed: a rule is one condition"),
        ("SELECT amount FROM rows", "column 1: SELECT is not allowed"),
        ("kind LIKE 'c%'", "column 6: LIKE is not allowed: write = or IN with whole texts"),
        ("CASE WHEN amount > 5 THEN 1", "column 28: END is missing here; found the end"),
        ("sum(amount) > 5", "column 1: there is no function sum. Rules may call: abs, ceil, "),
        ("cel(amount) > 5", "column 1: there is no function cel; did you mean 'ceil'?"),
        ("CAST(amount AS int) > 5", "column 1: there is no function cast; numbers, texts and"),
        ("__import__('os') = 1", "column 1: there is no function __import__"),
        ("abs(amount, 2) > 5", "column 1: abs takes 1 values, not 2"),
        ("coalesce(amount) > 5", "column 1: coalesce takes 2 to 100 values, not 1"),
        (
            f"least({', '.join(['amount'] * 101)}) > 5",
            "column 1: least takes 2 to 100 values, not 101",
        ),
    ],
)
def test_each_mistake_has_its_place_and_a_hint(text: str, told: str) -> None:
    (line,) = mistakes(text)
    assert told in line


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert [
        line.split(":")[0] for line in mistakes("amont > 5\nOR is_night\nOR kynd = 'card'")
    ] == [
        "line 1, column 1",
        "line 2, column 4",
        "line 3, column 4",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "amount" + ")" * 10_000,
        "NOT " * 5_000 + "amount > 1",
        "-" + "(-" * 4_000 + "amount" + ")" * 4_000,
        "amount" + " + amount" * 3_000 + " > 1",
        "abs(" * 4_000 + "amount" + ")" * 4_000 + " > 1",
        "CASE WHEN " * 1_000 + "amount > 1",
        "amount" + " / (amount" * (MOST_DEPTH - 4) + ")" * (MOST_DEPTH - 4) + " > 1",
        "nullif(" * (MOST_DEPTH - 4) + "amount" + ", 1)" * (MOST_DEPTH - 4) + " > 1",
        "amount > 1 AND " * 2_000 + "amount > 1",
        "'" * 19_999,
        "amount" + " + amount" * MOST_DEPTH + " > 1",
        "1<2 OR " * 2_000 + "amount > 1",
        "(amount > 1) AND " * 7_000 + "amount > 1",
        "kind = '" + "x" * 30_000 + "'",
    ],
)
def test_a_hostile_condition_is_refused_at_once(text: str) -> None:
    begun = time.process_time()
    (line,) = mistakes(text)
    assert time.process_time() - begun < 1.0
    assert any(word in line for word in ("deeper than", "more than", "too large", "no end"))


def test_what_is_long_but_flat_is_no_problem() -> None:
    ids = ", ".join(f"'C{number}'" for number in range(800))
    flat = " OR ".join(f"amount = {number}" for number in range(300))
    condition = Condition.of(f"payee_id IN ({ids}) AND ({flat})", RULE_COLUMNS)
    assert condition.of_row({"payee_id": "C799", "amount": 299.0}) is True
    assert condition.columns == {"payee_id", "amount"}


def test_one_condition_has_one_spelling() -> None:
    spelt = Condition.of(
        "NOT kind IN ('card')\n and (Amount>=1E3 or amount between 1 and 2)", RULE_COLUMNS
    )
    assert str(spelt) == (
        "(NOT (kind IN ('card'))) AND ((amount >= 1000.0) OR (amount BETWEEN 1.0 AND 2.0))"
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("amount - 3 - 2 > 1", "((amount - 3.0) - 2.0) > 1.0"),
        ("amount / 3 / 2 > 1", "((amount / 3.0) / 2.0) > 1.0"),
        ("amount - 3 * 2 + 1 > 1", "((amount - (3.0 * 2.0)) + 1.0) > 1.0"),
        ("-amount * 2 > 1", "((-amount) * 2.0) > 1.0"),
        ("- -amount > +1", "(-(-amount)) > 1.0"),
        ("amount != 1", "amount <> 1.0"),
        ("NOT amount = 1 AND amount > 2", "(NOT (amount = 1.0)) AND (amount > 2.0)"),
        ("NOT NOT amount IS NOT NULL", "NOT (NOT (NOT (amount IS NULL)))"),
        (
            "amount = 1 OR amount = 2 AND amount = 3",
            "(amount = 1.0) OR ((amount = 2.0) AND (amount = 3.0))",
        ),
        (
            "amount NOT BETWEEN 1 + 1 AND 3 AND kind = 'x'",
            "(NOT (amount BETWEEN (1.0 + 1.0) AND 3.0)) AND (kind = 'x')",
        ),
    ],
)
def test_signs_bind_as_in_sql(text: str, meant: str) -> None:
    assert str(Condition.of(text, RULE_COLUMNS)) == meant


def test_no_label_and_no_result_can_be_read() -> None:
    assert not {"is_fraud", "label_known_at", "may_alert", "reasons", "decision"} & set(
        RULE_COLUMNS
    )
    assert not set(REFUSED_COLUMNS) & set(RULE_COLUMNS)
