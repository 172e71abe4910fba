"""`status` and `export` look at a lake and leave every byte of it as it is."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fraud_assets.feeds import load_feeds
from fraud_assets.upload_records import Upload
from fraud_assets.uploads import Uploads
from resources.lake import Lake

Cli = Callable[..., Result]

ROWS = "transaction_id,occurred_at\nt-1,2026-01-01T00:00:00+00:00\n"


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, and every folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A lake in which a run was killed between claiming an order and registering.

    The record of the upload before it is damaged; its claim holds the copy. Another file landed.
    """
    lake = Lake.open(str(tmp_path / "lake"))
    uploads = Uploads(lake, load_feeds(None))
    for name in ("first", "second"):
        lake.put(f"landing/sim/{name}.csv", (ROWS + name).encode())
        (upload,) = uploads.discover().new
        if name == "first":
            record = f"received/{upload.key}/upload.json"
        else:
            lake.delete([f"received/{upload.key}/upload.json"])
    lake.put(record, b"{")
    lake.put("received/order/00000009", b"{")
    lake.put("landing/sim/third.csv", ROWS.encode())
    return tmp_path


def test_status_writes_nothing_and_tells_what_it_sees(cli: Cli, interrupted: Path) -> None:
    lake = interrupted / "lake"
    before = contents(lake)
    for path in [lake, *lake.rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)
    try:
        shown = cli(interrupted, "status", "--json")
        text = cli(interrupted, "status")
    finally:
        for path in [lake, *lake.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
    assert contents(lake) == before
    assert (shown.exit_code, text.exit_code) == (0, 0), shown.output
    told = json.loads(shown.stdout)
    assert [one["file"] for one in told["uploads"]] == ["first.csv"]
    assert {
        "landing/sim/second.csv: landed, not registered yet",
        "landing/sim/third.csv: landed, not registered yet",
        "received/order/00000009 cannot be read and is passed over",
    } <= set(told["problems"])


def test_an_export_of_one_upload_writes_nothing_to_the_lake(cli: Cli, interrupted: Path) -> None:
    lake = interrupted / "lake"
    before = contents(lake)
    (key,) = (path.name for path in (lake / "received").glob("sim-first-*"))
    out = str(interrupted / "raw.parquet")
    asked = cli(interrupted, "export", "raw_transactions", "--upload", key, "--out", out)
    assert asked.exit_code == 1
    assert "raw_transactions has no visible version yet" in asked.stderr
    assert contents(lake) == before


def test_what_status_left_the_next_look_mends(cli: Cli, interrupted: Path) -> None:
    assert cli(interrupted, "status").exit_code == 0
    lake = Lake.open(str(interrupted / "lake"))
    uploads = Uploads(lake, load_feeds(None))
    assert [one.file for one in uploads.discover().new] == ["second.csv", "third.csv"]
    assert [one.file for one in uploads.all()] == ["first.csv", "second.csv", "third.csv"]
    record = lake.get(f"received/{uploads.all()[0].key}/upload.json")
    assert Upload.model_validate_json(record).file == "first.csv"


def test_status_of_no_lake_makes_none(cli: Cli, tmp_path: Path) -> None:
    assert cli(tmp_path, "status").stdout.startswith("Nothing has landed in ")
    assert not (tmp_path / "lake").exists()
