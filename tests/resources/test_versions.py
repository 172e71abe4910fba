import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.lake import Lake, MissingObjectError
from resources.versions import (
    Attempt,
    CorruptManifestError,
    Manifest,
    MissingPartError,
    OvertakenError,
    Slot,
    Versions,
)

SLOT = Slot.upload("raw", "card", "card-week1-0a1b2c3d")
PREFIX = "raw/feed=card/upload=card-week1-0a1b2c3d"
TABLE = pl.DataFrame(
    {
        "transaction_id": ["a", "b", "c"],
        "occurred_at": [datetime(2024, 3, day, 12, tzinfo=UTC) for day in (2, 1, 3)],
    },
    schema_overrides={"occurred_at": pl.Datetime("us", "UTC")},
)


@pytest.fixture
def versions(lake: Lake) -> Versions:
    return Versions(lake)


def staged(versions: Versions, run: str, table: pl.DataFrame = TABLE) -> Attempt:
    attempt = versions.begin(SLOT, run)
    attempt.write_table(table)
    return attempt


def published(versions: Versions, run: str, table: pl.DataFrame = TABLE) -> Manifest:
    return versions.publish(staged(versions, run, table), inputs={"received": "1"})


def keys(lake: Lake) -> list[str]:
    return [info.key for info in lake.list("") if not info.key.endswith("started.json")]


def test_nothing_is_visible_before_it_is_published(lake: Lake, versions: Versions) -> None:
    attempt = versions.begin(SLOT, "run-1")
    scan = attempt.write_table(TABLE.lazy())
    assert scan.collect().equals(TABLE)
    assert versions.latest(SLOT) is None
    assert versions.slots("") == []
    assert keys(lake) == [f"{PREFIX}/attempt=run-1/part-00000.parquet"]


def test_a_published_version_tells_what_it_is(lake: Lake, versions: Versions) -> None:
    attempt = staged(versions, "run-1")
    manifest = versions.publish(attempt, inputs={"received": "x"}, extra={"received": 4})
    assert keys(lake) == [
        f"{PREFIX}/attempt=run-1/part-00000.parquet",
        f"{PREFIX}/manifest/1.json",
    ]
    assert manifest == versions.latest(SLOT) == versions.get(SLOT, 1)
    assert (manifest.number, manifest.slot, manifest.run_id) == (1, PREFIX, "run-1")
    assert manifest.rows == 3
    assert list(manifest.columns) == ["transaction_id", "occurred_at"]
    assert manifest.event_from == datetime(2024, 3, 1, 12, tzinfo=UTC)
    assert manifest.event_to == datetime(2024, 3, 3, 12, tzinfo=UTC)
    assert manifest.inputs == {"received": "x"}
    assert manifest.extra == {"received": 4}
    assert versions.scan(manifest).collect().equals(TABLE)
    assert versions.problems(SLOT, hashes=True) == []
    assert versions.slots("raw") == [SLOT]
    assert versions.latest_below("raw/feed=card") == {SLOT: manifest}
    assert versions.slots("prepped") == []


def test_publishing_the_same_again_changes_nothing(lake: Lake, versions: Versions) -> None:
    first = published(versions, "run-1")
    before = keys(lake)
    assert published(versions, "run-2") == first
    assert keys(lake) == before


def test_other_content_or_other_inputs_make_the_next_version(versions: Versions) -> None:
    published(versions, "run-1")
    assert published(versions, "run-2", TABLE.head(2)).number == 2
    attempt = staged(versions, "run-3", TABLE.head(2))
    assert versions.publish(attempt, inputs={"received": "2"}).number == 3
    assert versions.all_numbers(SLOT) == [1, 2, 3]
    assert versions.scan(versions.get(SLOT, 1)).collect().equals(TABLE)
    latest = versions.latest(SLOT)
    assert latest is not None
    assert latest.number == 3


def test_numbers_are_compared_as_numbers(versions: Versions) -> None:
    for rows in range(11):
        published(versions, f"run-{rows}", TABLE.head(rows % 2))
    latest = versions.latest(SLOT)
    assert latest is not None
    assert latest.number == 11


