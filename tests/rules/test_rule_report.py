"""A rule's backtest in words: what limits the figures is said beside them."""

from datetime import UTC, datetime

import pytest

from fraud_assets.rule_backtest import RuleBacktest
from fraud_assets.rule_report import backtest_lines
from gpu_ops.rule_figures import rule_figures
from gpu_ops.rules import Rule
from tests.rules.test_rule_figures import TABLE, day


def told(rule: Rule, left_out: int = 0) -> str:
    found = RuleBacktest(
        "sim", rule, day(1), day(4), rule_figures(TABLE, "TRIED", ["OTHER"]), left_out
    )
    return " ".join(" ".join(backtest_lines(found)).split())


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "outside"),
    [
        (None, None, ""),
        # All transactions lie in these times.
        (day(1), datetime(2026, 1, 5, tzinfo=UTC), ""),
        (datetime(2026, 3, 1, tzinfo=UTC), None, "no transaction before 2026-03-01 00:00 UTC, as"),
        (None, day(4), "no transaction from 2026-01-04 12:00 UTC on, as its file says"),
        (day(2), day(3), "before 2026-01-02 12:00 UTC and none from 2026-01-03 12:00 UTC on, as"),
    ],
)
def test_times_of_the_rule_that_leave_transactions_out_are_told(
    valid_from: datetime | None, valid_until: datetime | None, outside: str
) -> None:
    rule = Rule("TRIED", "rules", "", "amount > 1", 1, valid_from, valid_until)
    text = told(rule)
    assert outside in text
    assert ("a copy without these times" in text) == bool(outside)


def test_what_flatters_or_is_not_known_is_told() -> None:
    plain = told(Rule("TRIED", "rules", "", "amount > 1"))
    assert "It hits 5 of them, 1.7 a day and 4 on the fullest day; together 185.00." in plain
    assert (
        "Precision 50.0% (15.0% to 85.0%): 2 frauds in 4 hits with a known label, 1.0 times the "
        "share in all."
    ) in plain
    assert "reads scores" not in plain
    assert "uploads are left out" not in plain
    flattered = told(Rule("TRIED", "rules", "", "anomaly_score > 0"), left_out=3)
    assert "The rule reads scores, and 1 hits are transactions that these scores" in flattered
    assert "3 uploads are left out, whose features or scores are not of their" in flattered
