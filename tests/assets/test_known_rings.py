"""Rings as they were known before a transaction's day; the future is never seen."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud_assets import layers
from fraud_assets.known_rings import AS_OF, AS_OF_FEEDS, known_rings
from resources.lake import Lake
from resources.versions import Versions

if TYPE_CHECKING:
    from pydantic import JsonValue

    from tests.assets.conftest import ProjectOf, Rows, Trained

MIDNIGHT = datetime(2026, 3, 3, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path / "lake")))


def publish(
    versions: Versions, as_of: datetime | None, rings: Sequence[tuple[float, list[str]]]
) -> int:
    """A snapshot of rings, each a score and its accounts; its number."""
    number = len(versions.all_numbers(layers.snapshot_slot("fraud_rings"))) + 1
    attempt = versions.begin(layers.snapshot_slot("fraud_rings"), f"run-{number}")
    attempt.write_table(
        pl.DataFrame(
            {"score": [score for score, _ in rings], "accounts": [names for _, names in rings]},
            schema={"score": pl.Float64, "accounts": pl.List(pl.String)},
        )
    )
    extra: dict[str, JsonValue] = {} if as_of is None else {AS_OF: as_of.isoformat()}
    return versions.publish(attempt, inputs={"run": str(number)}, extra=extra).number


def payments(*at: datetime, payer: str = "ann", payee: str = "bob") -> pl.DataFrame:
    return pl.DataFrame(
        {"occurred_at": at, "payer": [payer] * len(at), "payee": [payee] * len(at)},
        schema={
            "occurred_at": pl.Datetime("us", "UTC"),
            "payer": pl.String,
            "payee": pl.String,
        },
    )


def used(versions: Versions, *at: datetime) -> list[int | None]:
    found = known_rings(versions, "sim", min(at), max(at)).joined(payments(*at))
    return found["ring_snapshot"].to_list()


def test_a_snapshot_serves_the_days_after_its_latest_event(versions: Versions) -> None:
    publish(versions, MIDNIGHT - TICK, [(0.5, ["ann"])])
    publish(versions, MIDNIGHT + timedelta(hours=12), [(0.5, ["ann"])])
    assert used(
        versions,
        MIDNIGHT - TICK,  # the day of the first snapshot's own latest event
        MIDNIGHT,
        MIDNIGHT + timedelta(hours=13),  # after the second, but on its day
        MIDNIGHT + timedelta(days=1) - TICK,
        MIDNIGHT + timedelta(days=1),
        MIDNIGHT + timedelta(days=9),
    ) == [None, 1, 1, 1, 2, 2]


def test_an_event_at_midnight_belongs_to_the_day_that_begins(versions: Versions) -> None:
    publish(versions, MIDNIGHT, [(0.5, ["ann"])])
    assert used(versions, MIDNIGHT, MIDNIGHT + timedelta(days=1)) == [None, 1]


def test_a_snapshot_that_does_not_say_what_it_knows_is_never_used(versions: Versions) -> None:
    publish(versions, MIDNIGHT - TICK, [(0.5, ["ann"])])
    publish(versions, None, [(0.9, ["ann"])])
    assert used(versions, MIDNIGHT, MIDNIGHT + timedelta(days=400)) == [1, 1]


def test_an_account_has_the_score_of_its_strongest_ring_on_its_own_side(
    versions: Versions,
) -> None:
    publish(
        versions,
        MIDNIGHT - TICK,
        [(0.25, ["ann", "eve"]), (0.75, ["ann"]), (0.5, ["dan"])],
    )
    rings = known_rings(versions, "sim", MIDNIGHT, MIDNIGHT)
    rows = pl.concat(
        [
            payments(MIDNIGHT, payer="ann", payee="bob"),
            payments(MIDNIGHT, payer="bob", payee="eve"),
            payments(MIDNIGHT, payer="dan", payee="dan"),
        ]
    )
    found = rings.joined(rows)
    assert found.columns == [*rows.columns, "payer_ring_score", "payee_ring_score", "ring_snapshot"]
    assert found["payer_ring_score"].to_list() == [0.75, None, 0.5]
    assert found["payee_ring_score"].to_list() == [None, 0.25, 0.5]


def test_without_snapshots_or_rows_all_is_empty(versions: Versions) -> None:
    assert used(versions, MIDNIGHT) == [None]
    nothing = known_rings(versions, "sim", None, None).joined(payments())
    assert nothing.schema["ring_snapshot"] == pl.Int64
    assert nothing.schema["payer_ring_score"] == pl.Float32


def test_each_feed_has_its_own_calendar(versions: Versions) -> None:
    slot = layers.snapshot_slot("fraud_rings")
    attempt = versions.begin(slot, "run")
    attempt.write_table(
        pl.DataFrame(
            {"score": [0.5], "accounts": [["ann"]]},
            schema={"score": pl.Float64, "accounts": pl.List(pl.String)},
        )
    )
    later = MIDNIGHT + timedelta(days=365)
    extra: dict[str, JsonValue] = {
        AS_OF: later.isoformat(),
        AS_OF_FEEDS: {"sim": (MIDNIGHT - TICK).isoformat(), "card": later.isoformat()},
    }
    versions.publish(attempt, inputs={}, extra=extra)
    known = {
        feed: known_rings(versions, feed, MIDNIGHT, MIDNIGHT).days["ring_snapshot"].to_list()
        for feed in ("sim", "card", "aml")
    }
    assert known == {"sim": [1], "card": [], "aml": []}


HOURS = st.integers(min_value=0, max_value=24 * 8)


@settings(deadline=None, max_examples=25)
@given(as_of=st.lists(HOURS, min_size=1, max_size=5), rows=st.lists(HOURS, min_size=1, max_size=6))
def test_the_newest_snapshot_of_days_before_is_used(as_of: list[int], rows: list[int]) -> None:
    with TemporaryDirectory() as folder:
        versions = Versions(Lake.open(folder))
        known = sorted(as_of)
        for hours in known:
            publish(versions, MIDNIGHT + timedelta(hours=hours), [(0.5, ["ann"])])
        expected = [
            max(
                (place for place, one in enumerate(known, 1) if one < hours // 24 * 24),
                default=None,
            )
            for hours in rows
        ]
        assert used(versions, *(MIDNIGHT + timedelta(hours=hours) for hours in rows)) == expected


def test_a_ring_found_today_marks_tomorrows_payments_and_not_todays(
    trained: "Trained", copy_of: "ProjectOf", rows: "Rows"
) -> None:
    project = copy_of(trained.project)
    outcome = project.run("refresh_alerts")
    assert outcome.success, outcome.reason
    as_of = project.manifest("fraud_rings").extra[AS_OF]
    assert isinstance(as_of, str)
    assert datetime.fromisoformat(as_of).date() == date(2026, 4, 1)
    day = 24 * 30
    key = project.ingest(
        rows(
            {"hours": day + 23.95, "payer_id": "ring-collector", "transaction_id": "same-day"},
            {"hours": day + 24, "payer_id": "ring-collector", "transaction_id": "next-day"},
            {"hours": day + 25, "payee_id": "ring-runner-003", "transaction_id": "to-a-runner"},
            {"hours": day + 26, "transaction_id": "strangers"},
        ),
        "after.parquet",
    )
    table = project.table("augmented_transactions", key)
    assert table["ring_snapshot"].to_list() == [None, 1, 1, 1]
    known = table.select(
        pl.col("payer_ring_score").is_not_null(), pl.col("payee_ring_score").is_not_null()
    )
    assert known.rows() == [(False, False), (True, False), (False, True), (False, False)]
    assert project.manifest("augmented_transactions", key).inputs["rings"] == "1"
    by_id = dict(table.select("transaction_id", "reasons").iter_rows())
    assert "PAYER_IN_RING" not in by_id["same-day"]
