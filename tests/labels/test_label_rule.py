"""The label at a moment: the newest judgement known strictly before it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.labels import (
    EVENT_SCHEMA,
    contradicting,
    label_changes,
    labels_at,
    labels_from,
    spells,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
Event = tuple[str, bool | None, float, str]
Row = tuple[str, float, bool | None, float | None]


def day(number: float | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


def events_of(*events: Event) -> pl.LazyFrame:
    rows = [(name, said, day(known), source) for name, said, known, source in events]
    return pl.LazyFrame(rows, schema=EVENT_SCHEMA, orient="row")


def rows_of(*rows: Row) -> pl.LazyFrame:
    """Id, day of the event, the file's own label, and the day on which it was known."""
    schema = {
        "transaction_id": pl.String(),
        "occurred_at": pl.Datetime("us", "UTC"),
        "is_fraud": pl.Boolean(),
        "label_known_at": pl.Datetime("us", "UTC"),
    }
    filled = [(name, day(at), said, day(known)) for name, at, said, known in rows]
    return pl.LazyFrame(filled, schema=schema, orient="row")


def labels(frame: pl.LazyFrame) -> list[tuple[bool | None, float | None]]:
    found = frame.select("is_fraud", "label_known_at").collect().rows()
    return [(said, None if at is None else (at - START) / timedelta(days=1)) for said, at in found]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (3.0, None),  # known at this very moment is not known yet
        (3.5, True),
        (5.5, False),  # a chargeback goes before the file at one moment
        (7.5, True),  # and an analyst before both
        (9.5, True),  # unsure takes nothing back
        (None, True),
    ],
)
def test_the_newest_label_before_the_moment_counts(
    *, at: float | None, expected: bool | None
) -> None:
    events = events_of(
        ("a", None, 9.0, "analyst"),
        ("a", True, 5.0, "file"),
        ("a", False, 5.0, "chargeback"),
        ("a", False, 7.0, "chargeback"),
        ("a", True, 7.0, "analyst"),
        ("a", False, 7.0, "somebody"),
    )
    rows = rows_of(("a", 0.0, True, 3.0), ("b", 0.0, False, 1.0), ("c", 0.0, None, None))
    found = labels(labels_at(rows, events, day(at)))
    assert [said for said, _ in found] == [expected, False, None]


def test_a_label_stands_since_it_was_first_said_and_until_it_is_taken_back() -> None:
    events = events_of(
        ("a", True, 2.0, "chargeback"),
        ("a", True, 4.0, "analyst"),
        ("a", None, 5.0, "analyst"),
        ("a", False, 6.0, "file"),
        ("b", False, 3.0, "file"),
    )
    found = spells(events).collect()
    assert found.drop("source").rows() == [
        ("a", True, day(2), day(6)),
        ("a", False, day(6), None),
        ("b", False, day(3), None),
    ]


def test_who_says_both_at_one_moment_says_nothing() -> None:
    events = events_of(
        ("a", True, 2.0, "file"),
        ("a", False, 2.0, "file"),
        ("a", None, 3.0, "file"),
        ("a", True, 3.0, "file"),
        ("b", True, 2.0, "file"),
        ("b", False, 2.0, "analyst"),
    )
    assert contradicting(events).collect().rows() == [("a", day(2), "file")]
    rows = rows_of(("a", 0.0, None, None), ("b", 0.0, None, None))
    assert labels(labels_at(rows, events, day(2.5))) == [(None, None), (False, 2.0)]
    assert labels(labels_at(rows, events, day(9))) == [(True, 3.0), (False, 2.0)]


def test_a_label_before_its_transaction_or_of_an_unknown_one_is_passed_over() -> None:
    events = events_of(("a", True, 1.0, "analyst"), ("lost", True, 1.0, "analyst"))
    rows = rows_of(("a", 2.0, False, 3.0))
    assert labels(labels_at(rows, events, None)) == [(False, 3.0)]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (20.0, [(True, 5.0), (None, None), (None, None)]),
        (30.0, [(True, 5.0), (None, None), (None, None)]),
        (30.5, [(True, 5.0), (False, 30.0), (False, 30.0)]),
        (41.0, [(True, 5.0), (True, 40.0), (False, 30.0)]),
    ],
)
def test_silence_until_maturity_means_legitimate_and_takes_no_verdict_back(
    at: float, expected: list[tuple[bool | None, float | None]]
) -> None:
    rows = rows_of(("a", 0.0, True, 5.0), ("b", 0.0, True, 40.0), ("c", 0.0, None, None))
    assert labels(labels_at(rows, events_of(), day(at), timedelta(days=30))) == expected


