import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets.feeds import Feed, RefusedError, read_upload

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FIELDS = {
    "id": ["1", "2", "3", "4", "", "x y"],
    "at": ["2026-01-01", "2026-01-02T03:04:05Z", "soon", "1960-01-01", "2031-01-01", ""],
    "type": ["P", "T", "Q", ""],
    "amount": ["1", "2.5", "-1", "0", "NaN", "inf", "1e20", "1,5", "", "five"],
    "from": ["a", "b", " ", 'c"d', "e\nf"],
    "to": ["a", "b", ""],
    "fraud": ["0", "1", "", "2"],
}
ROW = st.tuples(*(st.sampled_from(values) for values in FIELDS.values()))
DIRT = st.sampled_from([b"", b"a,b\n", b'"\n', b",,,,,,,\n", b"\n", b"\xc3\xa9\n", b'1,"2\n'])


def written(row: tuple[str, ...]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue().encode()


def is_good(row: tuple[str, ...]) -> bool:
    identity, at, kind, amount, payer, payee, label = row
    return (
        identity != ""
        and at.startswith("2026")
        and kind in {"P", "T"}
        and amount in {"1", "2.5"}
        and payer != " "
        and payee != ""
        and label in {"0", "1"}
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dirt") / "x.csv"


@settings(deadline=None, max_examples=50)
@given(rows=st.lists(ROW, min_size=1, max_size=30))
def test_well_formed_rows_of_any_content(
    path: Path, shop: Feed, rows: list[tuple[str, ...]]
) -> None:
    path.write_bytes(
        b",".join(name.encode() for name in FIELDS) + b"\n" + b"".join(map(written, rows))
    )
    feed = shop.model_copy(update={"bad_row_limit": 1.0})
    result = read_upload(path, feed, source_file="x.csv", now=NOW)
    good = [number for number, row in enumerate(rows, 1) if is_good(row)]
    first = {rows[number - 1][0]: number for number in reversed(good)}
    assert sorted(result.accepted["source_row"].to_list()) == sorted(first.values())
    assert result.duplicate == len(good) - len(first)
    bad = sorted(set(range(1, len(rows) + 1)) - set(good))
    assert result.quarantined["row"].to_list() == bad
    assert result.received == len(rows)


@settings(deadline=None, max_examples=50)
@given(parts=st.lists(st.one_of(ROW.map(written), DIRT), min_size=1, max_size=20))
def test_any_dirt_between_the_rows(path: Path, shop: Feed, parts: list[bytes]) -> None:
    path.write_bytes(b"id,at,type,amount,from,to,fraud\n" + b"".join(parts))
    feed = shop.model_copy(update={"bad_row_limit": 1.0})
    if not b"".join(parts).strip():
        with pytest.raises(RefusedError, match="no data rows"):
            read_upload(path, feed, source_file="x.csv", now=NOW)
        return
    result = read_upload(path, feed, source_file="x.csv", now=NOW)
    taken = [*result.accepted["source_row"], *result.quarantined["row"]]
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(range(1, result.received + 1))
    assert len(taken) + result.duplicate == result.received
