"""The command on a table whose figures follow from how it is made.

Sixty customers pay once a day for 56 days; on day d customer d has a fraud of a large amount, and
no other. Its label is known after seven days.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from fraud_assets.cli import main
from gpu_ops.booster_params import BoosterParams
from gpu_ops.own_model import EarlierFold, History, OwnModel, fit_own_model
from gpu_ops.published_models import PUBLISHED_MODELS

HEADER = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD,TX_FRAUD_SCENARIO"
START = datetime(2024, 1, 1, tzinfo=UTC)
CUSTOMERS, DAYS = 60, 56
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path) -> Call:
    def run(data: Path, *more: str, start: str = "2024-02-05") -> Result:
        arguments = ["backtest", "--feed", "card", "--data", str(data), "--train-start", start]
        result = CliRunner().invoke(
            main,
            [*arguments, *more],
            env={"FRAUD_LAKE": str(tmp_path / "lake"), "FRAUD_THREADS": "1"},
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def lines() -> list[str]:
    made = []
    for day in range(DAYS):
        for customer in range(CUSTOMERS):
            at = START + timedelta(days=day, hours=12, minutes=customer)
            fraud = customer == day
            amount = 300 + day if fraud else 10 + (7 * customer + 3 * day) % 40
            scenario = 1 + day % 2 if fraud else 0
            made.append(
                f"{day * CUSTOMERS + customer},{at:%Y-%m-%d %H:%M:%S},{customer},"
                f"{(customer + day) % 9},{amount},{int(fraud)},{scenario}"
            )
    return made


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    bad = "x,2024-01-05 10:00:00,1,1,much,0,0"
    path.write_text("\n".join([HEADER, *lines(), bad]) + "\n")
    return path


def test_figures_that_are_known_beforehand(call: Call, table: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "backtest.html"
    done = call(
        table, "--folds", "2", "--models", "ours,tree2_published", "--json",
        "--out", str(page),
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert "3,361 rows received: 3,360 accepted, 0 duplicate, 1 quarantined" in done.stderr
    assert told["rows"]["quarantined_by_reason"] == {"the amount is not a number": 1}
    first, second = told["folds"]
    assert (first["train_start"], second["train_start"]) == ("2024-02-05", "2024-01-29")
    models = {"ours", "tree2_published", "random", "oracle"}
    # On the j-th test day the customers of the first 7 + j days since training began are gone:
    # 7 x 60 - (7 + 8 + ... + 13) rows are left. By the other rule so are all before them.
    assert {name: first[name] for name in ("train_rows", "train_frauds", "test_rows")} == {
        "train_rows": 420,
        "train_frauds": 7,
        "test_rows": 350,
    }
    assert (first["test_frauds"], first["notes"]) == (7, [])
    assert first["known_removed"]["test_rows"] == sum(60 - 42 - day for day in range(7))
    assert second["known_removed"]["test_rows"] == sum(60 - 35 - day for day in range(7))
    perfect = {"auc": 1.0, "ap": 1.0, "cp100": 0.01}
    for fold in (first, second):
        assert set(fold["results"]) == models
        for model in ("oracle", "tree2_published", "ours"):
            assert fold["results"][model] == pytest.approx(perfect)
    assert set(told["mean"]) == set(told["std"]) == models
    assert told["mean"]["oracle"] == pytest.approx(perfect)
    assert told["std"]["oracle"] == {"auc": 0.0, "ap": 0.0, "cp100": 0.0}
    assert told["paired"]["reference"] == "ours"
    assert told["paired"]["mean"]["tree2_published"]["ap"] == pytest.approx(0.0)
    assert {name: one["frauds"] for name, one in first["scenarios"].items()} == {"1": 3, "2": 4}
    html = page.read_text()
    assert html.count("<polyline") == 2 * 3
    assert html.count("<h2>Fold") == 2
    assert not re.search(r"https?:|src=|url\(|<script|<link", html)


def test_a_model_chooses_by_folds_whose_labels_were_known(
    call: Call, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training starts on day 35 and the test on day 49; fold 2 trained from day 21, tested on 35.

    Ten test days would reach to day 44, but of 42 and later no label was known on day 49.
    """
    given: list[tuple[int, int, int] | None] = []

    def record(train: pl.DataFrame, history: History, **more: object) -> OwnModel:
        frames = (train, *(one for number in range(6) for one in parts(history(number))))
        given.extend(frame if frame is None else days_of(frame) for frame in frames)
        return fit_own_model(train, lambda _: None, params=BoosterParams(rounds_without_stopping=1))

    monkeypatch.setattr("fraud_assets.backtesting.fit_own_model", record)
    done = call(table, "--models", "ours", "--test-days", "10", "--json", start="2024-02-05")
    assert done.exit_code == 0, done.stderr
    assert given == [
        (35, 41, 420),
        (21, 27, 420), (35, 41, 420),
        (14, 20, 420), (28, 37, 600),
        (7, 13, 420), (21, 30, 600),
        (0, 6, 420), (14, 23, 600),
        None, None,
        None, None,
    ]  # fmt: skip
    assert json.loads(done.stdout)["folds"][0]["notes"] == [
        "the data end on 2024-02-25, before the test window does"
    ]


