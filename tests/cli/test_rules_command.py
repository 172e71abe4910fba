"""`fraud-assets rules`: mistakes, lists, and what a rule would have found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from click.testing import Result

from fraud_assets import layers
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.versions import Versions

Cli = Callable[..., Result]

FILE: Final = """
rules:
  - code: RULE_LARGE_TRANSFER
    text: The transfer is large.
    when: kind = 'transfer' AND amount >= 100
    status: disabled
  - code: RULE_NEVER
    text: Nothing is like this.
    when: amount < 0
    feeds: [paysim]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.yaml").write_text(FILE)
    return tmp_path


def found_by_hand(place: Path) -> dict[str, float]:
    versions = Versions(Lake.open(str(place / "lake")))
    scored = list(layers.visible(versions, "augmented_transactions", "sim").values())
    rows = versions.scan_all(scored).collect()
    alerts = versions.latest(layers.snapshot_slot("published_alerts"))
    assert alerts is not None
    told = versions.scan(alerts).collect()
    ids = set(told["subject_id"]) | {
        one
        for name in ("related_transaction_ids", "transaction_ids")
        for listed in told[name].drop_nulls()
        for one in listed
    }
    hits = rows.filter(pl.col("kind") == "transfer", pl.col("amount") >= 100)
    champion = ModelRegistry(versions).champion("sim")
    assert champion is not None
    learned_until = champion.split.validation.end + champion.split.label_delay
    knew_later = (pl.col("model_version") == champion.name) & (
        pl.col("occurred_at") < learned_until
    )
    return {
        "rows": rows.height,
        "hits": hits.height,
        "fraud_hits": int(hits["is_fraud"].sum()),
        "frauds": int(rows["is_fraud"].sum()),
        "alerted_hits": len(ids & set(hits["transaction_id"])),
        "in_sample_hits": hits.filter(pl.col("in_sample") | knew_later).height,
    }


def test_a_rule_is_tried_on_the_stored_past(cli: Cli, undisturbed: Path, folder: Path) -> None:
    def run(*arguments: str) -> str:
        asked = ("rules", "backtest", *arguments, "--feed", "sim")
        told = cli(undisturbed, *asked, FRAUD_RULES_DIR=str(folder))
        assert told.exit_code == 0, told.stderr
        return told.stdout

    (found,) = json.loads(run("RULE_LARGE_TRANSFER", "--json"))["backtests"]
    expected = found_by_hand(undisturbed)
    assert {name: found[name] for name in expected} == expected
    assert 0 < expected["fraud_hits"] < expected["hits"]
    assert 0 < expected["alerted_hits"] < expected["hits"]
    assert 0 < expected["in_sample_hits"] < expected["hits"]
    assert found["precision"] == pytest.approx(expected["fraud_hits"] / expected["hits"])
    assert sum(one["hits"] for one in found["by_day"]) == expected["hits"]
    assert "RULE_LARGE_TRANSFER" not in {one["code"] for one in found["overlaps"]}
    assert {"PAYEE_IN_RING", "ANOMALY_HIGH"} <= {one["code"] for one in found["overlaps"]}
    # The same rule from a file that is in no folder, on fewer days.
    draft = folder / "draft.txt"
    draft.write_text(FILE)
    days = ("--since", "2024-02-01", "--until", "2024-02-03")
    both = json.loads(run(str(draft), *days, "--json"))["backtests"]
    assert [one["rule"] for one in both] == ["RULE_LARGE_TRANSFER", "RULE_NEVER"]
    assert (both[0]["first"][:10], both[0]["last"][:10]) == ("2024-02-01", "2024-02-03")
    text = run(str(draft), *days)
    assert f"It hits {both[0]['hits']} of them" in text
    assert "It hits nothing." in text


def test_mistakes_are_all_shown_with_their_place(cli: Cli, folder: Path) -> None:
    (folder / "own.yaml").write_text(FILE.replace("kind =", "kynd ="))
    (folder / "more.yaml").write_text(FILE.replace("amount < 0", "sum(amount) < 0"))
    told = cli(folder, "rules", "check", FRAUD_RULES_DIR=str(folder))
    assert told.exit_code == 1
    assert told.stdout.splitlines() == [
        (
            f"{folder}/more.yaml:9: RULE_NEVER: when, line 1, column 1: there is no function sum. "
            "Rules may call: abs, ceil, coalesce, floor, greatest, least, nullif"
        ),
        "    sum(amount) < 0",
        "    ^",
        (
            f"{folder}/own.yaml:5: RULE_LARGE_TRANSFER: when, line 1, column 1: there is no column "
            "'kynd'; did you mean 'kind'?"
        ),
        "    kynd = 'transfer' AND amount >= 100",
        "    ^",
    ]
    one = cli(folder, "rules", "check", str(folder / "more.yaml"))
    assert "kynd" not in one.stdout
    (folder / "more.yaml").unlink()
    (folder / "own.yaml").write_text(FILE)
    assert cli(folder, "rules", "check", FRAUD_RULES_DIR=str(folder)).stdout == (
        "2 rules, no mistakes\n"
    )


def test_rules_are_listed(cli: Cli, folder: Path) -> None:
    def run(*arguments: str) -> str:
        return cli(folder, "rules", "list", *arguments, FRAUD_RULES_DIR=str(folder)).stdout

    listed = json.loads(run("--feed", "sim", "--json"))["rules"]
    assert (listed[0]["code"], listed[0]["status"]) == ("RULE_LARGE_TRANSFER", "disabled")
    assert "RULE_NEVER" not in {one["code"] for one in listed}
    assert listed[-1]["code"] == "ANOMALY_HIGH"
    assert "RULE_NEVER" in run()


def test_what_has_no_answer_is_told(cli: Cli, folder: Path) -> None:
    def refused(*arguments: str) -> str:
        told = cli(folder, "rules", "backtest", *arguments, FRAUD_RULES_DIR=str(folder))
        assert told.exit_code in {1, 2}
        return told.stderr

    assert "did you mean 'RULE_NEVER'?" in refused("RULE_NEVR", "--feed", "sim")
    assert "there is no feed 'sin'" in refused("RULE_NEVER", "--feed", "sin")
    assert "no transaction of sim is scored" in refused("RULE_NEVER", "--feed", "sim")
    days = ("--since", "2024-02-03", "--until", "2024-02-02")
    assert "--since lies after --until" in refused("RULE_NEVER", "--feed", "sim", *days)
    (folder / "none.yaml").write_text("rules: []")
    assert "none.yaml' holds no rule" in refused(str(folder / "none.yaml"), "--feed", "sim")
    (folder / "own.yaml").write_text("rules: 5")
    assert "own.yaml: it holds one key" in refused("RULE_NEVER", "--feed", "sim")
