import errno
import resource
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from resources.attempts import _HashingFile
from resources.lake import Lake, LakeUnavailableError
from resources.versions import Slot, Versions

SLOT = Slot.snapshot("graphs/account_graph")


@pytest.fixture
def _small_files_only() -> Iterator[None]:
    """The system itself refuses to let any file grow beyond 100 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def noise() -> pl.DataFrame:
    return pl.DataFrame({"x": np.random.default_rng(0).normal(size=100_000)})


def test_a_table_that_the_system_refuses_to_store_leaves_the_last_version(
    folder_lake: Lake, noise: pl.DataFrame, request: pytest.FixtureRequest
) -> None:
    versions = Versions(folder_lake)
    attempt = versions.begin(SLOT, "run-1")
    attempt.write_table(noise.head(10))
    first = versions.publish(attempt, inputs={})
    request.getfixturevalue("_small_files_only")
    attempt = versions.begin(SLOT, "run-2")
    with pytest.raises(LakeUnavailableError, match=r"attempt=run-2/part-00000\.parquet .*file si"):
        attempt.write_table(noise)
    assert attempt.files == ()
    assert versions.latest(SLOT) == first
    assert folder_lake.folder is not None
    assert list((folder_lake.folder / ".scratch").iterdir()) == []
    with pytest.raises(LakeUnavailableError, match="allowed file size"):
        attempt.write_bytes("model.bin", bytes(200_000))


def test_a_full_disk_is_told_in_words(
    folder_lake: Lake, noise: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_HashingFile, "write", full)
    attempt = Versions(folder_lake).begin(SLOT, "run-1")
    with pytest.raises(LakeUnavailableError, match="no space is left on the device; free some"):
        attempt.write_table(noise)


def test_an_error_of_the_callers_own_plan_reaches_the_caller(folder_lake: Lake) -> None:
    attempt = Versions(folder_lake).begin(SLOT, "run-1")
    with pytest.raises(pl.exceptions.ColumnNotFoundError):
        attempt.write_table(pl.LazyFrame({"x": [1]}).select("y"))