def parts(fold: EarlierFold | None) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    return (None, None) if fold is None else (fold.train, fold.test)


def days_of(frame: pl.DataFrame) -> tuple[int, int, int]:
    """First day, last day and rows; every feature is there, and every label."""
    assert not frame["is_fraud"].has_nulls()
    assert not frame["payer_count_30d"].has_nulls()
    days = (frame["occurred_at"] - START).dt.total_days().to_list()
    return min(days), max(days), frame.height


def test_windows_without_a_class_have_null_figures(call: Call, tmp_path: Path) -> None:
    harmless = tmp_path / "harmless.csv"
    rows = [line.rsplit(",", 2)[0] + ",0,0" for line in lines()]
    harmless.write_text("\n".join([HEADER, *rows]) + "\n")
    done = call(harmless, "--models", "logistic_published", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    nothing = {"auc": None, "ap": None, "cp100": None}
    everywhere = {"logistic_published": nothing, "random": nothing, "oracle": nothing}
    assert told["folds"][0]["results"] == told["mean"] == told["std"] == everywhere
    assert told["folds"][0]["notes"] == [
        "the training window has no fraud whose label was known: no model is fitted",
        "the test window has no fraud that counts: no figure is defined",
    ]
    shown = call(harmless, "--models", "logistic_published")
    assert "logistic_published" in shown.stdout
    assert "note: the training window has no fraud" in shown.stdout


def test_what_cannot_be_tested_is_said(call: Call, table: Path, tmp_path: Path) -> None:
    unlabelled = tmp_path / "unlabelled.csv"
    text = [line.rsplit(",", 2)[0] for line in [HEADER, *lines()]]
    unlabelled.write_text("\n".join(text) + "\n")
    broken = tmp_path / "broken.parquet"
    broken.write_text("PAR1")
    fewer = ("--models", "tree2_published")
    cases = [
        (call(unlabelled, *fewer), 1, "no transaction of unlabelled.csv has a label"),
        (call(broken, *fewer), 1, "broken.parquet is refused: the Parquet file is truncated"),
        (call(table, "--folds", "7", *fewer), 1, "fold 6 trains from 2023-12-25 on, but the data"),
        (call(table, start="2024-03-01"), 1, "the test of fold 0 begins on 2024-03-15"),
        (call(table, "--models", "ours,nosuch"), 2, "there is no model 'nosuch'; models: ours, "),
        (call(tmp_path / "nosuch.csv"), 2, "does not exist"),
        (call(table, start="5 February"), 2, "does not match the format '%Y-%m-%d'"),
    ]
    for result, code, words in cases:
        assert (result.exit_code, result.stdout) == (code, "")
        assert words in " ".join(result.stderr.split())


def test_the_page_of_the_documentation_has_every_model() -> None:
    page = (Path(__file__).parents[2] / "docs" / "backtests.md").read_text()
    for name, model in PUBLISHED_MODELS.items():
        assert f"| `{name}` | {model.about} | {model.source} |" in page
