"""A disk that is full, and lakes that may not be written."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

Cli = Callable[..., Result]

ROW = "t{0},2026-01-{1:02d}T12:00:00Z,payment,10.5,EUR,C{2},M1,0,\n"
HEADER = (
    "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id,is_fraud,label_known_at\n"
)
PAGE = 4096


@pytest.fixture
def small_csv(tmp_path: Path) -> Path:
    path = tmp_path / "small.csv"
    path.write_text(HEADER + "".join(ROW.format(n, 1 + n % 28, n % 9) for n in range(200)))
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A place whose lake is a disk of its own of 2 MiB."""
    lake = tmp_path / "lake"
    lake.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(lake)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(lake)], check=True)


def fill(disk: Path, left: int) -> Path:
    """A file that leaves some bytes of a disk free."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(max(free - left, 0) // PAGE * PAGE))
    return filler


@pytest.mark.slow
def test_a_full_disk_fails_in_words_and_the_next_run_goes_on(
    cli: Cli, small_disk: Path, small_csv: Path
) -> None:
    assert cli(small_disk, "land", str(small_csv), "--feed", "sim").exit_code == 0
    filler = fill(small_disk / "lake", left=10 * PAGE)
    full = cli(small_disk, "run", COLUMNS="1000")
    assert full.exit_code == 1
    words = "no space is left on the device; free some space and run again"
    assert words in full.stdout
    assert cli(small_disk, "status").exit_code == 0
    filler.unlink()
    again = cli(small_disk, "run")
    assert again.exit_code == 0, again.stderr
    assert words not in again.stdout
    out = small_disk / "raw.parquet"
    assert cli(small_disk, "export", "raw_transactions", "--out", str(out)).exit_code == 0


def test_landing_on_a_full_disk_leaves_no_half_file(
    cli: Cli, small_disk: Path, small_csv: Path
) -> None:
    fill(small_disk / "lake", left=2 * PAGE)
    refused = cli(small_disk, "land", str(small_csv), "--feed", "sim")
    assert refused.exit_code == 1
    assert "no space is left on the device" in refused.stderr
    assert not (small_disk / "lake" / "landing" / "sim" / "small.csv").exists()


def test_an_export_that_fills_the_disk_fails_in_words(
    cli: Cli, undisturbed: Path, small_disk: Path
) -> None:
    disk = small_disk / "lake"
    fill(disk, left=2 * PAGE)
    refused = cli(undisturbed, "export", "prepped_transactions", "--out", str(disk / "x.parquet"))
    assert refused.exit_code == 1
    assert "No space left on device" in refused.stderr
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_disk_that_may_only_be_read(cli: Cli, small_disk: Path, small_csv: Path) -> None:
    disk = small_disk / "lake"
    (disk / "landing" / "sim").mkdir(parents=True)
    shutil.copy(small_csv, disk / "landing" / "sim")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for command in (["land", str(small_csv), "--feed", "sim"], ["run"]):
        refused = cli(small_disk, *command)
        assert refused.exit_code == 1
        assert "the file system is read-only; choose a writable folder" in refused.output
    assert "landing/sim/small.csv: landed, not registered yet" in cli(small_disk, "status").stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_lake_folder_without_write_permission(cli: Cli, tmp_path: Path, small_csv: Path) -> None:
    lake = tmp_path / "lake"
    (lake / "landing" / "sim").mkdir(parents=True)
    shutil.copy(small_csv, lake / "landing" / "sim")
    lake.chmod(0o555)
    try:
        refused = cli(tmp_path, "run")
        assert refused.exit_code == 1
        assert "permission denied; make it writable for this user" in refused.output
        assert cli(tmp_path, "status").exit_code == 0
    finally:
        lake.chmod(0o755)


def test_a_lake_below_a_file_is_no_lake(cli: Cli, tmp_path: Path, small_csv: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    for command in (
        ["land", str(small_csv), "--feed", "sim"],
        ["run"],
        ["train"],
        ["status"],
        ["clean"],
        ["export", "fraud_rings", "--out", str(tmp_path / "out.parquet")],
    ):
        refused = cli(tmp_path, *command)
        assert refused.exit_code == 1
        assert f"{tmp_path / 'lake'} is a file; choose another folder" in refused.stderr