def test_a_run_that_tries_again_leaves_what_its_first_try_published(versions: Versions) -> None:
    first = published(versions, "run-1")
    again = published(versions, "run-1", TABLE.head(1))
    assert versions.scan(first).collect().equals(TABLE)
    assert versions.scan(again).collect().equals(TABLE.head(1))


def test_an_empty_table_is_a_version_without_times(versions: Versions) -> None:
    manifest = published(versions, "run-1", TABLE.clear())
    assert (manifest.rows, manifest.event_from, manifest.event_to) == (0, None, None)
    assert versions.scan(manifest).collect().equals(TABLE.clear())


def test_parts_make_one_table_and_other_files_stand_beside_it(versions: Versions) -> None:
    attempt = versions.begin(SLOT, "run-1")
    attempt.write_table(TABLE.head(2), "part-00000")
    attempt.write_table(TABLE.tail(1), "part-00001")
    attempt.write_table(pl.DataFrame({"edge": [1]}), "edges")
    attempt.write_bytes("model.bin", b"\x00\x01")
    with pytest.raises(ValueError, match="columns differ"):
        attempt.write_table(pl.DataFrame({"x": [1]}), "part-00002")
    with pytest.raises(ValueError, match="written already"):
        attempt.write_bytes("model.bin", b"2")
    with pytest.raises(ValueError, match="no file name"):
        attempt.write_bytes("../x", b"2")
    manifest = versions.publish(attempt, inputs={})
    assert manifest.rows == 3
    assert versions.scan(manifest).collect().equals(TABLE)
    assert versions.scan(manifest, "edges").collect().to_dicts() == [{"edge": 1}]
    assert versions.read_bytes(manifest, "model.bin") == b"\x00\x01"
    with pytest.raises(KeyError):
        versions.read_bytes(manifest, "other.bin")


def test_several_versions_are_scanned_as_one_table(versions: Versions) -> None:
    one = published(versions, "run-1", TABLE.head(1))
    attempt = versions.begin(Slot.upload("raw", "card", "b"), "run-1")
    attempt.write_table(TABLE.tail(2))
    two = versions.publish(attempt, inputs={})
    assert versions.scan_all([one, two]).collect().equals(TABLE)
    assert [slot.upload_key for slot in versions.slots("raw")] == ["b", "card-week1-0a1b2c3d"]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"number": 2}', b"\xff\xfe"])
def test_a_corrupt_newest_manifest_is_named_and_the_next_publication_mends_it(
    lake: Lake, versions: Versions, damage: bytes
) -> None:
    published(versions, "run-1")
    lake.put(f"{PREFIX}/manifest/2.json", damage)
    name = r"raw/feed=card/upload=card-week1-0a1b2c3d/manifest/2\.json cannot be read"
    with pytest.raises(CorruptManifestError, match=name):
        versions.latest(SLOT)
    with pytest.raises(CorruptManifestError, match=name):
        versions.latest_below("raw")
    assert "manifest/2.json cannot be read" in versions.problems(SLOT)[0]
    mended = published(versions, "run-2")
    assert mended.number == 3
    assert versions.latest(SLOT) == mended
    assert versions.scan(mended).collect().equals(TABLE)


def test_a_manifest_copied_from_elsewhere_is_corrupt(lake: Lake, versions: Versions) -> None:
    published(versions, "run-1")
    lake.put(f"{PREFIX}/manifest/2.json", lake.get(f"{PREFIX}/manifest/1.json"))
    with pytest.raises(CorruptManifestError, match=f"it is the manifest 1 of {PREFIX}"):
        versions.latest(SLOT)


def test_foreign_objects_beside_manifests_are_passed_over(lake: Lake, versions: Versions) -> None:
    first = published(versions, "run-1")
    for name in ("9.json.bak", "09.json", "0.json", "-7.json", "x.json", "7.txt"):
        lake.put(f"{PREFIX}/manifest/{name}", b"")
    assert versions.latest(SLOT) == first


