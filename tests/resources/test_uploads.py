import gzip
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fraud_assets.uploads import Upload, UploadError, Uploads
from resources.lake import Lake, LakeUnavailableError

ROWS = b"id,amount\n1,2.5\n"
TAG = hashlib.sha256(ROWS).hexdigest()[:8]


@pytest.fixture
def uploads(lake: Lake) -> Uploads:
    return Uploads(lake, ["card", "paysim"])


def drop(lake: Lake, path: str, data: bytes = ROWS) -> None:
    lake.put(f"landing/{path}", data)


def test_a_landed_file_becomes_an_upload_with_its_bytes(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/Week 1.CSV")
    (upload,) = uploads.discover().new
    assert upload.key == f"card-week-1-{TAG}"
    assert (upload.feed, upload.file, upload.suffix) == ("card", "Week 1.CSV", ".csv")
    assert (upload.size, upload.order) == (16, 1)
    assert upload.sha256 == hashlib.sha256(ROWS).hexdigest()
    assert upload.data_key == f"received/card-week-1-{TAG}/data.csv"
    assert lake.get(upload.data_key) == ROWS
    assert lake.get("landing/card/Week 1.CSV") == ROWS
    assert uploads.get(upload.key) == upload
    assert Uploads(lake, ["card"]).all() == [upload]


def test_looking_again_finds_nothing_new(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/a.csv")
    uploads.discover()
    again = Uploads(lake, ["card"]).discover()
    assert (again.new, again.seen) == ([], 1)


def test_the_same_bytes_under_the_same_name_are_no_new_upload(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/a.csv")
    uploads.discover()
    drop(lake, "card/a.csv")
    drop(lake, "card/below/a.csv")
    again = uploads.discover()
    assert (again.new, again.seen) == ([], 2)
    assert len(uploads.all()) == 1


def test_new_content_under_an_old_name_is_a_new_upload_and_the_old_stays(
    lake: Lake, uploads: Uploads
) -> None:
    drop(lake, "card/a.csv")
    (old,) = uploads.discover().new
    drop(lake, "card/a.csv", b"id,amount\n2,3\n")
    (new,) = uploads.discover().new
    assert new.key != old.key
    assert new.order == 2
    assert lake.get(old.data_key) == ROWS
    drop(lake, "card/a.csv")
    assert uploads.discover().new == []


def test_the_same_bytes_for_another_feed_or_as_another_kind_are_another_upload(
    lake: Lake, uploads: Uploads
) -> None:
    for path in ("card/a.csv", "paysim/a.csv", "card/a.jsonl", "card/b.csv"):
        drop(lake, path)
    found = {upload.file: upload.key for upload in uploads.discover().new if upload.feed == "card"}
    assert found["b.csv"] == f"card-b-{TAG}"
    assert {found["a.csv"], found["a.jsonl"]} in (
        {f"card-a-{TAG}", f"card-a-jsonl-{TAG}"},
        {f"card-a-{TAG}", f"card-a-csv-{TAG}"},
    )
    assert [upload.key for upload in uploads.all("paysim")] == [f"paysim-a-{TAG}"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Überweisung März.csv", "uberweisung-marz"),
        ("a'b\"c..d.csv.gz", "a-b-c-d"),
        ("...x.parquet", "x"),
        ("日本.csv", "upload"),
        ("x" * 60 + ".ndjson", "x" * 40),
        ("UPPER_case-1.JSONL.GZ", "upper_case-1"),
        ("x#1.csv", "x-1"),
    ],
)
def test_keys_are_made_of_plain_characters(name: str, stem: str) -> None:
    from fraud_assets.upload_names import candidate_keys

    assert next(candidate_keys("card", name, "0123456789abcdef" * 4)) == f"card-{stem}-01234567"


def test_odd_names_are_registered_under_plain_keys(lake: Lake, uploads: Uploads) -> None:
    for number, name in enumerate(["a b.csv", "q\"u'o.csv", "..a.csv", "é.csv", "x..y.csv"]):
        drop(lake, f"card/{name}", str(number).encode())
    found = uploads.discover()
    assert {upload.file for upload in found.new} == {"a b.csv", "q\"u'o.csv", "é.csv", "x..y.csv"}
    assert all(set(one.key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-") for one in found.new)


def test_what_is_no_data_is_reported_or_passed_over(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/empty.csv", b"")
    for path in ("card/.part.csv", "card/_tmp/x.csv", "card/_SUCCESS", "card/x_$folder$"):
        drop(lake, path)
    drop(lake, "card/notes.txt")
    drop(lake, "visa/a.csv")
    drop(lake, "visa/b.csv")
    drop(lake, "stray.csv")
    found = uploads.discover()
    assert [upload.file for upload in found.new] == ["empty.csv"]
    assert found.new[0].size == 0
    assert set(found.unsupported) == {"card/notes.txt", "stray.csv"}
    assert "expected one of .csv .csv.gz" in found.unsupported["card/notes.txt"]
    assert found.unknown_feeds == {"visa": "no feed has this name (2 files); feeds: card, paysim"}
    assert len(found.problems) == 3


def test_the_oldest_come_first_and_a_look_takes_no_more_than_its_limit(
    folder_lake: Lake,
) -> None:
    uploads = Uploads(folder_lake, ["card"])
    assert folder_lake.folder is not None
    for name, age in (("c.csv", 300), ("a.csv", 100), ("b.csv", 200), ("d.csv", 100)):
        drop(folder_lake, f"card/{name}", name.encode())
        os.utime(folder_lake.folder / "landing/card" / name, (1e9 - age, 1e9 - age))
    first = uploads.discover(limit=2)
    assert [upload.file for upload in first.new] == ["c.csv", "b.csv"]
    assert first.postponed == ["card/a.csv", "card/d.csv"]
    assert [upload.file for upload in uploads.discover(limit=2).new] == ["a.csv", "d.csv"]
    assert [upload.order for upload in uploads.all()] == [1, 2, 3, 4]
    assert [upload.file for upload in uploads.all()] == ["c.csv", "b.csv", "a.csv", "d.csv"]


def test_bytes_a_look_are_capped_but_one_file_always_goes(lake: Lake, uploads: Uploads) -> None:
    for name in ("a", "b", "c"):
        drop(lake, f"card/{name}.csv", name.encode() * 10)
    assert len(uploads.discover(hash_bytes=1).new) == 1
    assert len(uploads.discover(hash_bytes=20).new) == 2
    assert uploads.discover(hash_bytes=1).new == []


def test_a_file_found_late_with_an_old_time_is_found_all_the_same(folder_lake: Lake) -> None:
    uploads = Uploads(folder_lake, ["card"])
    drop(folder_lake, "card/new.csv", b"1")
    uploads.discover()
    drop(folder_lake, "card/old.csv", b"2")
    assert folder_lake.folder is not None
    os.utime(folder_lake.folder / "landing/card/old.csv", (0, 0))
    assert [upload.file for upload in uploads.discover().new] == ["old.csv"]


def test_a_file_that_grows_while_it_is_copied_waits(
    lake: Lake, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fraud_assets import uploads as module

    copy = module._copy
    drop(lake, "card/a.csv")
    drop(lake, "card/b.csv", b"other")

    def growing(source: object, target: object) -> tuple[int, str]:
        result = copy(source, target)  # type: ignore[arg-type]
        drop(lake, "card/a.csv", ROWS + b"2,3\n")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, "_copy", growing)
        found = uploads.discover(limit=1)
    assert found.waiting == {"card/a.csv": "it is still being written"}
    assert [upload.file for upload in found.new] == ["b.csv"]
    (upload,) = uploads.discover().new
    assert lake.get(upload.data_key) == ROWS + b"2,3\n"


def test_a_file_that_disappears_while_it_is_copied_is_left_out(
    lake: Lake, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(lake, "card/a.csv")
    listed = lake.list("landing")
    lake.delete(["landing/card/a.csv"])
    real = Lake.list
    monkeypatch.setattr(
        Lake, "list", lambda self, prefix: listed if prefix == "landing" else real(self, prefix)
    )
    found = uploads.discover()
    assert (found.new, found.waiting) == ([], {"card/a.csv": "it was removed or renamed"})


def test_a_writer_that_pauses_is_given_time(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/a.csv")
    found = uploads.discover(settle=timedelta(hours=1))
    assert (found.new, list(found.waiting)) == ([], ["card/a.csv"])


def test_a_time_stamp_of_the_future_keeps_no_file_waiting(
    folder_lake: Lake,
) -> None:
    uploads = Uploads(folder_lake, ["card"])
    assert folder_lake.folder is not None
    drop(folder_lake, "card/a.csv")
    ahead = 4_102_444_800  # 2100-01-01
    os.utime(folder_lake.folder / "landing" / "card" / "a.csv", (ahead, ahead))
    found = uploads.discover(settle=timedelta(hours=1))
    assert [one.file for one in found.new] == ["a.csv"]


CRASH_POINTS = [
    ("/data.csv", 0),
    ("received/order/", 0),
    ("received/order/", 1),
    ("/upload.json", 0),
    ("/upload.json", 1),
    ("/seen/", 0),
]
"""Which write of a registration the process dies at: before it (0) or right after it (1)."""


@pytest.mark.parametrize(("name", "after"), CRASH_POINTS)
def test_killed_anywhere_the_next_look_finishes_without_loss_or_double(
    lake: Lake, uploads: Uploads, monkeypatch: pytest.MonkeyPatch, name: str, after: int
) -> None:
    drop(lake, "card/first.csv", b"first")
    uploads.discover()
    drop(lake, "card/a.csv")

    def killing(real: object) -> object:
        def write(lake: Lake, key: str, *rest: object, **named: object) -> object:
            if name in key and not after:
                raise KeyboardInterrupt
            result = real(lake, key, *rest, **named)  # type: ignore[operator]
            if name in key:
                raise KeyboardInterrupt
            return result

        return write

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "put", killing(Lake.put))
        patch.setattr(Lake, "put_file", killing(Lake.put_file))
        with pytest.raises(KeyboardInterrupt):
            uploads.discover()
    drop(lake, "card/z.csv", b"later")
    Uploads(lake, ["card"]).discover()
    found = Uploads(lake, ["card"]).all()
    assert sorted(upload.file for upload in found) == ["a.csv", "first.csv", "z.csv"]
    assert len({upload.order for upload in found}) == 3
    assert [lake.get(one.data_key) for one in found if one.file == "a.csv"] == [ROWS]
    again = Uploads(lake, ["card"]).discover()
    assert (again.new, again.seen) == ([], 3)
    assert len(lake.list("received/order")) == 3


def test_a_claimed_upload_is_finished_although_its_file_has_left_the_landing(
    lake: Lake, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(lake, "card/a.csv")
    put = Lake.put

    def killing(lake: Lake, key: str, data: bytes, *, create: bool = False) -> bool:
        if key.endswith("/upload.json"):
            raise KeyboardInterrupt
        return put(lake, key, data, create=create)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "put", killing)
        with pytest.raises(KeyboardInterrupt):
            uploads.discover()
    lake.delete(["landing/card/a.csv"])
    drop(lake, "card/b.csv", b"later")
    found = Uploads(lake, ["card"]).discover().new
    assert [(upload.file, upload.order) for upload in found] == [("a.csv", 1), ("b.csv", 2)]
    assert lake.get(found[0].data_key) == ROWS


def overtaken_by(other: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets another look run from start to end just before the next order is claimed."""
    put = Lake.put
    ran: list[str] = []

    def late(lake: Lake, key: str, data: bytes, *, create: bool = False) -> bool:
        if key.startswith("received/order/") and not ran:
            ran.append(key)
            other.discover()
        return put(lake, key, data, create=create)

    monkeypatch.setattr(Lake, "put", late)


def test_who_is_overtaken_gives_his_claim_back(
    lake: Lake, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(lake, "card/a.csv")
    overtaken_by(Uploads(lake, ["card"]), monkeypatch)
    assert uploads.discover().new == []
    assert [upload.order for upload in uploads.all()] == [1]
    assert [info.key for info in lake.list("received/order")] == ["received/order/00000001"]


def test_an_order_is_never_given_twice(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(lake, "card/a.csv")
    drop(lake, "paysim/a.csv")
    overtaken_by(Uploads(lake, ["paysim"]), monkeypatch)
    uploads = Uploads(lake, ["card"])
    assert [upload.order for upload in uploads.discover().new] == [2]
    assert [(one.feed, one.order) for one in uploads.all()] == [("paysim", 1), ("card", 2)]


def test_a_claim_without_bytes_is_used_by_the_next_try(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/a.csv")
    (upload,) = uploads.discover().new
    lake.delete([upload.data_key, f"received/{upload.key}/upload.json"])
    (again,) = Uploads(lake, ["card"]).discover().new
    assert again == upload
    assert len(lake.list("received/order")) == 1


def test_lost_bytes_are_received_again(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/a.csv")
    (upload,) = uploads.discover().new
    lake.delete([upload.data_key])
    assert Uploads(lake, ["card"]).discover().new == []
    assert lake.get(upload.data_key) == ROWS


def test_a_damaged_record_is_restored_from_its_copy(lake: Lake, uploads: Uploads) -> None:
    drop(lake, "card/a.csv")
    (upload,) = uploads.discover().new
    lake.put(f"received/{upload.key}/upload.json", b"{")
    assert Uploads(lake, ["card"]).all() == [upload]
    lake.put(f"received/{upload.key}/upload.json", b"{")
    lake.put("received/order/00000001", b"{")
    with pytest.raises(UploadError, match=r"upload\.json cannot be read and no copy"):
        Uploads(lake, ["card"]).get(upload.key)


def test_two_who_look_at_once_register_each_file_once(lake: Lake) -> None:
    import threading

    for number in range(4):
        drop(lake, f"card/{number}.csv", str(number).encode())
    barrier = threading.Barrier(3)
    failures: list[BaseException] = []

    def look() -> None:
        barrier.wait()
        try:
            Uploads(lake, ["card"]).discover()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test must see it
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = Uploads(lake, ["card"]).all()
    assert sorted(upload.file for upload in found) == ["0.csv", "1.csv", "2.csv", "3.csv"]
    assert len({upload.order for upload in found}) == 4


def test_a_full_disk_is_told_and_nothing_is_registered(
    lake: Lake, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fraud_assets import uploads as module

    drop(lake, "card/a.csv")

    def full(*_: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_copy", full)
    with pytest.raises(LakeUnavailableError, match=r"receive landing/card/a\.csv .* no space"):
        uploads.discover()
    assert uploads.all() == []


def test_files_that_listings_hide_are_reported(folder_lake: Lake) -> None:
    drop(folder_lake, "card/a.csv")
    assert folder_lake.folder is not None
    (folder_lake.folder / "landing/card/x.csv#1").write_bytes(b"1")
    found = Uploads(folder_lake, ["card"]).discover()
    assert found.hidden == ["landing/card/x.csv#1"]
    assert [upload.file for upload in found.new] == ["a.csv"]


def test_landing_copies_a_file_to_its_feed(lake: Lake, uploads: Uploads, tmp_path: Path) -> None:
    file = tmp_path / "Week é 1.csv.gz"
    file.write_bytes(gzip.compress(ROWS, mtime=0))
    assert uploads.land(file, "card") == "landing/card/Week é 1.csv.gz"
    (upload,) = uploads.discover().new
    assert upload.suffix == ".csv.gz"
    assert lake.get(upload.data_key) == file.read_bytes()
    file.write_bytes(b"other")
    uploads.land(file, "card")
    assert lake.get("landing/card/Week é 1.csv.gz") == b"other"
    assert len(uploads.discover().new) == 1


def test_landing_a_file_that_lies_there_already_leaves_it(folder_lake: Lake) -> None:
    drop(folder_lake, "card/a.csv")
    assert folder_lake.folder is not None
    Uploads(folder_lake, ["card"]).land(folder_lake.folder / "landing/card/a.csv", "card")
    assert folder_lake.get("landing/card/a.csv") == ROWS


@pytest.mark.parametrize(
    ("name", "feed", "message"),
    [
        ("a.csv", "visa", r"no feed 'visa'; known feeds: card, paysim"),
        ("none.csv", "card", "there is no file"),
        ("folder.csv", "card", "no regular file"),
        ("..", "card", "no regular file"),
        ("x.csv#1", "card", "ends in '#' and digits"),
        ("new\nline.csv", "card", "control character"),
        ("_a.csv", "card", "are passed over"),
        ("a.xlsx", "card", r"expected one of \.csv"),
    ],
)
def test_what_cannot_be_landed_is_refused_with_its_reason(
    uploads: Uploads, lake: Lake, tmp_path: Path, name: str, feed: str, message: str
) -> None:
    (tmp_path / "folder.csv").mkdir()
    if name not in {"none.csv", "folder.csv", ".."}:
        (tmp_path / name).write_bytes(ROWS)
    with pytest.raises(UploadError, match=message):
        uploads.land(tmp_path / name, feed)
    assert lake.list("landing") == []


def test_a_refusal_is_kept_until_it_is_cleared(lake: Lake, uploads: Uploads) -> None:
    assert uploads.refusal("card-a-00000000") is None
    at = datetime(2024, 1, 1, tzinfo=UTC)
    refusal = uploads.record_refusal("card-a-00000000", "30 % bad rows", "d1", at)
    assert (refusal.reason, refusal.feed_digest, refusal.at) == ("30 % bad rows", "d1", at)
    assert uploads.refusal("card-a-00000000") == refusal
    assert uploads.refusals() == {"card-a-00000000": refusal}
    assert [info.key for info in lake.list("quarantine")] == [
        "quarantine/card-a-00000000/refused.json"
    ]
    uploads.clear_refusal("card-a-00000000")
    uploads.clear_refusal("card-a-00000000")
    assert uploads.refusal("card-a-00000000") is None


def test_an_upload_is_never_changed(uploads: Uploads, lake: Lake) -> None:
    drop(lake, "card/a.csv")
    (upload,) = uploads.discover().new
    with pytest.raises(ValueError, match="frozen"):
        upload.order = 2
    assert Upload.model_validate_json(upload.model_dump_json()) == upload
    with pytest.raises(UploadError, match="no upload 'card-none'"):
        uploads.get("card-none")
