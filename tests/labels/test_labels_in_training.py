"""Training reads late labels as features do: each as it was known at the moment in question."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.feed_catalogue import catalogue_digest, feed_catalogue
from fraud_assets.feeds import Feed, load_feeds
from fraud_assets.labelled_rows import training_frame
from fraud_assets.labels import REACH, FeedLabels
from fraud_assets.training import NotTrainable, Source, Trainable, assess, trained_on
from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.labels import EVENT_SCHEMA
from gpu_ops.splits import TimeSplit, Window
from resources.lake import Lake
from resources.settings import Settings
from resources.versions import Versions

FEED = load_feeds(None)["sim"]
START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SPLIT = TimeSplit(
    train=Window(START, START + 10 * DAY),
    validation=Window(START + 11 * DAY, START + 13 * DAY),
    test=Window(START + 14 * DAY, START + 18 * DAY),
    label_delay=DAY,
)
NOW = START + 60 * DAY


def days(*numbers: float | None) -> pl.Series:
    moments = [None if one is None else START + one * DAY for one in numbers]
    return pl.Series(moments, dtype=UTC_MICROSECONDS)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path / "lake")))


def store(versions: Versions, rows: Sequence[tuple[str, float, str, bool | None]]) -> Source:
    """Rows by id, day, payer and the file's own label, which is known half a day later."""
    own = [None if said is None else day + 0.5 for _, day, _, said in rows]
    raw = pl.DataFrame(
        {
            "transaction_id": [row[0] for row in rows],
            "occurred_at": days(*(row[1] for row in rows)),
            "payer_id": [row[2] for row in rows],
            "amount": [10.0] * len(rows),
            "is_fraud": pl.Series([row[3] for row in rows], dtype=pl.Boolean),
            "label_known_at": days(*own),
        }
    )
    attempt = versions.begin(layers.upload_slot("raw_transactions", FEED.name, "one"), "by-hand")
    attempt.write_table(raw)
    kept = versions.publish(attempt, inputs={})
    attempt = versions.begin(
        layers.upload_slot("prepped_transactions", FEED.name, "one"), "by-hand"
    )
    attempt.write_table(raw.select("transaction_id", "occurred_at", feature=pl.lit(1.0)))
    inputs = {kept.slot: kept.content_id, "catalogue": catalogue_digest(feed_catalogue(FEED))}
    return Source(kept, versions.publish(attempt, inputs=inputs))