def test_a_missing_or_torn_part_is_named_and_the_same_run_again_mends_it(
    lake: Lake, versions: Versions
) -> None:
    manifest = published(versions, "run-1")
    part = f"{PREFIX}/attempt=run-1/part-00000.parquet"
    size = manifest.files[0].size
    lake.put(part, lake.get(part)[:-5])
    with pytest.raises(MissingPartError, match=rf"{part} has {size - 5} bytes instead of {size}"):
        versions.scan(manifest)
    lake.delete([part])
    with pytest.raises(MissingPartError, match=f"{part} is missing"):
        versions.scan(manifest)
    with pytest.raises(MissingPartError, match=f"{part} is missing"):
        versions.read_bytes(manifest, "part-00000.parquet")
    assert "run again to repair it" in versions.problems(SLOT)[0]
    mended = published(versions, "run-2")
    assert mended.number == 2
    assert versions.scan(mended).collect().equals(TABLE)


def test_changed_bytes_of_equal_size_are_found_by_hash_and_mended(
    lake: Lake, versions: Versions
) -> None:
    published(versions, "run-1")
    part = f"{PREFIX}/attempt=run-1/part-00000.parquet"
    lake.put(part, bytes(len(lake.get(part))))
    assert versions.problems(SLOT) == []
    assert "another content than published" in versions.problems(SLOT, hashes=True)[0]
    assert versions.scan(published(versions, "run-2")).collect().equals(TABLE)


