"""Which scored rows graph and alerts look back on: the last days of each feed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from fraud_assets.refresh import latest_events, scan_window, within
from resources.lake import Lake
from resources.versions import Manifest, Slot, Versions

DAY = timedelta(days=1)
OLD = datetime(2018, 4, 10, tzinfo=UTC)
NEW = datetime(2024, 1, 10, tzinfo=UTC)


def publish(versions: Versions, feed: str, key: str, *at: datetime) -> Manifest:
    attempt = versions.begin(Slot.upload("augmented", feed, key), "run")
    attempt.write_table(
        pl.DataFrame({"occurred_at": at}, schema={"occurred_at": pl.Datetime("us", "UTC")})
    )
    return versions.publish(attempt, inputs={})


def test_a_feed_of_newer_times_does_not_push_another_out(tmp_path: Path) -> None:
    versions = Versions(Lake.open(str(tmp_path / "lake")))
    scored = [
        publish(versions, "sim", "sim-a-1", NEW),
        publish(versions, "card", "card-a-1", OLD - 9 * DAY),
        publish(versions, "card", "card-b-2", OLD - 3 * DAY, OLD - DAY, OLD),
        publish(versions, "aml", "aml-empty-3"),
    ]
    seen = scan_window(versions, scored, 2).collect()["occurred_at"].to_list()
    assert sorted(seen) == [OLD - DAY, OLD, NEW]
    assert {one.slot for one in within(scored, 2)} == {
        "augmented/feed=sim/upload=sim-a-1",
        "augmented/feed=card/upload=card-b-2",
    }
    assert latest_events(scored) == {"sim": NEW, "card": OLD}
