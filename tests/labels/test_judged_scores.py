"""Stored scores are judged by the labels of now, not by those that stood beside them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from fraud_assets import layers
from fraud_assets.judged_scores import judged_scores
from fraud_assets.labels import FeedLabels
from gpu_ops.labels import EVENT_SCHEMA
from resources.lake import Lake
from resources.manifests import Manifest, Slot
from resources.versions import Versions

START = datetime(2026, 1, 1, tzinfo=UTC)
MATURITY = timedelta(days=30)
SCHEMA = {
    "transaction_id": pl.String(),
    "occurred_at": pl.Datetime("us", "UTC"),
    "is_fraud": pl.Boolean(),
    "label_known_at": pl.Datetime("us", "UTC"),
}


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def published(versions: Versions, slot: Slot, table: pl.DataFrame, **inputs: str) -> Manifest:
    attempt = versions.begin(slot, "run")
    attempt.write_table(table.lazy())
    return versions.publish(attempt, inputs=inputs)


def upload(versions: Versions, key: str, days: dict[str, int]) -> Manifest:
    """Transactions without a label, scored when silence still stood for one from maturity on."""
    raw = pl.DataFrame(
        {
            "transaction_id": list(days),
            "occurred_at": [day(number) for number in days.values()],
            "is_fraud": [None] * len(days),
            "label_known_at": [None] * len(days),
        },
        schema=SCHEMA,
    )
    made_of = published(versions, layers.upload_slot("raw_transactions", "sim", key), raw)
    scored = raw.with_columns(
        is_fraud=pl.lit(value=False),
        label_known_at=pl.col("occurred_at") + MATURITY,
        fraud_probability=0.5,
    )
    slot = layers.upload_slot("augmented_transactions", "sim", key)
    return published(versions, slot, scored, **{made_of.slot: made_of.content_id})


def test_a_fraud_reported_after_the_scores_is_not_taken_back_by_maturity(tmp_path: Path) -> None:
    versions = Versions(Lake.open(str(tmp_path / "lake")))
    scored = {
        "one": upload(versions, "one", {"reported": 0, "silent": 1, "young": 25}),
        "changed": upload(versions, "changed", {"gone": 2}),
    }
    upload(versions, "changed", {"come": 3})
    told = pl.DataFrame([("reported", True, day(20), "chargeback")], EVENT_SCHEMA, orient="row")
    late = published(versions, Slot("labels/feed=sim/upload=late"), told)
    labels = FeedLabels({"late": late}, MATURITY)

    def judged(now: datetime) -> dict[str, bool | None]:
        found = judged_scores(versions, labels, scored, ("fraud_probability",), now)
        assert found is not None
        assert found.collect()["fraud_probability"].to_list() == [0.5, 0.5, 0.5]
        return dict(found.select("transaction_id", "is_fraud").collect().iter_rows())

    assert judged(day(20)) == {"reported": None, "silent": None, "young": None}
    assert judged(day(40)) == {"reported": True, "silent": False, "young": None}
    gone = {"changed": scored["changed"]}
    assert judged_scores(versions, labels, gone, ("fraud_probability",), day(40)) is None
