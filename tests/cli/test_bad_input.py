"""Every kind of bad file through `land` and `run`, in one lake beside a good one."""

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

Cli = Callable[..., Result]

HEADER = "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id,is_fraud\n"
COLUMNS = HEADER.strip().split(",")


def line(name: str, **cells: str) -> str:
    day = 1 + sum(name.encode()) % 28
    values = {
        "transaction_id": name,
        "occurred_at": f"2026-01-{day:02d}T12:00:00Z",
        "kind": "payment",
        "amount": "10.50",
        "currency": "EUR",
        "payer_id": f"C{sum(name.encode()) % 7}",
        "payee_id": f"M{sum(name.encode()) % 3}",
        "is_fraud": "0",
        **cells,
    }
    return ",".join(values.values()) + "\n"


def lines(prefix: str, count: int) -> list[str]:
    return [line(f"{prefix}{number:03d}") for number in range(count)]


def csv(prefix: str, count: int = 40) -> str:
    return HEADER + "".join(lines(prefix, count))


ODD_ROWS = [
    line("odd-nan", amount="NaN"),
    line("odd-inf", amount="inf"),
    line("odd-negative", amount="-5"),
    line("odd-zero", amount="0"),
    line("odd-absurd", amount="1e30"),
    line("odd-kind", kind="barter"),
    line("odd-old", occurred_at="1969-12-31T23:59:59Z"),
    line("odd-future", occurred_at="2200-01-01T00:00:00Z"),
    line("odd-fields", is_fraud="0,one,two"),
    line("odd-no-payer", payer_id=""),
]
BAD_ROWS = [line(f"b{number:03d}", amount="-1") for number in range(12)]

FILES: dict[str, str | bytes] = {
    "good.csv": csv("g"),
    "empty.csv": b"",
    "header-only.csv": HEADER,
    "missing-column.csv": csv("m").replace("amount", "sum", 1),
    "semicolons.csv": csv("s").replace(",", ";"),
    "latin-1.csv": csv("l").replace("C1", "J\xfcrgen").encode("latin-1"),
    "utf-16-unmarked.csv": csv("n").encode("utf-16-le"),
    "truncated.csv.gz": gzip.compress(csv("t").encode())[:-30],
    "damaged.parquet": b"PAR1" + bytes(400) + b"PAR1",
    "odd-rows.csv": csv("r", 390) + "".join(ODD_ROWS),
    "thirty-percent.csv": csv("p", 28) + "".join(BAD_ROWS),
    "ids-twice.csv": csv("i", 20) + "".join(lines("i", 5)),
    "ids-of-good.csv": csv("g", 10) + "".join(lines("x", 10)),
    "good-renamed.csv": csv("g"),
    # Odd names, each with another thing that must not matter: a mark, UTF-16, more columns.
    "a 'quoted' \"name\".csv": csv("q", 10).encode("utf-8-sig"),
    "week..1.csv": csv("w", 10).encode("utf-16"),
    "größe-名.csv": HEADER.replace("\n", ",note,\n")
    + "".join(one.replace("\n", ",x,\n") for one in lines("z", 10)),
}


@dataclass(frozen=True)
class BadInput:
    place: Path
    run: dict[str, object]
    exit_code: int
    uploads: dict[str, list[dict[str, object]]]
    """By file name, in landing order."""


@pytest.fixture(scope="session")
def bad_input(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> BadInput:
    from fraud_assets.uploads import Uploads
    from resources.lake import Lake

    place = tmp_path_factory.mktemp("bad-input")
    source = place / "source"
    source.mkdir()
    landing = place / "lake" / "landing"

    def land(name: str, content: str | bytes) -> None:
        (source / name).write_bytes(content.encode() if isinstance(content, str) else content)
        landed = cli(place, "land", str(source / name), "--feed", "sim")
        assert landed.exit_code == 0, landed.stderr
        # One after the other, so that the landing order is that of this list.
        Uploads(Lake.open(str(place / "lake")), ["sim"]).discover()

    for name, content in FILES.items():
        land(name, content)
    land("renewed.csv", csv("v", 10))
    land("renewed.csv", csv("v", 10) + "".join(lines("y", 5)))
    land("good.csv", FILES["good.csv"])
    shutil.copy(source / "good.csv", landing / "sim" / "x.csv#1")
    (landing / "strangers").mkdir()
    shutil.copy(source / "good.csv", landing / "strangers" / "x.csv")
    done = cli(place, "run", "--json")
    result = json.loads(done.stdout)
    by_file: dict[str, list[dict[str, object]]] = {}
    for upload in result["uploads"]:
        by_file.setdefault(upload["file"], []).append(upload)
    return BadInput(place, result, done.exit_code, by_file)


def counts(upload: dict[str, object]) -> tuple[object, ...]:
    return tuple(upload[name] for name in ("received", "accepted", "duplicate", "quarantined"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("empty.csv", "the file is empty (0 bytes)"),
        ("header-only.csv", "the file has a header and no data rows"),
        (
            "missing-column.csv",
            "missing column amount; found: transaction_id, occurred_at, kind, sum",
        ),
        ("semicolons.csv", "it looks separated by ';', so set `delimiter` of the feed"),
        ("latin-1.csv", "the text is not utf-8: byte offset"),
        ("utf-16-unmarked.csv", "there are zero bytes in the text, so set `encoding` of the feed"),
        ("truncated.csv.gz", "the gzip file is truncated: it ends before its end mark"),
        ("damaged.parquet", "the Parquet file is damaged"),
        (
            "thirty-percent.csv",
            "12 of 40 rows are bad (30.0%; the feed's bad_row_limit is 5.0%). Most frequent: 12 x",
        ),
    ],
)
def test_a_file_that_cannot_be_taken_in_is_refused_whole(
    bad_input: BadInput, file: str, words: str
) -> None:
    (upload,) = bad_input.uploads[file]
    assert upload["state"] == "refused"
    assert words in str(upload["reason"])
    assert counts(upload) == (0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("good.csv", (40, 40, 0, 0)),
        ("odd-rows.csv", (400, 390, 0, 10)),
        ("ids-twice.csv", (25, 20, 5, 0)),
        ("ids-of-good.csv", (20, 10, 10, 0)),
        ("good-renamed.csv", (40, 0, 40, 0)),
        ("a 'quoted' \"name\".csv", (10, 10, 0, 0)),
        ("week..1.csv", (10, 10, 0, 0)),
        ("größe-名.csv", (10, 10, 0, 0)),
    ],
)
def test_every_other_file_is_accepted_and_every_row_of_it_accounted_for(
    bad_input: BadInput, file: str, expected: tuple[int, ...]
) -> None:
    (upload,) = bad_input.uploads[file]
    assert (upload["state"], upload["reason"]) == ("accepted", "")
    assert counts(upload) == expected
    received, accepted, duplicate, quarantined = expected
    assert received == accepted + duplicate + quarantined


