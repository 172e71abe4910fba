"""`fraud-assets what-if`: other levels, from scores that are stored."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

from fraud_assets import layers
from resources.lake import Lake
from resources.registry import ModelRegistry
from resources.versions import Versions

Cli = Callable[..., Result]


def judged_rows(place: Path) -> pl.DataFrame:
    """Stored rows from the test window on, which is after the windows of the model and the gap."""
    versions = Versions(Lake.open(str(place / "lake")))
    champion = ModelRegistry(versions).champion("sim")
    assert champion is not None
    scored = versions.scan_all(
        list(layers.visible(versions, "augmented_transactions", "sim").values())
    )
    return scored.filter(pl.col("occurred_at") >= champion.split.test.start).collect()


def test_changed_levels_stand_beside_the_present_ones(cli: Cli, undisturbed: Path) -> None:
    asked = ("what-if", "--feed", "sim", "--alert", "0.3", "--block", "0.6", "--json")
    told = json.loads(cli(undisturbed, *asked).stdout)
    rows = judged_rows(undisturbed)
    assert (told["rows"], told["frauds"]) == (rows.height, rows["is_fraud"].sum())
    assert (told["model"], told["unlabelled"]) == ("sim/1", 0)
    probability = pl.col("fraud_probability").cast(pl.Float64)
    blocked = rows.filter(probability >= 0.6)
    alerted = rows.filter(probability >= 0.3, probability < 0.6)
    changed, present = told["changed"], told["present"]
    days = rows["occurred_at"].dt.date().n_unique()
    assert (changed["alert"], changed["block"], changed["capacity"]) == (0.3, 0.6, 5)
    assert changed["alerts_a_day"] == pytest.approx(alerted.height / days)
    assert changed["blocks_a_day"] + changed["released_a_day"] == pytest.approx(
        blocked.height / days
    )
    assert 0 < changed["precision"] <= 1
    assert 0 < changed["recall"] <= 1
    assert changed["cost_of_nothing"] == pytest.approx(rows.filter("is_fraud")["amount"].sum())
    assert changed["savings"] == pytest.approx(1 - changed["cost"] / changed["cost_of_nothing"])
    champion = ModelRegistry(Versions(Lake.open(str(undisturbed / "lake")))).champion("sim")
    assert champion is not None
    assert champion.card.thresholds is not None
    assert present["alert"] == champion.card.thresholds.by_cost.alert
    assert present["block"] == champion.card.thresholds.by_cost.block


def test_a_span_of_days_a_capacity_and_the_text(cli: Cli, undisturbed: Path) -> None:
    last = judged_rows(undisturbed)["occurred_at"].dt.date().max()
    span = ("--from", str(last), "--to", str(last))
    asked = ("what-if", "--feed", "sim", "--alert", "0", "--block", "1", "--capacity", "2", *span)
    told = json.loads(cli(undisturbed, *asked, "--json").stdout)
    assert (
        told["rows"]
        == judged_rows(undisturbed).filter(pl.col("occurred_at").dt.date() == last).height
    )
    assert told["changed"]["reviews_a_day"] == 2.0
    text = cli(undisturbed, *asked).stdout
    assert ["present", "(by", "cost)", "changed"] in [line.split() for line in text.splitlines()]
    assert "reviewed a day" in text
    assert "sim/1" in text


def test_what_has_no_answer_is_told(cli: Cli, undisturbed: Path, tmp_path: Path) -> None:
    def refused(place: Path, *arguments: str) -> str:
        told = cli(place, "what-if", *arguments)
        assert told.exit_code in {1, 2}
        return told.stderr

    assert "there is no feed 'sin'" in refused(undisturbed, "--feed", "sin")
    assert "no model of sim is approved" in refused(tmp_path, "--feed", "sim")
    above = refused(undisturbed, "--feed", "sim", "--alert", "0.9", "--block", "0.2")
    assert "alert level 0.9 lies above the block level 0.2" in above
    late = refused(undisturbed, "--feed", "sim", "--from", "2030-01-01")
    assert "none in this span has a known label" in late
