import threading
from pathlib import Path

import polars as pl
import pytest

from resources.lake import Lake, MissingObjectError


def test_opening_a_lake_creates_nothing(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "lake"))
    assert lake.list("") == []
    assert lake.folders("") == []
    assert not lake.exists("a")
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    "url",
    ["", " ", "gs://bucket", "https://host/x", "s3://", "s3://UPPER/x", "s3:bucket", "file:x"],
)
def test_an_address_of_no_lake_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected a folder, file:///folder or s3://bucket/prefix"):
        Lake.open(url)


def test_file_addresses_and_paths_are_the_same_lake(tmp_path: Path) -> None:
    Lake.open(f"file://{tmp_path}/x").put("a", b"1")
    assert Lake.open(str(tmp_path / "x")).get("a") == b"1"


def test_objects_are_put_got_replaced_and_deleted(lake: Lake) -> None:
    assert lake.put("a/b=c/1.json", b"one")
    assert lake.put("a/b=c/1.json", b"two!")
    assert lake.get("a/b=c/1.json") == b"two!"
    assert lake.head("a/b=c/1.json").size == 4
    assert lake.get_many(["a/b=c/1.json"] * 2) == [b"two!", b"two!"]
    lake.delete(["a/b=c/1.json", "never/was"])
    assert not lake.exists("a/b=c/1.json")
    with pytest.raises(MissingObjectError, match=r"a/b=c/1\.json"):
        lake.get("a/b=c/1.json")
    with pytest.raises(MissingObjectError):
        lake.head("a/b=c")


def test_create_writes_only_where_nothing_is(lake: Lake) -> None:
    assert lake.put("x", b"first", create=True)
    assert not lake.put("x", b"second", create=True)
    assert lake.get("x") == b"first"


def test_one_of_many_creators_wins(lake: Lake) -> None:
    lake.put("warm", b"")
    barrier = threading.Barrier(8)
    won: list[int] = []

    def create(number: int) -> None:
        barrier.wait()
        if lake.put("lock", str(number).encode(), create=True):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert lake.get("lock") == str(won[0]).encode()


def test_listings_are_sorted_and_keep_to_whole_folders(lake: Lake) -> None:
    for key in ("f/b", "f/a/z", "f/c/d/e", "fa/x", "f.txt"):
        lake.put(key, b"1")
    assert [info.key for info in lake.list("f")] == ["f/a/z", "f/b", "f/c/d/e"]
    assert [info.key for info in lake.list("")] == ["f.txt", "f/a/z", "f/b", "f/c/d/e", "fa/x"]
    assert lake.folders("f") == ["a", "c"]
    assert lake.folders("") == ["f", "fa"]
    assert lake.list("nowhere") == []
    assert lake.folders("nowhere") == []


def test_listing_and_head_agree_and_the_etag_follows_the_content(lake: Lake) -> None:
    lake.put("a", b"1")
    before = lake.head("a")
    assert lake.list("") == [before]
    lake.put("a", b"2")
    assert lake.head("a").etag != before.etag


@pytest.mark.parametrize(
    "name", ["a b'\"q.csv", "é.csv", "x%20.csv", "a..b", "a*b?.csv", "a+b&c.csv", "x#1.csv", "~"]
)
def test_odd_names_survive(lake: Lake, name: str) -> None:
    lake.put(f"n/{name}", name.encode())
    assert [info.key for info in lake.list("n")] == [f"n/{name}"]
    assert lake.get(f"n/{name}") == name.encode()


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/./b", "a\nb"])
def test_a_key_that_no_store_holds_is_refused(lake: Lake, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        lake.put(key, b"1")


def test_files_go_in_and_out(lake: Lake, tmp_path: Path) -> None:
    big = bytes(range(256)) * 80_000  # above one chunk of a multipart upload
    source = tmp_path / "source"
    source.write_bytes(big)
    lake.put_file("in/big", source)
    assert source.read_bytes() == big
    lake.fetch("in/big", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == big
    with lake.local_copy("in/big") as path:
        assert path.read_bytes() == big
    with pytest.raises(MissingObjectError), lake.local_copy("in/none"):
        pass
    with pytest.raises(MissingObjectError):
        lake.fetch("in/none", tmp_path / "none")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "lake") == [
        "out",
        "source",
    ]
    assert [info.key for info in lake.list("")] == ["in/big"]


def test_moving_a_file_in_replaces_what_was_there(lake: Lake) -> None:
    lake.put("a/b", b"old")
    with lake.scratch() as scratch:
        (scratch / "x").write_bytes(b"new")
        lake.put_file("a/b", scratch / "x", move=True)
    assert lake.get("a/b") == b"new"
    assert not scratch.exists()


def test_several_parquet_files_are_one_table_whatever_their_path_looks_like(
    lake: Lake, tmp_path: Path
) -> None:
    for number, value in enumerate([7, 8]):
        pl.DataFrame({"x": [value]}).write_parquet(tmp_path / "t.parquet")
        lake.put_file(f"raw/feed=a [b]*/day=1/{number}.parquet", tmp_path / "t.parquet")
    keys = [f"raw/feed=a [b]*/day=1/{number}.parquet" for number in (1, 0)]
    assert lake.scan_parquet(keys).collect().to_dict(as_series=False) == {"x": [8, 7]}
    with pytest.raises(ValueError, match="no Parquet"):
        lake.scan_parquet([])


def test_the_marker_of_an_empty_folder_in_s3_lists_no_object_below_it(
    s3_lake: Lake, s3_endpoint: str
) -> None:
    import boto3

    s3_lake.put("landing/card/x.csv", b"1")
    client = boto3.client("s3", endpoint_url=s3_endpoint, region_name="eu-west-1")
    for marker in ("landing/", "landing/card/", "landing/aml/"):
        client.put_object(
            Bucket=s3_lake.location.bucket, Key=f"{s3_lake.location.prefix}/{marker}", Body=b""
        )
    assert "landing/card/x.csv" in [info.key for info in s3_lake.list("landing")]
    assert s3_lake.folders("landing") == ["aml", "card"]
