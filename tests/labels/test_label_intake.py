"""What a file of labels says beside those of others, and when a run has to look at it again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.feeds import ReadLabels, load_feeds
from fraud_assets.label_intake import TRANSACTIONS, Intake, beside_others, transactions_digest
from fraud_assets.label_state import label_states
from fraud_assets.labels import REACH
from fraud_assets.uploads import Upload, Uploads
from gpu_ops.canonical import UTC_MICROSECONDS
from gpu_ops.labels import EVENT_SCHEMA
from resources.settings import Settings
from resources.versions import Manifest, Slot, Versions
from schedules.labels import labels_sensor

START = datetime(2026, 1, 1, tzinfo=UTC)
FEED = load_feeds(None)["sim"]
Verdict = tuple[str, bool | None, float, str]


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    return Settings.model_validate({"lake": str(tmp_path / "lake")})


def registered(project: Settings, folder: Path, *names: str) -> list[Upload]:
    """Files of labels that have landed; what is in them is not looked at here."""
    uploads = Uploads(project.open_lake(), ["sim"])
    for name in names:
        file = folder / name
        file.write_text(f"transaction_id,is_fraud,known_at\n{name},fraud,2026-02-01T00:00:00Z\n")
        uploads.land(file, "sim", labels=True)
    uploads.discover()
    return uploads.labels()


def events_of(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    rows = [(name, said, START + timedelta(days=day), by) for name, said, day, by in verdicts]
    return pl.DataFrame(rows, schema=EVENT_SCHEMA, orient="row")


def publish(
    versions: Versions, slot: Slot, table: pl.DataFrame, inputs: dict[str, str] | None = None
) -> Manifest:
    attempt = versions.begin(slot, "by-hand")
    attempt.write_table(table)
    return versions.publish(attempt, inputs=inputs or {}, extra={REACH: {}})


def transactions(versions: Versions, key: str, *rows: tuple[str, bool | None]) -> Manifest:
    """Raw transactions of day 0; what the file says of them was known on day 1."""
    table = pl.DataFrame(
        {
            "transaction_id": [name for name, _ in rows],
            "occurred_at": pl.Series([START] * len(rows), dtype=UTC_MICROSECONDS),
            "is_fraud": pl.Series([said for _, said in rows], dtype=pl.Boolean),
            "label_known_at": pl.Series(
                [START + timedelta(days=1)] * len(rows), dtype=UTC_MICROSECONDS
            ),
        }
    )
    return publish(versions, layers.upload_slot("raw_transactions", "sim", key), table)


def test_a_file_tells_what_it_takes_back_and_what_it_contradicts(
    project: Settings, tmp_path: Path
) -> None:
    versions = Versions(project.open_lake())
    first, second = registered(project, tmp_path, "first.csv", "second.csv")
    raw = transactions(versions, "one", ("a", True), ("b", True), ("c", False), ("d", None))
    earlier = [("a", False, 5.0, "chargeback"), ("d", True, 5.0, "analyst")]
    publish(versions, layers.label_slot("sim", first.key), events_of(earlier))
    mine = [
        ("a", True, 5.0, "chargeback"),  # the other file has the same source say the opposite
        ("a", True, 6.0, "analyst"),  # repeats what the transactions' file said
        ("b", False, 6.0, "analyst"),  # takes back what that file said
        ("c", True, 1.0, "file"),  # contradicts that file
        ("d", False, 7.0, "analyst"),  # takes back the other file of labels
        ("d", None, 8.0, "analyst"),  # unsure takes nothing back
        ("e", True, 6.0, "analyst"),  # the first to judge it takes nothing back
    ]
    nothing = pl.DataFrame()
    read = ReadLabels(table=nothing, duplicate=0, quarantined=nothing, received=len(mine))
    intake = Intake(
        FEED, "second.csv", read, events_of(mine), nothing, {raw.slot: raw.content_id}, "all"
    )
    assert beside_others(versions, second, intake) == {"superseded": 2, "contradicting": 2}
    # Taken in again, a file is not measured against itself.
    publish(
        versions,
        layers.label_slot("sim", second.key),
        events_of([("b", True, 6.0, "analyst")]),
    )
    assert beside_others(versions, second, intake) == {"superseded": 2, "contradicting": 2}


def test_labels_are_due_when_their_transactions_change_or_may_have_come(
    project: Settings, tmp_path: Path
) -> None:
    versions = Versions(project.open_lake())
    uploads = Uploads(project.open_lake(), ["sim"])
    feeds = {"sim": FEED}

    def due() -> dict[str, bool]:
        return {one.upload.file: one.is_due for one in label_states(versions, uploads, feeds)}

    found, waiting = registered(project, tmp_path, "found.csv", "waiting.csv")
    assert due() == {"found.csv": True, "waiting.csv": True}
    raw = transactions(versions, "one", ("a", None))
    table = events_of([("a", True, 5.0, "analyst")])
    publish(versions, layers.label_slot("sim", found.key), table, {raw.slot: raw.content_id})
    looked_at = transactions_digest({"one": raw})
    publish(versions, layers.label_slot("sim", waiting.key), table, {TRANSACTIONS: looked_at})
    assert due() == {"found.csv": False, "waiting.csv": False}
    # Other transactions landed: only who waits has to look.
    transactions(versions, "two", ("b", None))
    assert due() == {"found.csv": False, "waiting.csv": True}
    # The judged ones were made anew.
    transactions(versions, "one", ("a", None), ("z", None))
    assert due() == {"found.csv": True, "waiting.csv": True}


def test_a_file_that_never_succeeds_is_asked_for_once_and_holds_nothing_up(
    project: Settings, tmp_path: Path
) -> None:
    lake, settings = project.open_lake(), project.model_copy(update={"uploads_per_tick": 1})
    first, second = registered(project, tmp_path, "first.csv", "second.csv")
    asked: list[str | None] = []
    cursor = None
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(3):
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"lake": lake, "settings": settings}
            )
            told = labels_sensor(context)
            if isinstance(told, dg.SensorResult):
                cursor = told.cursor
                asked += [one.partition_key for one in told.run_requests or []]
    assert asked == [first.key, second.key]
    assert told == dg.SkipReason("Every feature knows the labels that it could.")
