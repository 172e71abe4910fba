"""Training rows: which row may teach, stop, test or none of it, by what was known when."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets import layers
from fraud_assets.feeds import load_feeds
from fraud_assets.training import NotTrainable, Source, Trainable, assess, training_frame
from gpu_ops.splits import TimeSplit, Window
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Manifest, Versions

FEED = load_feeds(None)["sim"]
START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
# Days 0 to 10 train, 11 to 13 validation, 14 to 18 test; a day's delay between them.
SPLIT = TimeSplit(
    train=Window(START, START + 10 * DAY),
    validation=Window(START + 11 * DAY, START + 13 * DAY),
    test=Window(START + 14 * DAY, START + 18 * DAY),
    label_delay=DAY,
)
# Identity, day of the event, payer, label, day on which the label became known.
Event = tuple[str, float, str, bool | None, float | None]
FAR_FUTURE = 365_000.0

EVENTS: Sequence[Event] = (
    ("train-fraud", 0, "ann", True, 5),
    ("train-legitimate", 1, "bob", False, 2),
    ("label-known-when-the-test-starts", 2, "cat", True, 14),
    ("label-just-in-time", 2.5, "cat", True, 13.999),
    ("without-a-label", 3, "dan", None, None),
    ("last-of-train", 9.999, "eve", False, 11),
    ("in-the-first-gap", 10, "eve", False, 11),
    ("first-of-validation", 11, "fay", True, 12),
    ("validation-too-late-a-label", 12, "fay", False, 14.5),
    ("in-the-second-gap", 13, "gus", True, 13.5),
    ("test-legitimate", 14, "hal", False, 15),
    ("test-payer-known-since-training", 14.5, "ann", False, 15),
    ("test-fraud", 15, "ivy", True, 15.5),
    ("test-same-day-as-it-became-known", 15.75, "ivy", True, 16.5),
    ("test-a-day-after-it-became-known", 16, "ivy", False, 17),
    ("test-label-not-known-yet", 17, "joe", True, FAR_FUTURE),
    ("test-without-a-label", 17.5, "kim", None, None),
    ("after-the-test", 18, "liz", False, 19),
)


def at(days: float | None) -> datetime | None:
    return None if days is None else START + days * DAY


def store(versions: Versions, key: str, events: Sequence[Event]) -> Source:
    """Raw and prepped versions of one upload; the only feature is the event's place."""
    table = pl.DataFrame(
        {
            "transaction_id": [event[0] for event in events],
            "occurred_at": [at(event[1]) for event in events],
            "payer_id": [event[2] for event in events],
            "amount": [10.0 + place for place in range(len(events))],
            "is_fraud": [event[3] for event in events],
            "label_known_at": [
                START.replace(year=3000) if event[4] == FAR_FUTURE else at(event[4])
                for event in events
            ],
        },
        schema_overrides={
            "occurred_at": pl.Datetime("us", "UTC"),
            "label_known_at": pl.Datetime("us", "UTC"),
            "is_fraud": pl.Boolean,
        },
    )
    raw = _publish(versions, "raw_transactions", key, table, {})
    features = table.select(
        "transaction_id", "occurred_at", place=(pl.col("amount") - 10.0).cast(pl.Float32)
    )
    made_of = {raw.slot: raw.content_id}
    return Source(raw, _publish(versions, "prepped_transactions", key, features, made_of))


def _publish(
    versions: Versions, asset: str, key: str, table: pl.DataFrame, inputs: dict[str, str]
) -> Manifest:
    attempt = versions.begin(layers.upload_slot(asset, FEED.name, key), "by-hand")
    attempt.write_table(table)
    return versions.publish(attempt, inputs=inputs)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path / "lake")))


def frame(versions: Versions, *sources: Source, most: int = 1_000) -> pl.DataFrame:
    return training_frame(versions, Trainable(FEED, SPLIT, sources), max_training_rows=most, seed=0)


def windows(table: pl.DataFrame) -> dict[str, list[str]]:
    names = ("train", "validation", "test")
    return {one: table.filter(window=one)["transaction_id"].to_list() for one in names}


def test_each_row_is_in_the_window_that_its_time_and_its_label_allow(versions: Versions) -> None:
    table = frame(versions, store(versions, "one", EVENTS))
    assert windows(table) == {
        "train": ["train-fraud", "train-legitimate", "label-just-in-time", "last-of-train"],
        "validation": ["first-of-validation"],
        "test": ["test-legitimate", "test-fraud", "test-same-day-as-it-became-known"],
    }
    labels = dict(table.select("transaction_id", "is_fraud").iter_rows())
    assert labels["label-just-in-time"] is True
    assert labels["train-legitimate"] is False
    assert table["weight"].to_list() == [1.0] * 8
    assert table["feed"].unique().to_list() == ["sim"]