def test_killed_between_staging_and_publishing_leaves_the_last_good_version(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(versions, "run-1")
    attempt = staged(versions, "run-2", TABLE.head(1))

    def killed(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            versions.publish(attempt, inputs={"received": "1"})
    assert versions.latest(SLOT) == first
    again = published(versions, "run-3", TABLE.head(1))
    assert again.number == 2
    assert versions.scan(again).collect().equals(TABLE.head(1))


@pytest.mark.parametrize("follows", [None, 0])
def test_a_success_whose_answer_was_lost_does_not_drop_its_own_files(
    versions: Versions, monkeypatch: pytest.MonkeyPatch, follows: int | None
) -> None:
    attempt = staged(versions, "run-1")
    put = Lake.put

    def forgetful(lake: Lake, key: str, data: bytes, *, create: bool = False) -> bool:
        return put(lake, key, data, create=create) and "manifest" not in key

    monkeypatch.setattr(Lake, "put", forgetful)
    manifest = versions.publish(attempt, inputs={}, follows=follows)
    assert manifest.number == 1
    assert versions.all_numbers(SLOT) == [1]
    assert versions.scan(manifest).collect().equals(TABLE)


def test_what_follows_a_version_becomes_the_next_one_or_none(versions: Versions) -> None:
    first = versions.publish(staged(versions, "run-1"), inputs={}, follows=0)
    mine, theirs = (
        staged(versions, "mine", TABLE.head(1)),
        staged(versions, "theirs", TABLE.head(2)),
    )
    assert versions.publish(theirs, inputs={}, follows=first.number).number == 2
    message = (
        f"not published: {PREFIX} got version 2 meanwhile, and this one goes on from version 1"
    )
    with pytest.raises(OvertakenError, match=message):
        versions.publish(mine, inputs={}, follows=first.number)
    with pytest.raises(OvertakenError, match="this one would have been the first"):
        versions.publish(mine, inputs={}, follows=0)
    assert versions.all_numbers(SLOT) == [1, 2]
    latest = versions.latest(SLOT)
    assert latest is not None
    assert latest.attempt == "theirs"


def test_of_many_that_follow_one_version_one_is_published(versions: Versions) -> None:
    published(versions, "run-1", TABLE.clear())
    attempts = [staged(versions, f"run-{rows}", TABLE.head(rows)) for rows in (1, 2, 3)]
    got = race(versions, attempts, follows=1)
    assert [manifest.number for manifest in got] == [2]
    assert versions.all_numbers(SLOT) == [1, 2]


def test_a_corrupt_manifest_counts_among_what_is_followed(lake: Lake, versions: Versions) -> None:
    published(versions, "run-1")
    lake.put(f"{PREFIX}/manifest/2.json", b"{")
    with pytest.raises(OvertakenError, match="got version 2 meanwhile"):
        versions.publish(staged(versions, "run-2", TABLE.head(1)), inputs={}, follows=1)
    assert versions.publish(staged(versions, "run-3"), inputs={}, follows=2).number == 3


def race(versions: Versions, attempts: list[Attempt], follows: int | None = None) -> list[Manifest]:
    """Publishes all attempts at once; what each publisher got that was not overtaken."""
    barrier = threading.Barrier(len(attempts))
    got: list[Manifest] = []

    def publish(attempt: Attempt) -> None:
        barrier.wait()
        with suppress(OvertakenError):
            got.append(versions.publish(attempt, inputs={"received": "1"}, follows=follows))

    threads = [threading.Thread(target=publish, args=(attempt,)) for attempt in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_racing_publishers_of_the_same_make_one_version(lake: Lake, versions: Versions) -> None:
    got = race(versions, [staged(versions, f"run-{number}") for number in range(4)])
    assert len(got) == 4
    assert {manifest.number for manifest in got} == {1}
    assert len(keys(lake)) == 2
    assert versions.scan(got[0]).collect().equals(TABLE)


def test_racing_publishers_of_different_things_lose_nothing(versions: Versions) -> None:
    got = race(versions, [staged(versions, f"run-{rows}", TABLE.head(rows)) for rows in range(4)])
    assert sorted(manifest.number for manifest in got) == [1, 2, 3, 4]
    assert sorted(versions.get(SLOT, number).rows for number in (1, 2, 3, 4)) == [0, 1, 2, 3]
    for manifest in got:
        assert versions.scan(manifest).collect().height == manifest.rows


def test_unknown_numbers_are_missing(versions: Versions) -> None:
    with pytest.raises(MissingObjectError, match=r"manifest/5\.json"):
        versions.get(SLOT, 5)


@pytest.mark.parametrize("prefix", ["", "a//b", "a/manifest", "a/attempt=1", "../a", "/a"])
def test_what_is_no_slot_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="no slot"):
        Slot(prefix)


def test_cleaning_keeps_the_last_two_versions_and_what_is_young(
    lake: Lake, versions: Versions
) -> None:
    for rows in range(4):
        published(versions, f"run-{rows}", TABLE.head(rows))
    staged(versions, "run-unfinished")
    assert versions.clean(timedelta(days=1)) == []
    assert versions.clean(timedelta(seconds=-5), keep_all=["raw/feed=card"]) == [
        f"{PREFIX}/attempt=run-unfinished"
    ]
    assert versions.clean(timedelta(seconds=-5)) == [
        f"{PREFIX}/attempt=run-0",
        f"{PREFIX}/attempt=run-1",
    ]
    assert [key for key in keys(lake) if "attempt" in key] == [
        f"{PREFIX}/attempt=run-2/part-00000.parquet",
        f"{PREFIX}/attempt=run-3/part-00000.parquet",
    ]
    assert versions.all_numbers(SLOT) == [1, 2, 3, 4]
    with pytest.raises(MissingPartError):
        versions.scan(versions.get(SLOT, 1))


def test_cleaning_leaves_a_slot_alone_whose_manifest_is_corrupt(
    lake: Lake, versions: Versions
) -> None:
    published(versions, "run-1")
    lake.put(f"{PREFIX}/manifest/2.json", b"{")
    staged(versions, "run-unfinished")
    assert versions.clean(timedelta(seconds=-5)) == []


def test_many_row_groups_keep_the_order_of_the_rows(folder_lake: Lake) -> None:
    table = pl.DataFrame({"x": pl.int_range(400_000, eager=True).reverse()})
    attempt = Versions(folder_lake).begin(SLOT, "run-1")
    scan = attempt.write_table(pl.concat([table.lazy().head(7), table.lazy().slice(7)]))
    assert scan.collect().equals(table)
    assert attempt.rows == 400_000


@settings(deadline=None, max_examples=20)
@given(
    values=st.lists(st.floats(width=32) | st.none(), max_size=40),
    cut=st.integers(min_value=0, max_value=40),
)
def test_the_same_rows_give_the_same_bytes_however_they_lie_in_memory(
    values: list[float | None], cut: int
) -> None:
    import tempfile

    table = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float32)})
    chunked = pl.concat([table.head(cut), table.slice(cut)], rechunk=False)
    with tempfile.TemporaryDirectory() as folder:
        versions = Versions(Lake.open(folder))
        one = versions.begin(SLOT, "1")
        one.write_table(table)
        two = versions.begin(SLOT, "2")
        two.write_table(chunked.lazy())
        assert one.files == two.files
