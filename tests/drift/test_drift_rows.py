"""Which labelled rows tell how a champion does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.drift_rows import FeedRows, Known, ScoredUpload
from fraud_assets.labels import FeedLabels
from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.splits import TimeSplit, Window
from resources.lake import Lake
from resources.registry import Card, ModelRegistry, ModelVersion
from resources.versions import Versions

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
SPLIT = TimeSplit(
    train=Window(START, START + 2 * DAY),
    validation=Window(START + 2 * DAY, START + 3 * DAY),
    test=Window(START + 3 * DAY, START + 4 * DAY),
    label_delay=timedelta(),
)
WHOLE = Window(START, START + 7 * DAY)
# Id, day, payer, label, and the day on which it became known.
ROWS = (
    ("learned", 1.0, "ann", True, 1.5),
    ("stopped on", 2.5, "bob", False, 2.6),
    ("blocked by then", 3.0, "ann", False, 3.1),
    ("fraud", 4.25, "cat", True, 4.5),
    ("the day it was known", 4.75, "cat", True, 4.8),
    ("the day after", 5.0, "cat", False, 5.1),
    ("just not known", 6.0, "dan", True, 10.0),
    ("known at midnight", 6.0, "eve", True, 6.5),
    ("never known", 6.5, "fay", None, None),
    ("after the window", 7.0, "gil", False, 7.1),
)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path)))


@pytest.fixture
def model(versions: Versions) -> ModelVersion:
    """A model that is nothing but its card."""
    card = Card(
        feed="sim",
        intended_use="A test.",
        split=SPLIT,
        windows={},
        features=("amount",),
        parameters={},
        metrics={},
        limits=("A test.",),
        code_version="0",
    )
    attempt = versions.begin(ModelRegistry(versions).slot("sim"), "by-hand")
    attempt.write_bytes("card.json", card.model_dump_json().encode())
    return ModelVersion(versions, versions.publish(attempt, inputs={}), "sim")


def scored(versions: Versions, model: str, seen: str = "") -> FeedRows:
    """The rows in one upload, each scored by its place."""
    days = [
        (START + row[1] * DAY, None if row[4] is None else START + row[4] * DAY) for row in ROWS
    ]
    table = pl.DataFrame(
        {
            "transaction_id": [row[0] for row in ROWS],
            "occurred_at": pl.Series([day for day, _ in days], dtype=UTC_MICROSECONDS),
            "payer_id": [row[2] for row in ROWS],
            "is_fraud": [row[3] for row in ROWS],
            "label_known_at": pl.Series([known for _, known in days], dtype=UTC_MICROSECONDS),
        }
    )
    attempt = versions.begin(layers.upload_slot("raw_transactions", "sim", "one"), "by-hand")
    attempt.write_table(table)
    raw = versions.publish(attempt, inputs={})
    attempt = versions.begin(layers.upload_slot("augmented_transactions", "sim", "one"), "by-hand")
    attempt.write_table(
        table.select("occurred_at", fraud_probability=pl.int_range(pl.len()).cast(pl.Float64))
    )
    made_of = {"model": model, raw.slot: seen or raw.content_id}
    augmented = versions.publish(attempt, inputs=made_of)
    return FeedRows(versions, (ScoredUpload(raw, raw, augmented),))


def test_a_champion_is_judged_on_rows_it_never_saw_with_labels_known_by_now(
    versions: Versions, model: ModelVersion
) -> None:
    known = Known(FeedLabels(), START + 10 * DAY, 30 * DAY)
    found = scored(versions, "sim/1").labelled(WHOLE, model, known)
    assert found is not None
    # A payer whose fraud was known before the row's day is blocked by then.
    assert found.select("payer_id", "is_fraud", "fraud_probability").rows() == [
        ("cat", True, 3.0),
        ("cat", True, 4.0),
        ("eve", True, 7.0),
    ]


def test_scores_of_another_model_or_of_other_transactions_judge_nobody(
    versions: Versions, model: ModelVersion
) -> None:
    known = Known(FeedLabels(), START + 10 * DAY, 30 * DAY)
    assert scored(versions, "sim/2").labelled(WHOLE, model, known) is None
    assert scored(versions, "sim/1", "of older rows").labelled(WHOLE, model, known) is None
    later = Window(START + 20 * DAY, START + 27 * DAY)
    assert scored(versions, "sim/1").labelled(later, model, known) is None