@pytest.mark.slow
def test_new_content_under_an_old_name_is_another_upload(bad_input: BadInput) -> None:
    first, second = bad_input.uploads["renewed.csv"]
    assert counts(first) == (10, 10, 0, 0)
    assert counts(second) == (15, 5, 10, 0)
    assert first["key"] != second["key"]


@pytest.mark.slow
def test_odd_rows_are_in_quarantine_with_their_place_and_reason(bad_input: BadInput) -> None:
    (upload,) = bad_input.uploads["odd-rows.csv"]
    folder = bad_input.place / "lake" / "quarantine" / "feed=sim" / f"upload={upload['key']}"
    (part,) = folder.rglob("*.parquet")
    rows = pl.read_parquet(part)
    assert rows.select("row", "column", "reason").rows() == [
        (391, "amount", "the amount is NaN"),
        (392, "amount", "the amount is infinite"),
        (393, "amount", "the amount is negative"),
        (394, "amount", "the amount is zero (allow_zero_amount is false)"),
        (395, "amount", "the amount is above max_amount (1,000,000,000)"),
        (396, "kind", "a kind that is not among the `kinds` of the feed"),
        (397, "occurred_at", "the time is before 1970-01-01"),
        (398, "occurred_at", rows["reason"][7]),
        (399, None, "10 fields where the header has 8"),
        (400, "payer_id", "payer_id is missing"),
    ]
    assert rows["reason"][7].startswith("the time is in the future (after ")
    assert set(rows["file"]) == {"odd-rows.csv"}


@pytest.mark.slow
def test_what_nobody_could_read_is_named(bad_input: BadInput) -> None:
    assert bad_input.exit_code == 1
    assert bad_input.run["problems"] == [
        "landing/strangers/: no feed has this name (1 files); feeds: aml, card, paysim, sim",
        "landing/sim/x.csv#1: its name hides it from listings; rename it",
    ]


@pytest.mark.slow
def test_the_good_file_is_whole(bad_input: BadInput, cli: Cli) -> None:
    (upload,) = bad_input.uploads["good.csv"]
    out = bad_input.place / "good.parquet"
    cli(
        bad_input.place,
        "export",
        "raw_transactions",
        "--upload",
        str(upload["key"]),
        "--out",
        str(out),
    )
    rows = pl.read_parquet(out)
    assert sorted(rows["transaction_id"]) == [f"g{number:03d}" for number in range(40)]
    assert sorted(rows["source_row"]) == list(range(1, 41))
    scored = bad_input.place / "scored.parquet"
    cli(bad_input.place, "export", "augmented_transactions", "--out", str(scored))
    accepted = sum(counts(one)[1] for file in bad_input.uploads.values() for one in file)  # type: ignore[misc] # counts
    assert pl.read_parquet(scored)["transaction_id"].n_unique() == accepted == 505


@pytest.mark.slow
def test_several_damaged_uploads_that_share_rows_are_repaired_to_what_they_were(
    bad_input: BadInput, cli: Cli, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    shutil.copytree(bad_input.place / "lake", lake)
    for file in ("good.csv", "ids-of-good.csv", "good-renamed.csv"):
        (upload,) = bad_input.uploads[file]
        folder = lake / "raw" / "feed=sim" / f"upload={upload['key']}"
        (folder / "manifest" / "1.json").write_text("{")
    repaired = json.loads(cli(tmp_path, "run", "--json").stdout)
    assert repaired["uploads"] == bad_input.run["uploads"]
    assert list(repaired["assets"]) == ["raw_transactions"]


@pytest.mark.slow
def test_the_same_run_again_does_nothing_and_tells_what_still_needs_a_person(
    bad_input: BadInput, cli: Cli
) -> None:
    again = cli(bad_input.place, "run", "--json")
    result = json.loads(again.stdout)
    assert result["assets"] == {}
    assert result["uploads"] == bad_input.run["uploads"]
    assert again.exit_code == 1
    shown = cli(bad_input.place, "status")
    assert shown.exit_code == 0
    assert "! landing/sim/x.csv#1: its name hides it from listings; rename it" in shown.stdout
    assert "! empty.csv: the file is empty (0 bytes)" in shown.stdout
    shutil.rmtree(bad_input.place / "lake" / "landing" / "strangers")
    (bad_input.place / "lake" / "landing" / "sim" / "x.csv#1").unlink()
    assert cli(bad_input.place, "run", "--json").exit_code == 0
