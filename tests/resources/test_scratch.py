"""Temporary folders: private, removed by whoever made them, and swept once nobody is left to."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from resources.lake import Lake, LakeLocation
from resources.s3 import S3Options
from resources.settings import Settings

DIES = """
import os, signal, sys
from pathlib import Path
from resources.scratch import make_scratch
folder = make_scratch(Path(sys.argv[1]))
(folder / "rows").write_text("C123")
print(folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
AT_ANY_AGE = timedelta(0)


def left_by_a_killed_process(parent: Path) -> Path:
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(parent)], capture_output=True, text=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    folder = Path(died.stdout.strip())
    assert (folder / "rows").read_text() == "C123"
    return folder


@pytest.fixture
def s3_lake_here(tmp_path: Path) -> Lake:
    """A lake in S3, which nothing contacts, with its temporary files in a folder of the test."""
    return Lake(LakeLocation(None, "some-bucket"), S3Options(), tmp_path / "temporary")


@pytest.fixture(params=["folder_lake", "s3_lake_here"])
def lake(request: pytest.FixtureRequest) -> Lake:
    lake = request.getfixturevalue(request.param)
    assert isinstance(lake, Lake)
    return lake


def test_what_a_killed_process_left_is_swept_at_once(lake: Lake) -> None:
    left = left_by_a_killed_process(lake.scratch_parent)
    young_but_abandoned = timedelta(days=1)
    assert lake.sweep(young_but_abandoned) == 1
    assert not left.exists()


def test_a_living_process_keeps_its_folder_at_any_age(lake: Lake) -> None:
    with lake.scratch() as mine:
        (mine / "rows").write_text("C123")
        os.utime(mine, (0, 0))
        assert lake.sweep(AT_ANY_AGE) == 0
        assert (mine / "rows").exists()
        assert mine.stat().st_mode & 0o077 == 0
    assert not mine.exists()


def test_nothing_but_such_folders_leaves_the_systems_temporary_folder(s3_lake_here: Lake) -> None:
    parent = s3_lake_here.scratch_parent
    elsewhere = f"fraud-scratch-{'0' * 12}-1-1-{'0' * 32}"
    for name in ("somebody-elses", elsewhere):
        (parent / name).mkdir(parents=True)
        os.utime(parent / name, (0, 0))
    assert s3_lake_here.sweep(AT_ANY_AGE) == 0
    assert sorted(path.name for path in parent.iterdir()) == [elsewhere, "somebody-elses"]


def test_in_a_local_lake_old_folders_of_other_machines_go(folder_lake: Lake) -> None:
    elsewhere = folder_lake.scratch_parent / f"fraud-scratch-{'0' * 12}-1-1-{'0' * 32}"
    elsewhere.mkdir(parents=True)
    assert folder_lake.sweep(timedelta(days=1)) == 0
    os.utime(elsewhere, (0, 0))
    assert folder_lake.sweep(timedelta(days=1)) == 1
    assert not elsewhere.exists()


def test_the_setting_chooses_the_folder_for_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAUD_LAKE", "s3://some-bucket/x")
    monkeypatch.setenv("FRAUD_SCRATCH", str(tmp_path))
    with Settings.load().open_lake().scratch() as folder:
        assert folder.parent == tmp_path
    monkeypatch.setenv("FRAUD_SCRATCH", str(tmp_path / "none"))
    with pytest.raises(ValueError, match=r"FRAUD_SCRATCH=.*is not a folder"):
        Settings.load()
