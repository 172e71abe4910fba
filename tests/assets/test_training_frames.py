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
from fraud_assets.feed_catalogue import catalogue_digest, feed_catalogue
from fraud_assets.feeds import load_feeds
from fraud_assets.labelled_rows import MisplacedFeaturesError, training_frame
from fraud_assets.training import (
    NotTrainable,
    Source,
    Trainable,
    assess,
    trained_on,
)
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
NOW = START + 60 * DAY
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
    made_of = {raw.slot: raw.content_id, "catalogue": catalogue_digest(feed_catalogue(FEED))}
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
    trainable = Trainable(FEED, SPLIT, sources, NOW, known_test_labels=0)
    return training_frame(versions, trainable, max_training_rows=most, seed=0)


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
        found = assess(versions, FEED, limits, NOW)
        assert isinstance(found, NotTrainable)
        return found.reason

    assert reason() == "no prepared transactions"
    store(versions, "short", [("a", 0, "ann", True, 1), ("b", 3, "bob", False, 4)])
    assert reason() == (
        "too short to train and test: 3.0 days of transactions found, 6.0 needed (two gaps of 1.0 "
        "days and 4 days); a gap is the age at which 99 % of legitimate labels are known (1 day; "
        "the feed declares 1), and younger transactions do not count"
    )
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
    found = assess(versions, FEED, limits, NOW)
    assert isinstance(found, Trainable), found
    assert found.sources == (earlier, later)
    assert (found.split.train.start, found.split.label_delay) == (START, DAY)
    assert found.split.test.end == START + 99 * 0.2 * DAY + timedelta(microseconds=1)


def _live(slow: float = 5.0) -> list[Event]:
    """Sixty days of four rows a day: one fraud, known in a day, the others in `slow` days."""
    return [
        (f"t-{n:03d}", n / 4, f"payer-{n}", n % 4 == 0, n / 4 + (1.0 if n % 4 == 0 else slow))
        for n in range(240)
    ]


def _assessed(versions: Versions, now: datetime) -> Trainable:
    limits = Settings(lake=versions.lake.url, min_fraud_labels=5)
    found = assess(versions, FEED, limits, now)
    assert isinstance(found, Trainable), found
    return found


def test_the_test_window_ends_where_labels_had_the_time_to_become_known(
    versions: Versions,
) -> None:
    store(versions, "one", _live())
    found = _assessed(versions, START + 60 * DAY)
    assert found.split.label_delay == 5 * DAY
    assert found.split.test.end == START + 55 * DAY
    # The last row before the end is used, the first one after it is not; one in four is a fraud.
    table = training_frame(versions, found, max_training_rows=1_000, seed=0).filter(window="test")
    assert table["occurred_at"].max() == START + 54.75 * DAY
    assert table["is_fraud"].mean() == 0.25
    assert table.height == found.known_test_labels


def test_the_windows_stand_still_until_midnight(versions: Versions) -> None:
    store(versions, "one", _live())
    ends = [
        _assessed(versions, START + days * DAY).split.test.end
        for days in (59.0, 59.99, 60.0, 60.01, 80.0)
    ]
    whole = START + 59.75 * DAY + timedelta(microseconds=1)
    assert ends == [START + days * DAY for days in (54, 54, 55, 55)] + [whole]


def test_labels_that_become_known_later_change_nothing_now(versions: Versions) -> None:
    now = START + 60 * DAY
    hidden: list[Event] = [
        event if event[4] is not None and event[4] < 60 else (*event[:3], None, None)
        for event in _live()
    ]
    late = [(*event[:3], not event[3], 60.0) if event[3] is None else event for event in hidden]
    learned = []
    for key, events in (("hidden", hidden), ("late", late)):
        for scratch in _scratch():
            store(scratch, key, events)
            found = _assessed(scratch, now)
            frame = training_frame(scratch, found, max_training_rows=1_000, seed=0)
            learned.append((found.split, found.known_test_labels, frame))
    assert learned[0][:2] == learned[1][:2]
    assert learned[0][2].equals(learned[1][2])


def test_a_feed_with_labels_that_never_come_is_trained_on_the_others(versions: Versions) -> None:
    store(versions, "one", _live())
    windows_without = _assessed(versions, NOW).split
    never = [(*event[:4], FAR_FUTURE) if n % 20 == 1 else event for n, event in enumerate(_live())]
    store(versions, "one", never)
    assert _assessed(versions, NOW).split == windows_without


def test_a_feed_whose_delay_leads_out_of_the_calendar_is_not_trained(versions: Versions) -> None:
    store(versions, "one", _live())
    feed = FEED.model_copy(update={"label_delay": timedelta.max})
    found = assess(versions, feed, Settings(lake=versions.lake.url), NOW)
    assert isinstance(found, NotTrainable)
    assert found.reason.startswith("too short to train and test: 0.0 days of transactions found")


def test_what_matures_is_something_new_to_train_on(versions: Versions) -> None:
    source = store(versions, "one", [*_live(), ("slow", 60, "ann", True, 90)])
    told = [
        trained_on(_assessed(versions, START + days * DAY)) for days in (60.0, 60.5, 62, 80, 91)
    ]
    assert told[0] == told[1]
    ends = [one["labels/feed=sim"].rpartition(" ")[0] for one in told]
    assert ends[0] != ends[2]
    assert ends[3] == ends[4]
    assert told[3] != told[4], "one more label is known"
    assert {one[source.prepped.slot] for one in told} == {source.prepped.content_id}


def test_a_transaction_in_two_uploads_counts_once_and_moves_no_features(
    versions: Versions,
) -> None:
    sources = [store(versions, "one", EVENTS[:7]), store(versions, "two", EVENTS[1:])]
    table = frame(versions, *sources)
    assert windows(table) == windows(frame(versions, store(versions, "whole", EVENTS)))
    place = {event[0]: n for part in (EVENTS[1:], EVENTS[:7]) for n, event in enumerate(part)}
    assert dict(table.select("transaction_id", "place").iter_rows()) == {
        name: place[name] for name in table["transaction_id"]
    }


def test_features_of_other_transactions_are_refused(versions: Versions) -> None:
    source = store(versions, "one", EVENTS)
    shuffled = versions.scan(source.prepped).collect().reverse()
    made_of = {source.raw.slot: source.raw.content_id}
    prepped = _publish(versions, "prepped_transactions", "one", shuffled, made_of)
    with pytest.raises(MisplacedFeaturesError, match="prepped/feed=sim/upload=one are not those"):
        frame(versions, Source(source.raw, prepped))
