"""The temporary files of a step: in the lake's own place, and gone after a kill."""

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from fraud_assets.step_scratch import step_scratch
from resources.lake import Lake, LakeUnavailableError

SCRIPT = Path(__file__).with_name("killed_main.py")
HEADER = (
    "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id,is_fraud,label_known_at\n"
)
ROW = "t{0},2026-01-{1:02d}T12:00:00Z,payment,10.5,EUR,SECRET{2},M1,0,\n"


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_clean_removes_the_rows_that_a_kill_left(
    cli: Callable[..., Result],
    process_environment: Callable[[Path], dict[str, str]],
    tmp_path: Path,
) -> None:
    rows = "".join(ROW.format(number, 1 + number % 28, number % 9) for number in range(200))
    (tmp_path / "small.csv").write_text(HEADER + rows)
    assert cli(tmp_path, "land", str(tmp_path / "small.csv"), "--feed", "sim").exit_code == 0
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    died = subprocess.run(
        [sys.executable, SCRIPT, "raw", "before", "run"],
        env={
            **process_environment(tmp_path),
            "FRAUD_ENGINE": "cpu-streaming",
            "TMPDIR": str(temporary),
        },
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    left = files_below(tmp_path / "lake" / ".scratch")
    assert any(b"SECRET" in path.read_bytes() for path in left)
    assert not any(b"SECRET" in path.read_bytes() for path in files_below(temporary))
    assert cli(tmp_path, "clean").exit_code == 0
    assert list((tmp_path / "lake" / ".scratch").iterdir()) == []


def test_a_full_disk_is_told_in_words_and_other_errors_as_they_are(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    words = r"temporary files below .*lake/\.scratch .*no space is left on the device"
    with pytest.raises(LakeUnavailableError, match=words), step_scratch(lake) as folder:
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), step_scratch(lake) as folder:
        raise ZeroDivisionError
    assert not folder.exists()
