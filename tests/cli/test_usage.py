"""What the command line answers: exit codes, words, one JSON object, tables as wide as asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

Cli = Callable[..., Result]
Environment = Callable[[Path], dict[str, str]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: "),
        (["nosuch"], "No such command 'nosuch'"),
        (["simulate", "--rows", "0", "--out", "x"], "0 is not in the range x>=1"),
        (["simulate", "--rows", "100"], "Missing option '--out'"),
        (["simulate", "--rows", "10", "--out", "x"], "simulate more rows or fewer rings"),
        (
            ["simulate", "--rows", "10", "--rings", "0", "--out", "x", "--files", "11"],
            "files must be",
        ),
        (["land", "x.csv"], "Missing option '--feed'"),
        (["land", "x.csv", "--feed", "nosuch"], "known feeds: aml, card, paysim, sim"),
        (["run", "extra"], "Got unexpected extra argument (extra)"),
        (["export", "nosuch", "--out", "x"], "tables: raw_transactions, prepped_transactions"),
        (["export", "fraud_rings", "--upload", "k", "--out", "x"], "leave --upload out"),
        (["export", "fraud_rings"], "Missing option '--out'"),
        (["clean", "--older-than-days", "-1"], "-1.0 is not in the range x>=0"),
    ],
)
def test_wrong_usage_exits_2(
    cli: Cli, tmp_path: Path, arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = cli(tmp_path, *arguments)
    assert refused.exit_code == 2
    assert words in refused.output


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"FRAUD_LAKE": "ftp://x"}, "'ftp://x' names no lake"),
        ({"FRAUD_LAKE": "s3://"}, "'s3://' names no lake"),
        ({"FRAUD_DAILY_CAPCITY": "5"}, "did you mean FRAUD_DAILY_CAPACITY?"),
        ({"FRAUD_DAILY_CAPACITY": "many"}, "FRAUD_DAILY_CAPACITY='many'"),
        ({"FRAUD_FEEDS_DIR": "nosuch"}, "nosuch is not a folder"),
        ({"FRAUD_FEEDS_DIR": "feeds"}, "feeds/own.yaml"),
    ],
)
@pytest.mark.parametrize("command", ["status", "run", "train"])
def test_wrong_settings_exit_1_in_words(
    cli: Cli,
    tmp_path: Path,
    command: str,
    variables: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feeds").mkdir()
    (tmp_path / "feeds" / "own.yaml").write_text("name: [own\n")
    refused = cli(tmp_path, command, **variables)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: ")
    assert words in refused.stderr
    assert refused.stdout == ""


def test_a_bucket_without_credentials_is_told(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    refused = cli(tmp_path, "status", FRAUD_LAKE="s3://some-bucket")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "there are no AWS credentials; set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in refused.stderr


def test_an_empty_lake(cli: Cli, tmp_path: Path) -> None:
    shown = cli(tmp_path, "status")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.stdout == f"Nothing has landed in {tmp_path / 'lake'} yet; land a file first.\n"
    for asset in ("raw_transactions", "fraud_rings"):
        refused = cli(tmp_path, "export", asset, "--out", str(tmp_path / "x.parquet"))
        assert refused.exit_code == 1
        assert refused.stderr == f"Error: {asset} has no visible version yet\n"
    empty = cli(tmp_path, "run", "--json")
    assert empty.exit_code == 0
    assert json.loads(empty.stdout) == {
        "uploads": [],
        "labels": [],
        "problems": [],
        "assets": {},
        "model": {"version": None, "status": None, "metrics": {}, "feeds": {}},
        "alerts": {"transactions": 0, "rings": 0, "published": 0},
    }
    trained = cli(tmp_path, "train", "--json")
    assert trained.exit_code == 1
    assert json.loads(trained.stdout)["problems"] == [
        "nothing is processed yet; land files and run first"
    ]
    assert cli(tmp_path, "clean").stdout == "removed 0 attempts\n"


def test_land_takes_what_it_can_and_names_the_rest(cli: Cli, tmp_path: Path) -> None:
    for name in ("good.csv", "x.csv#1", "table.xlsx", ".hidden.csv"):
        (tmp_path / name).write_text("a\n")
    (tmp_path / "folder.csv").mkdir()
    names = ["good.csv", "x.csv#1", "table.xlsx", ".hidden.csv", "folder.csv", "nosuch.csv"]
    landed = cli(tmp_path, "land", *(str(tmp_path / name) for name in names), "--feed", "sim")
    assert landed.exit_code == 1
    assert landed.stdout == "landing/sim/good.csv\n"
    told = landed.stderr.replace(f"{tmp_path}/", "").splitlines()
    assert [line.split(";")[0] for line in told] == [
        "Error: 'x.csv#1' cannot be landed: its name ends in '#' and digits, which listings hide",
        "Error: 'table.xlsx' cannot be landed: its kind is not known",
        "Error: '.hidden.csv' cannot be landed: names that begin with '.' or '_' are passed over",
        "Error: 'folder.csv' is no regular file",
        "Error: there is no file 'nosuch.csv'",
    ]
    assert [path.name for path in (tmp_path / "lake/landing/sim").iterdir()] == ["good.csv"]


def test_simulated_files_can_be_landed(cli: Cli, tmp_path: Path) -> None:
    made = cli(
        tmp_path, "simulate", "--rows", "500", "--days", "3", "--rings", "1", "--seed", "4",
        "--out", str(tmp_path / "made"), "--files", "2",
    )  # fmt: skip
    assert made.exit_code == 0
    files = made.stdout.split()
    assert [Path(file).name for file in files] == ["transactions-001.csv", "transactions-002.csv"]
    assert cli(tmp_path, "land", *files, "--feed", "sim").exit_code == 0


def test_run_prints_one_json_object_and_tells_its_progress_elsewhere(
    cli: Cli, undisturbed: Path
) -> None:
    told = json.loads(cli(undisturbed, "run", "--json").stdout)
    assert list(told) == ["uploads", "labels", "problems", "assets", "model", "alerts"]
    (upload,) = told["uploads"]
    assert {name: upload[name] for name in upload if name != "key"} == {
        "feed": "sim",
        "file": "a.csv",
        "state": "accepted",
        "reason": "",
        "received": 3024,
        "accepted": 3024,
        "duplicate": 0,
        "quarantined": 0,
        "stale": False,
    }
    assert upload["key"].startswith("sim-a-")
    assert (told["model"]["version"], told["model"]["status"]) == ("sim-1", "Approved")
    assert {"average_precision", "roc_auc"} <= told["model"]["metrics"].keys()
    assert told["alerts"]["published"] == told["alerts"]["transactions"] + told["alerts"]["rings"]
    status = json.loads(cli(undisturbed, "status", "--json").stdout)
    assert {**status, "assets": {}} == {**told, "assets": {}}


def test_training_reports_figures_of_every_asset(cli: Cli, copied: Path) -> None:
    trained = cli(copied, "train", "--json")
    assert trained.exit_code == 0, trained.stderr
    assets = json.loads(trained.stdout)["assets"]
    assert list(assets) == ["training_set", "fraud_model", "model_evaluation", "registered_model"]
    for figures in assets.values():
        assert list(figures) == ["rows", "seconds", "peak_mib"]
        assert figures["seconds"] > 0
        assert figures["peak_mib"] > 50
    assert "training: sim" in trained.stderr


def test_exported_tables_keep_their_columns(cli: Cli, undisturbed: Path, tmp_path: Path) -> None:
    status = json.loads(cli(undisturbed, "status", "--json").stdout)
    key = status["uploads"][0]["key"]
    starts = {
        "raw_transactions": [
            "transaction_id", "occurred_at", "kind", "amount", "currency", "payer_id", "payee_id",
            "payer_balance_before", "payee_balance_before", "is_fraud", "label_known_at",
            "source_file", "source_row",
        ],
        "prepped_transactions": ["transaction_id"],
        "augmented_transactions": ["transaction_id"],
    }  # fmt: skip
    holds = {
        "augmented_transactions": {"anomaly_score", "fraud_probability"},
        "fraud_rings": {
            "ring_id", "pattern", "score", "accounts", "transaction_ids", "first_at", "last_at",
        },
        "published_alerts": {"alert_id", "rank", "expected_loss", "reasons", "explanation"},
    }  # fmt: skip
    out = tmp_path / "missing" / "folder" / "x.parquet"
    for asset in starts | holds:
        chosen = ["--upload", key] if asset in starts else []
        done = cli(undisturbed, "export", asset, *chosen, "--out", str(out))
        assert (done.exit_code, done.stdout) == (0, f"{out}\n")
        columns = list(pl.read_parquet_schema(out))
        assert columns[: len(starts.get(asset, []))] == starts.get(asset, [])
        assert holds.get(asset, set()) <= set(columns)
    refused = cli(
        undisturbed, "export", "raw_transactions", "--upload", "nosuch", "--out", str(out)
    )
    assert refused.exit_code == 1
    assert "there is no upload 'nosuch'" in refused.stderr


def test_an_export_below_a_file_fails_in_words(cli: Cli, undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "x.parquet"
    refused = cli(undisturbed, "export", "fraud_rings", "--out", str(out))
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: ")
    assert str(tmp_path / "file") in refused.stderr


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_what_a_person_reads_is_as_wide_as_the_terminal(
    cli: Cli, undisturbed: Path, columns: int
) -> None:
    shown = cli(undisturbed, "status", COLUMNS=str(columns)).stdout
    assert "sim   a.csv  accepted     3,024     3,024          0            0" in shown
    _, _, alerts = shown.partition("Alerts: ")
    title, *lines = alerts.splitlines()
    assert "of the latest day, 2024-02-09" in title
    assert lines
    assert max(len(line) for line in lines) <= columns
    ranked = [line.split()[:2] for line in lines if line[:5].strip()]
    assert ranked[0] == ["1", "transaction"]
    assert len(ranked) <= 8


def test_a_feed_whose_definition_is_gone(cli: Cli, tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    shipped = Path(__file__).parents[2] / "fraud_assets" / "feeds" / "sim.yaml"
    (feeds / "own.yaml").write_text(shipped.read_text().replace("name: sim", "name: own"))
    (tmp_path / "x.csv").write_text("a\n")
    landed = cli(
        tmp_path, "land", str(tmp_path / "x.csv"), "--feed", "own", FRAUD_FEEDS_DIR=str(feeds)
    )
    assert landed.exit_code == 0, landed.stderr
    refused = cli(tmp_path, "run", "--json", FRAUD_FEEDS_DIR=str(feeds))
    assert json.loads(refused.stdout)["uploads"][0]["state"] == "refused"
    for refusal in (tmp_path / "lake" / "quarantine").rglob("refused.json"):
        refusal.unlink()
    gone = cli(tmp_path, "run", "--json")
    assert gone.exit_code == 1
    (upload,) = json.loads(gone.stdout)["uploads"]
    assert upload["state"] == "failed"
    assert upload["reason"] == "there is no feed 'own' any more; put its definition back"


@pytest.mark.parametrize("wrong", ["below a file", "broken dagster.yaml", "unknown key", "no lock"])
def test_an_instance_that_cannot_be_used(cli: Cli, tmp_path: Path, wrong: str) -> None:
    home = tmp_path / "home"
    if wrong == "below a file":
        home.write_text("")
    else:
        home.mkdir()
        broken = {"broken dagster.yaml": "a: [", "unknown key": "nosuch: 1\n"}
        if wrong in broken:
            (home / "dagster.yaml").write_text(broken[wrong])
        else:
            (home / ".fraud-assets.lock").mkdir()
    refused = cli(tmp_path, "run", "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: the Dagster instance in {home} cannot be used: ")
    assert refused.stderr.endswith("or choose another folder with DAGSTER_HOME\n")


def test_a_reader_that_goes_away_is_no_error(
    process_environment: Environment, undisturbed: Path
) -> None:
    """As in `fraud-assets status | head -1`: the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "fraud_assets.cli", "status"],
        env=process_environment(undisturbed),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