def judge(
    versions: Versions, events: Sequence[tuple[str, bool | None, float, str]], feed: Feed = FEED
) -> FeedLabels:
    """Publish late labels: id, verdict, day, source."""
    rows = [(name, said, START + day * DAY, source) for name, said, day, source in events]
    attempt = versions.begin(layers.label_slot(FEED.name, "labels"), "by-hand")
    attempt.write_table(pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row"))
    versions.publish(attempt, inputs={}, extra={REACH: {}})
    return FeedLabels.of(versions, feed)


def labels(versions: Versions, source: Source, late: FeedLabels) -> dict[str, tuple[str, bool]]:
    trainable = Trainable(FEED, SPLIT, (source,), NOW, 0, late)
    table = training_frame(versions, trainable, max_training_rows=100, seed=0)
    return {
        name: (window, said)
        for name, window, said in table.select("transaction_id", "window", "is_fraud").iter_rows()
    }


def test_each_window_has_the_labels_of_its_moment(versions: Versions) -> None:
    source = store(
        versions,
        [
            ("cleared-before-the-test", 0, "ann", True),
            ("cleared-after-it-began", 1, "bob", True),
            ("found-late", 2, "cat", None),
            ("found-too-late", 3, "dan", None),
            ("unsure", 4, "eve", False),
            ("validated", 12, "fay", None),
            ("test-of-ann", 15, "ann", None),
            ("test-of-bob", 15.2, "bob", None),
            ("test-of-cat", 15.4, "cat", None),
            ("test-unknown", 15.6, "gil", None),
        ],
    )
    late = judge(
        versions,
        [
            ("cleared-before-the-test", False, 13, "analyst"),
            ("cleared-after-it-began", False, 20, "analyst"),
            ("found-late", True, 13.9, "chargeback"),
            ("found-too-late", True, 14, "chargeback"),
            ("unsure", None, 13, "analyst"),
            ("validated", False, 13.5, "chargeback"),
            ("test-of-ann", False, 30, "chargeback"),
            ("test-of-bob", True, 30, "chargeback"),
            ("test-of-cat", True, 30, "chargeback"),
            ("test-unknown", True, 60, "chargeback"),
        ],
    )
    assert labels(versions, source, late) == {
        "cleared-before-the-test": ("train", False),
        "cleared-after-it-began": ("train", True),
        "found-late": ("train", True),
        "unsure": ("train", False),
        "validated": ("validation", False),
        # Ann was cleared before the day; bob was cleared later, cat never.
        "test-of-ann": ("test", False),
    }


def test_a_feed_without_labels_says_so_until_some_land(versions: Versions) -> None:
    store(versions, [(f"t-{day}", day, f"payer-{day}", None) for day in range(60)])
    settings = Settings.model_validate({"min_fraud_labels": 1})
    now = START + 70 * DAY
    found = assess(versions, FEED, settings, now)
    assert isinstance(found, NotTrainable)
    assert "no label is known yet" in found.reason
    assert "fraud-assets land FILE --feed sim --labels" in found.reason
    assert trained_on(found) == {}

    # Silence alone: every row is legitimate in the end, and still there is no fraud to learn.
    patient = FEED.model_copy(update={"label_maturity": 10 * DAY})
    assert patient.digest == FEED.digest
    found = assess(versions, patient, settings, now)
    assert isinstance(found, NotTrainable)
    assert "0 known frauds; 1 needed" in found.reason
    assert "0 known legitimate" not in found.reason

    judge(versions, [("t-1", True, 2, "chargeback"), ("t-35", True, 36, "chargeback")])
    ready = [
        assess(versions, patient, settings, now),
        assess(versions, patient, settings, now),
    ]
    assert isinstance(ready[0], Trainable), ready[0]
    # No window is younger than silence needs to mean anything.
    assert ready[0].split.label_delay == 10 * DAY
    before = trained_on(ready[0])
    assert before == trained_on(ready[1])
    judge(versions, [("t-1", True, 2, "chargeback"), ("t-35", True, 37, "chargeback")])
    assert trained_on(assess(versions, patient, settings, now)) != before


def test_a_payer_is_left_out_of_the_test_from_the_day_after_a_fraud_was_known(
    versions: Versions,
) -> None:
    source = store(
        versions,
        [
            ("of-the-file", 1, "ann", True),
            ("known-at-midnight", 2, "bob", None),
            ("known-that-day", 3, "cat", None),
            ("cleared-at-midnight", 4, "dan", True),
            ("test-of-ann", 15.4, "ann", False),
            ("test-of-bob", 15.5, "bob", False),
            ("test-of-cat", 15.6, "cat", False),
            ("test-of-dan", 15.7, "dan", False),
        ],
    )
    late = judge(
        versions,
        [
            ("known-at-midnight", True, 15, "chargeback"),
            ("known-that-day", True, 15.1, "chargeback"),
            ("cleared-at-midnight", False, 15, "analyst"),
        ],
    )
    # What becomes known or is taken back at a moment is so after it, and a day counts as a whole.
    assert labels(versions, source, late) == {
        "of-the-file": ("train", True),
        "cleared-at-midnight": ("train", True),
        "test-of-bob": ("test", False),
        "test-of-cat": ("test", False),
    }


def test_quick_labels_do_not_shorten_how_long_silence_has_to_last(versions: Versions) -> None:
    # All but two frauds come with their file, within half a day.
    store(versions, [(f"t-{one}", one / 4, f"payer-{one}", False) for one in range(240)])
    judge(versions, [("t-4", True, 2, "chargeback"), ("t-140", True, 36, "chargeback")])
    settings = Settings.model_validate({"min_fraud_labels": 1})
    patient = FEED.model_copy(update={"label_maturity": 10 * DAY})
    found = assess(versions, patient, settings, START + 70 * DAY)
    assert isinstance(found, Trainable), found
    assert found.split.label_delay == 10 * DAY