def test_between_two_changes_one_label_a_row_says_it_all() -> None:
    events = events_of(("a", True, 4.0, "chargeback"), ("b", True, 6.0, "chargeback"))
    rows = rows_of(("a", 0.0, False, 1.0), ("b", 0.0, None, None), ("c", 0.0, True, 2.0))
    assert label_changes(rows, events).collect().rows() == [("a", day(4))]
    before = [(False, 1.0), (True, 6.0), (True, 2.0)]
    assert labels(labels_from(rows, events, None)) == before
    assert labels(labels_from(rows, events, day(4))) == [(True, 4.0), *before[1:]]


def reference(row: Row, events: Sequence[Event], at: float, maturity: float | None) -> bool | None:
    """The rule, read aloud."""
    name, occurred, said, known = row
    judged = [(k, source, what) for who, what, k, source in events if who == name and k >= occurred]
    if said is not None and known is not None:
        judged.append((known, "file", said))
    heard = [one for one in judged if one[2] is not None and one[0] < at]
    for moment in sorted({k for k, _, _ in heard}, reverse=True):
        for source in ("analyst", "chargeback", "file", "bank"):
            verdicts = {what for k, by, what in heard if k == moment and by == source}
            if len(verdicts) == 1:
                return verdicts.pop()
    return False if maturity is not None and occurred + maturity < at else None


ids = st.sampled_from(["a", "b"])
moments = st.integers(0, 6).map(float)
verdicts = st.sampled_from([True, False, None])
event = st.tuples(
    ids, verdicts, moments, st.sampled_from(["analyst", "chargeback", "file", "bank"])
)


@settings(deadline=None, max_examples=20)
@given(
    events=st.lists(event, max_size=7),
    own=st.tuples(verdicts, verdicts),
    occurred=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    maturity=st.sampled_from([None, 1.0, 2.5, 4.0]),
)
def test_equal_to_the_rule_at_every_moment(
    events: list[Event],
    own: tuple[bool | None, bool | None],
    occurred: tuple[int, int],
    maturity: float | None,
) -> None:
    rows: list[Row] = [
        (name, float(at), said, None if said is None else at + 1.0)
        for name, at, said in zip(("a", "b"), occurred, own, strict=True)
    ]
    frame, heard = rows_of(*rows), events_of(*events)
    length = None if maturity is None else timedelta(days=maturity)
    changes = [day(-1), *label_changes(frame, heard, length).collect()["known_at"]]
    for at in (0.0, 2.0, 3.5, 5.0, 9.0):
        expected = [reference(row, events, at, maturity) for row in rows]
        found = labels_at(frame, heard, day(at), length)
        assert [said for said, _ in labels(found)] == expected
        # Features see the same, from the newest change before the moment on.
        since = max(one for one in changes if one is not None and one < (day(at) or START))
        seen = [
            said if known is not None and known < at else None
            for said, known in labels(labels_from(frame, heard, since, length))
        ]
        assert seen == expected


def test_whoever_speaks_at_the_moment_of_maturity_is_heard_and_silence_is_not() -> None:
    events = events_of(("a", True, 30.0, "somebody"))
    rows = rows_of(("a", 0.0, None, None))
    assert labels(labels_at(rows, events, day(31), timedelta(days=30))) == [(True, 30.0)]


def test_of_a_transaction_in_two_uploads_the_first_tells_its_label() -> None:
    events = events_of(("a", None, 5.0, "analyst"))
    rows = rows_of(("a", 0.0, True, 1.0), ("a", 0.0, False, 2.0))
    assert labels(labels_at(rows, events, day(9))) == [(True, 1.0), (True, 1.0)]
