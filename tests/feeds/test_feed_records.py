import csv
import io

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets.feeds.records import Layout, cut, first_record, read_exactly, read_quickly

LAYOUT = Layout(width=3, places=(0, 2), names=("a", "c"), delimiter=",")
# Carriage returns inside cells are left to the exact reader, which the next test covers.
CELLS = st.text(alphabet=st.sampled_from('ab ,"\n;\u00e9.5'), max_size=5)


@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_both_readers_read_what_the_csv_module_writes(
    rows: list[tuple[str, str, str]], ending: str
) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=ending).writerows(rows)
    text = buffer.getvalue().encode()
    expected = [(a or None, c or None) for a, _, c in rows]
    quick, exact = read_quickly(text, LAYOUT), read_exactly(text, LAYOUT, final=True)
    assert quick is not None
    assert quick.rows.with_columns(pl.all().replace("", None)).rows() == expected
    assert exact.rows.rows() == expected
    assert quick.received == exact.received == len(rows)
    assert cut(text + b'x,"') == len(text)


@pytest.mark.parametrize(
    "text",
    [
        b"1,2\n3,4,5\n",  # too few
        b"1,2,3,4\n5,6,7\n",  # too many
        b"1,2\n3,4,5,6\n",  # the right number of delimiters in the wrong lines
        b"1,2,3\n\n4,5,6\n",  # a blank line in between
        b'1,2,3"\n4,5,"6\n',  # quotes that are none
        b'1,"2,3\n4",5,6\n7,8,9"\n',
        b'1,2,"3\n',  # an odd quote
        b"1,2,3\r4,5,6\n",  # a lone carriage return
    ],
)
def test_the_quick_reader_knows_what_it_cannot_read(text: bytes) -> None:
    assert read_quickly(text, LAYOUT) is None


def test_the_exact_reader_goes_on_after_every_fault() -> None:
    text = b'1,2,3\n"4,5,6\n7,8\n\n9,10,11,12\n13,"1"4,15\n16,5" pipe,18\n"19","20\n21","22"\n'
    records = read_exactly(text, LAYOUT, final=True)
    assert records.rows.rows() == [("1", "3"), ("16", "18"), ("19", "22")]
    assert records.numbers.to_list() == [0, 5, 6]
    assert records.faults == [
        (1, "a quote opens and does not close"),
        (2, "2 fields where the header has 3"),
        (3, "4 fields where the header has 3"),
        (4, "text after a closing quote"),
    ]
    assert records.received == 7


def test_an_open_record_waits_for_the_next_block() -> None:
    waiting = read_exactly(b'1,2,3\n4,5,"6\n7', LAYOUT, final=False)
    assert waiting.rows.rows() == [("1", "3")]
    assert waiting.rest == b'4,5,"6\n7'
    assert waiting.faults == []
    done = read_exactly(waiting.rest + b'"\n', LAYOUT, final=False)
    assert done.rows.rows() == [("4", "6\n7")]
    assert done.rest == b""


def test_a_quote_that_stays_open_for_a_thousand_lines_is_a_fault() -> None:
    text = b'1,2,"3\n' + b"4,5,6\n" * 1500
    records = read_exactly(text, LAYOUT, final=False)
    assert records.faults == [(0, "a quote opens and does not close")]
    assert records.rows.height == 1500


def test_a_cut_falls_outside_quotes() -> None:
    assert cut(b'1,2,3\n4,"5\n6') == len(b"1,2,3\n")
    assert cut(b'1,"2\n",3\n4') == len(b'1,"2\n",3\n')
    assert cut(b"1,2") == 0
    assert cut(b'1,"2\n3\n4') == len(b'1,"2\n3\n'), "no line end is outside: left to exact reading"


def test_the_header_may_be_quoted_and_follow_blank_lines() -> None:
    assert first_record(b'\n \n"a,b","c\nd"\n1,2', ",") == (["a,b", "c\nd"], b"1,2")
