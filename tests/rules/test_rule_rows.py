"""The rows that rules look at: what was sent, its features and its scores, side by side."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from fraud_assets.rule_notes import RULES, notes_of, rules_for
from fraud_assets.rule_rows import columns_read, hit_counts, hits_of, reasons_of, screened
from gpu_ops.rules import Rule, RuleSet
from resources.settings import Settings

AT = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
SENT = pl.DataFrame(
    {
        "occurred_at": AT,
        "kind": ["card", "transfer", "card"],
        "amount": [9_999.99, 10_000.0, 9_999.99],
    }
)
# As a feature the amount is rounded to Float32, which makes 9999.99 more than itself.
FEATURES = pl.DataFrame(
    {"occurred_at": AT, "amount": [9_999.99, 10_000.0, 9_999.99], "hour_of_day": [3, 3, None]},
    schema_overrides={"amount": pl.Float32, "hour_of_day": pl.UInt8},
)
SCORES = pl.DataFrame({"anomaly_score": [0.5, 0.9, 0.7]})
EXACT = Rule("RULE_EXACT", "rules", "It is exact.", "amount <= 9999.99 AND kind = 'card'")
NIGHT = Rule("RULE_NIGHT", "rules", "It is night.", "hour_of_day < 6", weight=3)
ODD = Rule("RULE_ODD", "rules", "It is odd.", "anomaly_score > 0.6 AND hour_of_day IS NULL")
OLD = Rule("RULE_OLD", "rules", "It reads what is not there.", "payer_count_30d > 0")
LATE = Rule("RULE_LATE", "rules", "It is late.", "amount > 0", valid_from=AT[2])
SET = RuleSet(own=(EXACT, NIGHT), shadow=(ODD, OLD, LATE))


def test_numbers_are_read_as_they_were_sent() -> None:
    rows = FEATURES.hstack(SCORES)
    # Beside the project's rules: ANOMALY_HIGH hits the last two.
    assert hits_of(rows, SENT.lazy(), SET).to_list() == [4, 4, 2]
    assert hits_of(rows, SENT.lazy(), RuleSet()).to_list() == [0, 1, 1]


def test_reasons_are_those_of_the_chosen_rows_in_their_order() -> None:
    chosen = pl.Series([2, 0])
    rows = FEATURES.hstack(SCORES)[chosen]
    assert reasons_of(rows, SENT.lazy(), chosen, SET).to_list() == [
        ["RULE_EXACT", "ANOMALY_HIGH"],
        ["RULE_NIGHT", "RULE_EXACT"],
    ]


def test_hits_are_counted_and_null_is_none() -> None:
    rules = (EXACT, NIGHT, ODD, LATE)
    table = screened(SENT.lazy(), FEATURES.lazy(), SCORES.lazy(), columns_read(rules))
    assert table.collect_schema() == {
        "occurred_at": pl.Datetime("us", "UTC"),
        "kind": pl.String(),
        "amount": pl.Float64(),
        "hour_of_day": pl.UInt8(),
        "anomaly_score": pl.Float64(),
    }
    counted = {"RULE_EXACT": 2, "RULE_NIGHT": 2, "RULE_ODD": 1, "RULE_LATE": 1}
    assert hit_counts(table, rules) == counted


def test_a_scored_version_notes_its_rules_also_those_that_could_not_look() -> None:
    notes = notes_of(SET, SENT.lazy(), FEATURES.lazy(), SCORES.lazy())
    listed = notes[RULES]
    assert isinstance(listed, list)
    told = [(one["code"], one["status"], one["hits"]) for one in listed if isinstance(one, dict)]
    assert told == [
        ("RULE_EXACT", "active", 2),
        ("RULE_NIGHT", "active", 2),
        ("RULE_ODD", "shadow", 1),
        ("RULE_OLD", "shadow", 0),
        ("RULE_LATE", "shadow", 1),
    ]
    assert notes_of(RuleSet(), SENT.lazy(), FEATURES.lazy(), SCORES.lazy()) == {}


def test_mistakes_in_rules_stop_the_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text("rules:\n- {code: RULE_A, text: a, when: amont > 5}")
    monkeypatch.setenv("FRAUD_RULES_DIR", str(tmp_path))
    settings = Settings.load()
    with pytest.raises(dg.Failure, match=r"(?s)have mistakes.*a\.yaml:2: RULE_A: when, line 1"):
        rules_for(settings, "sim", ["sim"])
