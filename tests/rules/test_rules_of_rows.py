"""Rules hit single rows as they hit tables, within their times and with their weights."""

from datetime import UTC, datetime
from typing import Final

import polars as pl
import pytest

from fraud_assets.rule_files import EXAMPLE, read_rules
from gpu_ops.engine import Engine
from gpu_ops.features import feature_table
from gpu_ops.rule_columns import RULE_COLUMNS, SCORE_COLUMNS, TRANSACTION_COLUMNS
from gpu_ops.rules import RULES, Rule, RuleSet, rule_hits, rule_reasons
from gpu_ops.sql_condition import ConditionError
from tests.busy_payments import busy_payments

EXAMPLES: Final = [one.rule for one in read_rules([EXAMPLE], ["sim", "paysim", "aml", "card"])]
LARGE: Final = Rule("RULE_LARGE", "rules", "It is large.", "amount > 100")
NIGHT: Final = Rule("RULE_NIGHT", "rules", "It is night.", "hour_of_day < 6", weight=3)


@pytest.fixture(scope="module")
def known() -> pl.DataFrame:
    """Rows with all that a rule may read: busy payments, their features, and made-up scores."""
    sent = busy_payments(400).sort("occurred_at", "transaction_id")
    made = feature_table(sent.lazy(), is_target=pl.lit(value=True), engine=Engine()).collect()
    places = pl.int_range(sent.height)
    scores = {
        name: pl.when(places % 3 > 0).then(places % 11 / 10).cast(pl.Float32)
        for name in SCORE_COLUMNS
    }
    return made.with_columns(sent.select(*TRANSACTION_COLUMNS).get_columns()).with_columns(**scores)


def test_every_rule_hits_rows_as_it_hits_the_table(known: pl.DataFrame) -> None:
    assert set(RULE_COLUMNS) <= set(known.columns)
    rows = known.rows(named=True)
    found = 0
    for rule in (*RULES, *EXAMPLES):
        hits = known.select(hit=rule.condition.fill_null(value=False))["hit"].to_list()
        assert [rule.hits(row) for row in rows] == hits, rule.code
        found += any(hits)
    # Else an agreement would prove nothing.
    assert found > 8


def test_rules_look_at_the_times_between_which_they_are_valid() -> None:
    spring = Rule(
        "RULE_SPRING",
        "rules",
        "It is spring.",
        "amount > 1",
        valid_from=datetime(2026, 3, 1, tzinfo=UTC),
        valid_until=datetime(2026, 6, 1, tzinfo=UTC),
    )
    at = [datetime(2026, month, 1, tzinfo=UTC) for month in (2, 3, 5, 6)]
    table = pl.DataFrame({"occurred_at": at, "amount": [5.0, 5.0, None, 5.0]})
    hits = [False, True, False, False]
    assert [spring.hits(row) for row in table.rows(named=True)] == hits
    assert table.select(hit=spring.condition.fill_null(value=False))["hit"].to_list() == hits
    assert spring.columns == {"amount", "occurred_at"}


def test_weights_are_summed_and_order_the_reasons() -> None:
    rules = RuleSet(own=(LARGE, NIGHT)).active
    assert [rule.code for rule in rules[:3]] == ["RULE_NIGHT", "RULE_LARGE", "PAYEE_RECENT_FRAUD"]
    table = pl.DataFrame(
        {"amount": [500.0, 5.0, 500.0], "hour_of_day": [3, 3, None], "payer_ring_score": [0.9] * 3}
    )
    found = table.select(
        rule_hits(table.columns, rules), reasons=rule_reasons(table.columns, rules)
    )
    assert found["rule_hits"].to_list() == [5, 4, 2]
    assert found["reasons"].to_list() == [
        ["RULE_NIGHT", "RULE_LARGE", "PAYER_IN_RING"],
        ["RULE_NIGHT", "PAYER_IN_RING"],
        ["RULE_LARGE", "PAYER_IN_RING"],
    ]


def test_the_digest_tells_what_hits_not_how_it_is_written() -> None:
    same = Rule("RULE_LARGE", "rules", "Another text.", "( Amount >  1e2 )")
    assert RuleSet(own=(LARGE,)).digest == RuleSet(own=(same,)).digest
    others = [
        Rule("RULE_LARGE", "rules", "It is large.", "amount >= 100"),
        Rule("RULE_LARGE", "rules", "It is large.", "amount > 100", weight=2),
        Rule("RULE_BIG", "rules", "It is large.", "amount > 100"),
        Rule(
            "RULE_LARGE", "rules", "", "amount > 100", valid_from=datetime(2026, 1, 1, tzinfo=UTC)
        ),
        Rule(
            "RULE_LARGE", "rules", "", "amount > 100", valid_until=datetime(2026, 1, 1, tzinfo=UTC)
        ),
    ]
    digests = {RuleSet(own=(one,)).digest for one in (LARGE, *others)}
    assert len(digests) == 6
    assert RuleSet(own=(LARGE, NIGHT)).digest == RuleSet(own=(NIGHT, LARGE)).digest
    assert RuleSet(shadow=(LARGE,)).digest == ""


def test_a_rule_that_cannot_be_used_is_none() -> None:
    with pytest.raises(ConditionError, match="no column 'amont'"):
        Rule("RULE_X", "rules", "", "amont > 5")
