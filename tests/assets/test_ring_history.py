"""What was known of rings is carried on from upload to upload, and made anew where it must be."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fraud_assets.ring_history import RING_ROWS, RingSources
from gpu_ops.features import RING_NAMES
from resources.versions import Slot, Versions

if TYPE_CHECKING:
    from tests.assets.conftest import Project, ProjectOf, Rows

RAW_AND_PREPPED = ("raw_transactions", "prepped_transactions")
KEPT = Slot.snapshot("graphs/ring_history/feed=sim")


@pytest.fixture
def payments(rows: "Rows") -> pl.DataFrame:
    """Forty days of weekly payments, then six strangers pay one account, which pays on."""
    weekly = [
        {"hours": 24.0 * day + k, "payer_id": f"q{k}", "payee_id": f"q{(k + step) % 12}",
         "amount": 40.0 + (k * day) % 29}
        for day in range(60)
        for k in range(day % 7, 12, 7)
        for step in (1, 2)
    ]  # fmt: skip
    fan = [
        {"hours": 24.0 * (44 + k % 2) + 1, "payer_id": f"s{k}", "payee_id": "hub",
         "amount": 950.0 + k}
        for k in range(6)
    ]  # fmt: skip
    after = [
        {"hours": 24.0 * day + 20, "payer_id": "hub", "payee_id": "q1", "amount": 70.0}
        for day in (45, 46, 52)
    ]
    return rows(*sorted([*weekly, *fan, *after], key=lambda row: float(str(row["hours"]))))


def of_hub(project: "Project", *keys: str) -> list[tuple[int, float | None]]:
    """Count and age of the rings that the hub's own payments were told, in order."""
    tables = [
        project.table("prepped_transactions", key).join(
            project.table("raw_transactions", key).select("transaction_id", "payer_id"),
            on="transaction_id",
        )
        for key in keys
    ]
    found = pl.concat(tables).filter(pl.col("payer_id") == "hub").sort("occurred_at")
    return found.select("payer_ring_count", "payer_ring_age_days").rows()


SEEN = [(0, None), (1, 1.0), (1, 7.0)]
"""The fan is whole on day 45: the payment of that day knows nothing of it yet."""


def test_one_big_file_and_many_small_ones_are_told_the_same(
    project_of: "ProjectOf", payments: pl.DataFrame, tmp_path: Path
) -> None:
    whole, parts = project_of(tmp_path / "one"), project_of(tmp_path / "two")
    for project in (whole, parts):
        project.folder.mkdir()
    once = whole.land(payments, "all.parquet")
    whole.must(*RAW_AND_PREPPED, key=once)
    assert of_hub(whole, once) == SEEN
    cuts = [0, 100, 157, 160, payments.height]
    keys = [
        parts.land(payments[first:last], f"part-{first}.parquet") for first, last in pairwise(cuts)
    ]
    for key in keys:
        parts.must(*RAW_AND_PREPPED, key=key)
    assert of_hub(parts, *keys) == SEEN
    assert_frame_equal(
        pl.concat([parts.table("prepped_transactions", key) for key in keys]),
        whole.table("prepped_transactions", once),
        check_exact=True,
    )
    # Each upload took in the days that the ones before had left.
    through = [
        str(parts.versions.get(KEPT, number).extra["through"])
        for number in parts.versions.all_numbers(KEPT)
    ]
    assert through == sorted(set(through))
    assert len(through) >= 3


def test_a_late_upload_is_taken_in_when_the_later_one_is_made_again(
    project: "Project", payments: pl.DataFrame
) -> None:
    is_early = pl.col("occurred_at") < datetime(2026, 4, 11, tzinfo=UTC)
    later = project.ingest(payments.filter(~is_early), "later.parquet")
    # Forty days of ordinary payments are missing: nothing is known of rings yet.
    assert of_hub(project, later) == [(0, None), (0, None), (0, None)]
    earlier = project.ingest(payments.filter(is_early), "earlier.parquet")
    assert project.states()[later].is_stale
    assert project.run("ingest_upload", later).success
    assert not project.states()[later].is_stale
    assert of_hub(project, earlier, later) == SEEN


