"""What only a folder can do wrong."""

import errno
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from resources.lake import Lake, LakeUnavailableError


def test_one_unlistable_name_hides_no_neighbour(folder_lake: Lake) -> None:
    folder_lake.put("landing/card/good.csv", b"1")
    folder = folder_lake.folder
    assert folder is not None
    for name in (b"x.csv#1", b"line\nbreak.csv", b"bad\xff.csv", b"back\\slash.csv"):
        (folder / "landing/card" / os.fsdecode(name)).write_bytes(b"1")
    (folder / "landing/card/broken").symlink_to("/does/not/exist")
    (folder / "landing/card/circle").symlink_to(folder / "landing")
    assert [info.key for info in folder_lake.list("landing")] == ["landing/card/good.csv"]
    assert folder_lake.hidden_files("landing") == [
        "landing/card/back\\slash.csv",
        "landing/card/bad\\xff.csv",
        "landing/card/broken",
        "landing/card/line\nbreak.csv",
        "landing/card/x.csv#1",
    ]


def test_links_to_files_and_folders_elsewhere_are_followed(
    folder_lake: Lake, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.csv").write_bytes(b"1")
    folder_lake.put("landing/x", b"1")
    assert folder_lake.folder is not None
    (folder_lake.folder / "landing/card").symlink_to(tmp_path / "elsewhere")
    assert [info.key for info in folder_lake.list("landing/card")] == ["landing/card/a.csv"]
    assert folder_lake.get("landing/card/a.csv") == b"1"


def test_a_lake_below_a_regular_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    lake = Lake.open(str(tmp_path / "file/lake"))
    message = rf"cannot write a/b in the lake {tmp_path}/file/lake: .*not a folder; choose another"
    with pytest.raises(LakeUnavailableError, match=message):
        lake.put("a/b", b"1")
    with pytest.raises(LakeUnavailableError, match="choose another"), lake.scratch():
        pass
    assert lake.list("") == []


@pytest.fixture
def _powerless() -> Iterator[None]:
    """The superuser, whom no permission stops, acts as nobody for a while."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    yield
    if was_root:
        os.seteuid(0)


def test_a_read_only_lake_says_so(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path / "lake"
    folder.mkdir()
    folder.chmod(0o555)
    request.getfixturevalue("_powerless")
    with pytest.raises(LakeUnavailableError, match=f"{folder}: permission denied; make it writ"):
        Lake.open(str(folder)).put("a", b"1")
    with pytest.raises(LakeUnavailableError, match="permission denied"):
        Lake.open(str(folder / "below")).put("a", b"1")
    with (
        pytest.raises(LakeUnavailableError, match="permission denied"),
        Lake.open(str(folder)).scratch(),
    ):
        pass


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "permission denied; make it writable for this user"),
        (errno.ENOSPC, "no space is left on the device; free some space and run again"),
        (errno.EROFS, "the file system is read-only; choose a writable folder"),
    ],
)
def test_the_systems_refusals_are_told_in_words(
    folder_lake: Lake, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(LakeUnavailableError, match=reason):
        folder_lake.put("a/b", b"1")


def test_an_error_number_inside_an_object_stores_text_is_understood(
    folder_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from obstore.exceptions import GenericError

    def refuse(*_: object, **__: object) -> None:
        raise GenericError("Generic LocalFileSystem error: No space left (os error 28)\n\nmore")

    monkeypatch.setattr("obstore.put", refuse)
    with pytest.raises(LakeUnavailableError, match="no space is left"):
        folder_lake.put("a/b", b"1")


def test_a_copy_that_fails_half_way_leaves_the_old_file_and_no_trace(
    folder_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_lake.put("a/b", b"old")
    source = tmp_path / "new"
    source.write_bytes(b"new content")

    def half(_: Path, target: Path) -> None:
        target.write_bytes(b"new c")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", half)
    with pytest.raises(LakeUnavailableError, match="no space is left"):
        folder_lake.put_file("a/b", source)
    assert folder_lake.get("a/b") == b"old"
    assert folder_lake.folder is not None
    assert list((folder_lake.folder / ".scratch").iterdir()) == []


def test_sweeping_removes_old_traces_of_killed_writers_only(folder_lake: Lake) -> None:
    folder_lake.put("raw/x", b"1")
    folder = folder_lake.folder
    assert folder is not None
    for name in (".scratch/old", ".scratch/young", "landing"):
        (folder / name).mkdir(parents=True)
    for name in (".scratch/old/f", "raw/x#1", "raw/y#1", "landing/user.csv#1"):
        (folder / name).write_bytes(b"1")
    for name in (".scratch/old", "raw/x#1", "landing/user.csv#1", "raw/x"):
        os.utime(folder / name, (0, 0))
    assert folder_lake.sweep(timedelta(days=1)) == 2
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    assert left == [
        ".scratch",
        ".scratch/young",
        "landing",
        "landing/user.csv#1",
        "raw",
        "raw/x",
        "raw/y#1",
    ]


def test_deleting_removes_emptied_folders_but_never_the_lake(folder_lake: Lake) -> None:
    folder_lake.put("a/b/c", b"1")
    folder_lake.put("a/d", b"1")
    folder_lake.delete(["a/b/c"])
    assert folder_lake.folders("a") == []
    folder_lake.delete(["a/d"])
    assert folder_lake.folder is not None
    assert folder_lake.folder.is_dir()
