"""Damaged versions: `status` names them, `run` makes them anew, published alerts stay."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

Cli = Callable[..., Result]
Tables = Callable[[Path], dict[str, pl.DataFrame]]

# One upload, so one folder each; `*` is its key.
MANIFESTS = {
    "raw": "raw/feed=sim/*/manifest/1.json",
    "prepped": "prepped/feed=sim/*/manifest/1.json",
    "augmented": "augmented/feed=sim/*/manifest/2.json",
    "account_graph": "graphs/account_graph/manifest/1.json",
    "fraud_rings": "graphs/fraud_rings/manifest/1.json",
    "published_alerts": "alerts/published_alerts/manifest/1.json",
    "model": "models/sim/manifest/1.json",
    "verdicts": "models/sim/registry/manifest/1.json",
    "training_set": "training/training_set/manifest/1.json",
}
MANIFEST_WORDS = "cannot be read"
MISSING_WORDS = "is missing"
SIZE_WORDS = "bytes instead of"


def manifest_of(lake: Path, what: str) -> Path:
    (path,) = lake.glob(MANIFESTS[what])
    return path


def part_of(lake: Path, what: str) -> Path:
    manifest = manifest_of(lake, what)
    described = json.loads(manifest.read_text())
    folder = manifest.parents[1] / f"attempt={described['attempt']}"
    return folder / str(described["files"][0]["name"])


def damage(lake: Path, what: str, how: str) -> str:
    """Damages a version; the name that must be told."""
    target = manifest_of(lake, what) if "manifest" in how else part_of(lake, what)
    if how == "corrupted manifest":
        target.write_text('{"number": "one"}')
    elif how == "truncated manifest":
        target.write_bytes(target.read_bytes()[:100])
    elif how == "missing part":
        target.unlink()
    else:
        target.write_bytes(target.read_bytes()[:-7])
    return target.relative_to(lake).as_posix()


def problems(cli: Cli, place: Path) -> str:
    """All that `status` finds wrong, as one text."""
    told = json.loads(cli(place, "status", "--json").stdout)
    shown = cli(place, "status")
    assert shown.exit_code == 0
    reasons = [upload["reason"] for upload in told["uploads"]]
    return "\n".join([*reasons, *told["problems"]]).strip()


@pytest.mark.parametrize(
    ("what", "how", "words"),
    [
        pytest.param("raw", "corrupted manifest", MANIFEST_WORDS, marks=pytest.mark.slow),
        ("raw", "missing part", MISSING_WORDS),
        pytest.param("prepped", "truncated manifest", MANIFEST_WORDS, marks=pytest.mark.slow),
        pytest.param("augmented", "part of another size", SIZE_WORDS, marks=pytest.mark.slow),
        pytest.param("account_graph", "missing part", MISSING_WORDS, marks=pytest.mark.slow),
        pytest.param("fraud_rings", "corrupted manifest", MANIFEST_WORDS, marks=pytest.mark.slow),
        ("published_alerts", "corrupted manifest", MANIFEST_WORDS),
        pytest.param("published_alerts", "missing part", MISSING_WORDS, marks=pytest.mark.slow),
        pytest.param("model", "truncated manifest", MANIFEST_WORDS, marks=pytest.mark.slow),
        pytest.param("model", "missing part", MISSING_WORDS, marks=pytest.mark.slow),
        pytest.param("verdicts", "corrupted manifest", MANIFEST_WORDS, marks=pytest.mark.slow),
    ],
)
def test_status_names_it_and_run_repairs_it(  # noqa: PLR0917 - four of them are fixtures
    what: str,
    how: str,
    words: str,
    cli: Cli,
    tables: Tables,
    undisturbed: Path,
    copied: Path,
) -> None:
    name = damage(copied / "lake", what, how)
    told = problems(cli, copied)
    assert name in told
    assert words in told
    repaired = cli(copied, "run", "--json")
    assert repaired.exit_code == 0, repaired.stderr
    assert problems(cli, copied) == ""
    expected = tables(undisturbed)
    for table, rows in tables(copied).items():
        assert rows.equals(expected[table]), table
    assert json.loads(repaired.stdout)["model"]["status"] == "Approved"
    again = cli(copied, "run", "--json")
    assert (again.exit_code, json.loads(again.stdout)["assets"]) == (0, {})


@pytest.mark.slow
def test_published_alerts_keep_who_published_them(
    cli: Cli, undisturbed: Path, copied: Path, tmp_path: Path
) -> None:
    damage(copied / "lake", "published_alerts", "corrupted manifest")
    cli(copied, "run")
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    cli(undisturbed, "export", "published_alerts", "--out", str(before))
    cli(copied, "export", "published_alerts", "--out", str(after))
    key = ["alert_id", "published_in"]
    assert (
        pl.read_parquet(after)
        .select(key)
        .sort(key)
        .equals(pl.read_parquet(before).select(key).sort(key))
    )
    told = [
        json.loads(line)["alert_id"]
        for file in sorted((copied / "lake" / "outbox" / "alerts").iterdir())
        for line in file.read_text().splitlines()
    ]
    assert sorted(told) == pl.read_parquet(before)["alert_id"].sort().to_list()


@pytest.mark.slow
def test_alerts_that_were_neither_told_nor_readable_are_published_anew(
    cli: Cli, tables: Tables, undisturbed: Path, copied: Path
) -> None:
    damage(copied / "lake", "published_alerts", "corrupted manifest")
    shutil.rmtree(copied / "lake" / "outbox")
    assert cli(copied, "run").exit_code == 0
    expected = tables(undisturbed)["published_alerts"]
    assert tables(copied)["published_alerts"].equals(expected)


@pytest.mark.slow
def test_an_unreadable_outbox_is_named_and_nothing_is_published_over_it(
    cli: Cli, copied: Path
) -> None:
    damage(copied / "lake", "published_alerts", "missing part")
    (told,) = (copied / "lake" / "outbox" / "alerts").iterdir()
    told.write_text("{]\n")
    refused = cli(copied, "run", "--json")
    assert refused.exit_code == 1
    assert "outbox/alerts/00000001.jsonl is no list of alerts; restore it" in refused.stdout
    assert len(list((copied / "lake" / "alerts" / "published_alerts" / "manifest").iterdir())) == 1


@pytest.mark.slow
def test_everything_damaged_at_once_is_repaired_in_one_run(
    cli: Cli, tables: Tables, undisturbed: Path, copied: Path
) -> None:
    for what in ("raw", "prepped", "account_graph", "published_alerts"):
        damage(copied / "lake", what, "corrupted manifest")
    repaired = cli(copied, "run")
    assert repaired.exit_code == 0, repaired.stderr
    expected = tables(undisturbed)
    for table, rows in tables(copied).items():
        assert rows.equals(expected[table]), table


def test_what_only_training_makes_is_left_to_training(cli: Cli, copied: Path) -> None:
    name = damage(copied / "lake", "training_set", "missing part")
    refused = cli(copied, "run", "--json")
    assert refused.exit_code == 1
    assert name in json.loads(refused.stdout)["problems"][0]
    trained = cli(copied, "train", "--json")
    assert trained.exit_code == 0, trained.stderr
    assert problems(cli, copied) == ""


def test_export_of_a_damaged_table_says_so(cli: Cli, copied: Path, tmp_path: Path) -> None:
    name = damage(copied / "lake", "raw", "missing part")
    out = tmp_path / "raw.parquet"
    refused = cli(copied, "export", "raw_transactions", "--out", str(out))
    assert refused.exit_code == 1
    assert f"Error: {name} is missing" in refused.stderr
    assert not out.exists()


@pytest.mark.slow
def test_received_bytes_that_are_gone_are_taken_from_landing_again(
    cli: Cli, tables: Tables, undisturbed: Path, copied: Path
) -> None:
    (data,) = (copied / "lake" / "received").glob("*/data.csv")
    data.unlink()
    damage(copied / "lake", "raw", "missing part")
    assert "landing/sim/a.csv: landed, not registered yet" in problems(cli, copied)
    assert cli(copied, "run").exit_code == 0
    assert tables(copied)["raw_transactions"].equals(tables(undisturbed)["raw_transactions"])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["missing", "other bytes"])
def test_received_bytes_that_are_damaged_for_good_are_named(
    cli: Cli, copied: Path, how: str
) -> None:
    shutil.rmtree(copied / "lake" / "landing")
    (data,) = (copied / "lake" / "received").glob("*/data.csv")
    name = data.relative_to(copied / "lake").as_posix()
    if how == "missing":
        data.unlink()
        assert f"{name} is missing or not of its" in problems(cli, copied)
    else:
        data.write_bytes(data.read_bytes()[::-1])
    damage(copied / "lake", "raw", "missing part")
    refused = cli(copied, "run", "--json")
    assert refused.exit_code == 1
    (upload,) = json.loads(refused.stdout)["uploads"]
    assert upload["state"] == "failed"
    words = {
        "missing": f"there is no {name} in the lake",
        "other bytes": f"{name} is not what was received",
    }
    assert words[how] in upload["reason"]
