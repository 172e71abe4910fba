"""A rule's backtest in words: what limits the figures is said beside them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from fraud_assets.rule_backtest import RuleBacktest
from fraud_assets.rule_report import backtest_lines
from gpu_ops.rule_figures import Day, rule_figures
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
    assert "3 uploads are left out: their features lack what the rule reads, or their" in flattered


def test_a_condition_is_shown_line_by_line_and_drives_no_terminal() -> None:
    rule = Rule("TRIED", "rules", "", "kind = '\x1b[2J'\n\tAND amount > 1\n")
    lines = list(
        backtest_lines(
            RuleBacktest("sim", rule, day(1), day(4), rule_figures(TABLE, "TRIED", []), 0)
        )
    )
    assert lines[2:4] == ["  kind = '?[2J'", "          AND amount > 1"]


def test_a_span_without_hits_or_labels_says_so() -> None:
    nothing = TABLE.with_columns(is_fraud=pl.lit(None, pl.Boolean()))
    rule = Rule("TRIED", "rules", "", "amount > 1")
    figures = rule_figures(nothing, "TRIED", ["OTHER"])
    text = " ".join(
        " ".join(backtest_lines(RuleBacktest("sim", rule, day(1), day(4), figures, 0))).split()
    )
    assert "No hit has a known label, so nothing tells how often it is right." in text
    assert "No fraud is known in these days, so nothing tells how much it finds." in text
    assert "Not known yet: the labels of 5 hits and of 8 transactions in all" in text
    never = rule_figures(TABLE.with_columns(pl.lit(value=False).alias("hit:TRIED")), "TRIED", [])
    lines = list(backtest_lines(RuleBacktest("sim", rule, day(1), day(4), never, 0)))
    assert "  It hits nothing." in lines
    assert not any(line.startswith("Hits a") for line in lines)


def test_what_it_finds_and_who_else_hits_is_told() -> None:
    text = told(Rule("TRIED", "rules", "", "amount > 1"))
    assert "Recall 66.7%: 2 of 3 known frauds, 150.00 of 550.00 (27.3%)." in text
    assert (
        "Published alerts hold 1 of the hits. Nothing else found 2 (40.0%): no alert, no other "
        "rule, no model; 1 frauds in 2 of them with a known label."
    ) in text
    assert "Not known yet: the labels of 1 hits and of 2 transactions in all" in text
    assert "rule its hits both hit of these hits OTHER 3 2 40.0%" in text
    assert "Hits a day day hits known frauds 2026-01-01 4 2 2026-01-02 1 0" in text


def days_told(count: int) -> list[str]:
    """The table of hits of so many days from Thursday 2026-01-01, each with 2 hits and 1 fraud."""
    rule = Rule("TRIED", "rules", "", "amount > 1")
    by_day = [Day(date(2026, 1, 1) + timedelta(days=past), 2, 1) for past in range(count)]
    figures = replace(rule_figures(TABLE, "TRIED", ["THIRD"]), by_day=tuple(by_day))
    lines = list(backtest_lines(RuleBacktest("sim", rule, day(1), day(4), figures, 0)))
    # A rule that hits nothing of the same is not listed.
    assert "Other rules that hit the same transactions" not in lines
    (start,) = (place for place, line in enumerate(lines) if line.startswith("Hits a "))
    return lines[start:]


def test_many_days_are_told_by_weeks_from_monday() -> None:
    month = days_told(31)
    assert month[0] == "Hits a day"
    assert len(month) == 33
    assert month[-1].split() == ["2026-01-31", "2", "1"]
    weeks = days_told(32)
    assert [line.split() for line in weeks] == [
        ["Hits", "a", "week"],
        ["week", "hits", "known", "frauds"],
        ["2025-12-29", "8", "4"],
        ["2026-01-05", "14", "7"],
        ["2026-01-12", "14", "7"],
        ["2026-01-19", "14", "7"],
        ["2026-01-26", "14", "7"],
    ]