def test_features_and_money_stay_with_their_transaction_over_uploads(versions: Versions) -> None:
    sources = [store(versions, "one", EVENTS[:7]), store(versions, "two", EVENTS[7:])]
    table = frame(versions, *sources)
    assert windows(table) == windows(frame(versions, store(versions, "whole", EVENTS)))
    place = {event[0]: n for part in (EVENTS[:7], EVENTS[7:]) for n, event in enumerate(part)}
    for name, feature, amount in table.select(
        "transaction_id", "place", "transaction_amount"
    ).iter_rows():
        assert (feature, amount) == (place[name], 10.0 + place[name])


def test_a_sample_keeps_every_fraud_and_weighs_what_stands_for_more(versions: Versions) -> None:
    events: list[Event] = [
        (f"n-{n:03d}", n * 0.09, f"payer-{n}", n % 25 == 0, n * 0.09 + 1) for n in range(100)
    ]
    table = frame(versions, store(versions, "one", events), most=28).filter(window="train")
    assert table.height == 28
    assert table.filter("is_fraud")["transaction_id"].to_list() == [
        "n-000",
        "n-025",
        "n-050",
        "n-075",
    ]
    assert table.filter("is_fraud")["weight"].unique().to_list() == [1.0]
    assert table.filter(~pl.col("is_fraud"))["weight"].unique().to_list() == [4.0]


def _events(draw: st.DrawFn) -> list[Event]:
    size = draw(st.integers(min_value=1, max_value=12))
    days = st.integers(min_value=0, max_value=17 * 8).map(lambda eighths: eighths / 8)
    events: list[Event] = []
    for number, day in enumerate(sorted(draw(st.lists(days, min_size=size, max_size=size)))):
        delay = draw(st.integers(min_value=1, max_value=80)) / 8
        payer = draw(st.sampled_from(["ann", "bob", "cat"]))
        events.append((f"t-{number:02d}", day, payer, draw(st.booleans()), day + delay))
    return events


@settings(deadline=None, max_examples=20)
@given(events=st.composite(_events)())
def test_labels_that_became_known_once_the_test_began_change_nothing_before_it(
    events: list[Event],
) -> None:
    changed = [
        (name, day, payer, not fraud if known is not None and known >= 14 else fraud, known)
        for name, day, payer, fraud, known in events
    ]
    learned = []
    for version in (events, changed):
        for versions in _scratch():
            table = frame(versions, store(versions, "one", version))
            learned.append(table.filter(pl.col("window") != "test"))
    assert learned[0].equals(learned[1])
    # And what is learned is all that it may be.
    expected = [
        name
        for name, day, _, _, known in events
        if (day < 10 or 11 <= day < 13) and known is not None and known < 14
    ]
    assert learned[0]["transaction_id"].to_list() == expected


def _scratch() -> Iterator[Versions]:
    with TemporaryDirectory() as folder:
        yield Versions(Lake.open(folder))


def _long(frauds: int) -> list[Event]:
    return [
        (f"t-{n:03d}", n * 0.2, f"payer-{n}", n < frauds or n == 60, n * 0.2 + 1)
        for n in range(100)
    ]


def test_a_feed_says_why_it_cannot_be_trained(versions: Versions, tmp_path: Path) -> None:
    limits = Settings(lake=str(tmp_path / "lake"), min_fraud_labels=5)

    def reason() -> str:
        found = assess(versions, FEED, limits)
        assert isinstance(found, NotTrainable)
        return found.reason

    assert reason() == "no prepared transactions"
    store(versions, "short", [("a", 0, "ann", True, 1), ("b", 3, "bob", False, 4)])
    assert "too short to train and test" in reason()
    store(versions, "few", _long(frauds=3))
    assert "4 known frauds; 5 needed" in reason()


def test_a_feed_with_enough_labels_is_split_over_its_whole_span(
    versions: Versions, tmp_path: Path
) -> None:
    later, earlier = store(versions, "a", _long(9)[50:]), store(versions, "b", _long(9)[:50])
    limits = Settings(lake=str(tmp_path / "lake"), min_fraud_labels=5)
    # Features of other raw rows than the visible ones take no part.
    stale = store(versions, "stale", [("x", 40, "ann", False, 41), ("y", 41, "ann", False, 42)])
    kept = versions.scan(stale.raw).collect().head(1)
    _publish(versions, "raw_transactions", "stale", kept, {})
    found = assess(versions, FEED, limits)
    assert isinstance(found, Trainable), found
    assert found.sources == (earlier, later)
    assert (found.split.train.start, found.split.label_delay) == (START, DAY)
    assert found.split.test.end == START + 99 * 0.2 * DAY + timedelta(microseconds=1)
