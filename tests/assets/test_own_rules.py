"""Rules of one's own: they screen like the project's, and a changed one is seen."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fraud_assets.feeds import load_feeds
from fraud_assets.rescoring import due_for_scores, rules_now, screening_lines

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Rows

TEXT = "The amount is one of those that the ring of last spring paid."
FILE = f"""
rules:
  - {{code: RULE_SPRING, text: {TEXT}, when: "amount = 666.66 AND kind = 'payment'", weight: 2}}
  - {{code: RULE_CARDS, text: Cards., when: amount > 0, feeds: [card]}}
  - {{code: RULE_TRIED, text: Tried., when: currency = 'EUR', status: shadow}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "own.yaml").write_text(FILE)
    return tmp_path / "rules"


@pytest.fixture
def screened(project_of: "ProjectOf", folder: Path, rows: "Rows") -> "Project":
    """Three payments of which the second is hit; 666.66 is another number in Float32."""
    project = project_of(rules_dir=folder)
    paid = [
        {"transaction_id": f"t-{number}", "amount": amount, "kind": "payment"}
        for number, amount in enumerate((10.0, 666.66, 20.0))
    ]
    project.ingest(rows(*paid), "three.parquet")
    return project


def key_of(project: "Project") -> str:
    (key,) = project.states()
    return key


def test_a_rule_of_ones_own_makes_alerts_that_tell_its_text(
    screened: "Project", folder: Path
) -> None:
    key = key_of(screened)
    table = screened.table("augmented_transactions", key)
    assert table["reasons"].to_list() == [[], ["RULE_SPRING"], []]
    assert table["may_alert"].to_list() == [False, True, False]
    assert screened.run("refresh_alerts").success
    (alert,) = screened.table("published_alerts").rows(named=True)
    assert (alert["subject_id"], alert["reasons"]) == ("t-1", ["RULE_SPRING"])
    assert TEXT in alert["explanation"]
    assert "RULE_" not in alert["explanation"]
    scored = screened.manifest("augmented_transactions", key)
    assert scored.extra["rules"] == [
        {"code": "RULE_SPRING", "text": TEXT, "weight": 2, "status": "active", "hits": 1},
        {"code": "RULE_TRIED", "text": "Tried.", "weight": 1, "status": "shadow", "hits": 3},
    ]
    assert len(scored.inputs["rules"]) == 16
    assert screened.manifest("transaction_alerts").inputs["rules"] == scored.inputs["rules"]
    # A mistake stops the scoring and says where; what was scored stays.
    (folder / "own.yaml").write_text(FILE.replace("amount = 666.66", "amont = 666.66"))
    outcome = screened.run("score_upload", key)
    assert not outcome.success
    assert "own.yaml:3: RULE_SPRING: when, line 1, column 1: there is no column 'amont'" in (
        outcome.reason
    )
    assert screened.manifest("augmented_transactions", key) == scored


def test_a_changed_rule_is_due_and_a_changed_text_is_not(screened: "Project", folder: Path) -> None:
    def due() -> list[str]:
        rules = rules_now(screened.settings, load_feeds())
        return [one.upload.key for one in due_for_scores(screened.states().values(), {}, rules)]

    key = key_of(screened)
    (folder / "own.yaml").write_text(FILE.replace(TEXT, "Another text."))
    assert due() == []
    (folder / "own.yaml").write_text(FILE.replace("666.66", "20"))
    assert due() == [key]
    states = screened.states().values()
    assert screening_lines(states, screened.settings, load_feeds()) == [
        "sim: 1 upload was screened by other rules than those of now; run --backfill"
    ]
    (folder / "own.yaml").write_text(FILE.replace("amount = 666.66", "amont = 666.66"))
    (mistake,) = screening_lines(states, screened.settings, load_feeds())
    assert "own.yaml:3: RULE_SPRING: when" in mistake
    (folder / "own.yaml").write_text(FILE.replace("666.66", "20"))
    before = screened.manifest("augmented_transactions", key).number
    assert screened.run("score_upload", key).success
    assert due() == []
    after = screened.manifest("augmented_transactions", key)
    assert after.number == before + 1
    reasons = screened.table("augmented_transactions", key)["reasons"].to_list()
    assert reasons == [[], [], ["RULE_SPRING"]]
    (folder / "own.yaml").unlink()
    assert due() == [key]
    assert screened.run("score_upload", key).success
    none = screened.manifest("augmented_transactions", key)
    assert ("rules" in none.inputs, "rules" in none.extra, due()) == (False, False, [])