def test_a_payment_between_accounts_from_long_ago_makes_rings_stale_and_others_do_not(
    project: "Project", rows: "Rows"
) -> None:
    key = project.ingest(rows({"hours": 5_000}, {"hours": 5_030}), "now.parquet")
    for name, kind, is_stale in (("card", "payment", False), ("sent", "transfer", True)):
        other = project.land(
            rows({"hours": 0, "transaction_id": name, "kind": kind}), f"{name}.parquet"
        )
        project.must("raw_transactions", key=other)
        assert project.manifest("raw_transactions", other).extra[RING_ROWS] == int(is_stale)
        assert project.states()[key].is_stale is is_stale


@pytest.mark.parametrize("harm", ["lost", "unreadable"])
def test_what_was_kept_and_is_damaged_is_made_anew(
    project: "Project", payments: pl.DataFrame, harm: str
) -> None:
    first = project.land(payments[:150], "first.parquet")
    project.must(*RAW_AND_PREPPED, key=first)
    kept = project.versions.latest(KEPT)
    assert kept is not None
    if harm == "lost":
        project.lake.delete([kept.key_of("pairs.parquet")])
    else:
        project.lake.put(KEPT.manifest_key(kept.number), b"{")
    second = project.land(payments[150:], "second.parquet")
    project.must(*RAW_AND_PREPPED, key=second)
    assert of_hub(project, first, second) == SEEN
    newest = Versions(project.lake).latest(KEPT)
    assert newest is not None
    assert newest.extra["through"] == "2026-04-29"


def test_a_feed_without_payments_between_accounts_has_no_rings(
    project: "Project", rows: "Rows"
) -> None:
    key = project.ingest(rows({"kind": "card"}, {"kind": "card", "hours": 40}), "cards.parquet")
    assert "rings" not in project.manifest("prepped_transactions", key).inputs
    assert project.versions.all_numbers(KEPT) == []
    told = project.table("prepped_transactions", key).select(RING_NAMES)
    assert told.null_count().row(0) == (2,) * len(RING_NAMES)


def test_the_scored_rows_show_what_the_features_say(
    project: "Project", payments: pl.DataFrame
) -> None:
    key = project.ingest(payments, "all.parquet")
    names = ("payer_ring_score", "payee_ring_score")
    scored = project.table("augmented_transactions", key)
    features = project.table("prepped_transactions", key)
    assert scored.select(names).equals(features.select(names))
    assert scored["payer_ring_score"].drop_nulls().len() == 2
    of_ring = scored.filter(pl.col("payer_ring_score") >= 0.5)["reasons"].to_list()
    assert ["PAYER_IN_RING" in codes for codes in of_ring] == [True, True]


def test_sources_of_the_same_days_differ_by_what_they_hold(
    project: "Project", rows: "Rows"
) -> None:
    keys = [
        project.land(rows({"hours": hours, "transaction_id": name}), f"{name}.parquet")
        for name, hours in (("a", 1), ("b", 30), ("c", 55))
    ]
    for key in keys:
        project.must("raw_transactions", key=key)
    raw = {key: project.manifest("raw_transactions", key) for key in keys}
    all_of_them = RingSources(raw, same_entities=True)
    first = RingSources({keys[0]: raw[keys[0]]}, same_entities=True)
    days = [date(2026, 3, 2) + timedelta(days=number) for number in range(-1, 4)]
    assert [len(all_of_them.through(day)) for day in days] == [0, 1, 2, 3, 3]
    assert all_of_them.digest(days[0]) == ""
    assert all_of_them.digest(days[1]) == first.digest(days[4])
    assert len({all_of_them.digest(day) for day in days}) == 4
    mixed = RingSources(raw, same_entities=False)
    assert mixed.digest(days[1]) != all_of_them.digest(days[1])
