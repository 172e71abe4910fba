"""What the page shows can be used as it stands."""

import re
from pathlib import Path

import pytest

from fraud_assets.feeds import load_feeds
from fraud_assets.rule_files import parse_rules
from fraud_assets.rule_yaml import MOST_RULES
from gpu_ops.rule_columns import RULE_COLUMNS, SCORE_COLUMNS, TRANSACTION_COLUMNS
from gpu_ops.sql_condition import Condition
from gpu_ops.sql_parsing import FUNCTIONS
from gpu_ops.sql_syntax import MOST_DEPTH
from gpu_ops.sql_tokens import MOST_CHARACTERS, MOST_TOKENS

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_file_is_one_of_rules() -> None:
    (rule,) = parse_rules(block("yaml").encode(), "docs/rules.md", load_feeds())
    assert rule.rule.code == "RULE_NIGHT_CASH_OUT"


@pytest.mark.parametrize("condition", block("sql").splitlines())
def test_each_condition_can_be_used(condition: str) -> None:
    assert Condition.of(condition, RULE_COLUMNS).columns


def test_the_page_names_what_there_is() -> None:
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {*TRANSACTION_COLUMNS, *SCORE_COLUMNS, *FUNCTIONS} <= named
    limits = f"{MOST_CHARACTERS:,} characters, {MOST_TOKENS:,} words, {MOST_DEPTH} expressions"
    assert f"{limits} in each other, {MOST_RULES} rules" in PAGE
