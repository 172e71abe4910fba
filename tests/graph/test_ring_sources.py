"""Which rows rings are made of, and how what was known is carried on day by day."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from fraud_assets import ring_history
from fraud_assets.ring_history import RING_ROWS, RingHistory, RingSources, carried_on
from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known
from gpu_ops.ring_features import ring_payments
from gpu_ops.ring_params import RingParams
from resources.manifests import Manifest
from tests.graph.payments import START, Payment, ordinary, table

MAY = datetime(2026, 5, 1, tzinfo=UTC)


def upload(
    key: str, first: float, last: float, *, rows: int | None = 1, number: int = 1
) -> Manifest:
    """A raw version whose events lie between two days of May."""
    return Manifest(
        number=number,
        slot=f"raw_transactions/feed=f/upload={key}",
        attempt="a",
        inputs={},
        files=(),
        rows=1,
        columns={},
        event_from=MAY + timedelta(days=first - 1),
        event_to=MAY + timedelta(days=last - 1),
        run_id="",
        published_at=MAY,
        extra={} if rows is None else {RING_ROWS: rows},
    )


def sources(*uploads: Manifest, same_entities: bool = True) -> RingSources:
    return RingSources({one.slot: one for one in uploads}, same_entities=same_entities)


def slots(found: tuple[Manifest, ...]) -> list[str]:
    return [one.slot.rsplit("=", 1)[-1] for one in found]


def test_sources_of_a_day_are_those_with_an_event_of_it_or_before() -> None:
    found = sources(upload("late", 9, 9), upload("b", 3.99, 20), upload("a", 1, 3))
    assert [slots(found.through(date(2026, 5, day))) for day in (1, 2, 3, 8, 9)] == [
        ["a"],
        ["a"],
        ["a", "b"],
        ["a", "b"],
        ["a", "b", "late"],
    ]
    assert found.through(date(2026, 4, 30)) == ()


def test_uploads_without_payments_between_accounts_play_no_part_and_uncounted_ones_may() -> None:
    cards, older = upload("cards", 1, 2, rows=0), upload("older", 2, 3, rows=None)
    assert slots(sources(cards, older).manifests) == ["older"]


def test_a_day_is_one_of_utc() -> None:
    east = upload("east", 1, 1).model_copy(
        update={"event_from": datetime.fromisoformat("2026-05-02T01:00:00+02:00")}
    )
    assert slots(sources(east).through(date(2026, 5, 1))) == ["east"]


def test_features_are_made_of_the_days_before_their_last_one() -> None:
    """What lands with a payment of the last day itself, or later, makes them not stale."""
    mine = upload("mine", 3, 5.5)
    before = sources(upload("a", 1, 2), mine)
    for later in (upload("z", 5, 8), upload("z", 5.9, 6), upload("z", 9, 9)):
        assert sources(upload("a", 1, 2), mine, later).inputs_for(mine) == before.inputs_for(mine)
    early = upload("z", 4.9, 8)
    assert sources(upload("a", 1, 2), mine, early).inputs_for(mine) != before.inputs_for(mine)
    # Nothing lies before the first day of the feed.
    assert sources(upload("b", 1, 1.5)).inputs_for(upload("b", 1, 1.5)) == {}
    nothing = mine.model_copy(update={"event_from": None, "event_to": None})
    assert before.inputs_for(nothing) == {}


def test_the_same_uploads_with_other_content_or_another_search_are_other_sources(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    day = date(2026, 5, 9)
    plain = sources(upload("a", 1, 2)).digest(day)
    assert sources(upload("a", 1, 2, number=7)).digest(day) == plain
    assert sources(upload("b", 1, 2)).digest(day) != plain
    assert sources(upload("a", 1, 2), same_entities=False).digest(day) != plain
    monkeypatch.setattr(ring_history, "_SEARCH", "another")
    assert sources(upload("a", 1, 2)).digest(day) != plain
    monkeypatch.undo()
    monkeypatch.setattr(Manifest, "content_id", "other content")
    assert sources(upload("a", 1, 2)).digest(day) != plain


FAN: list[Payment] = [(50.1 + k % 2, f"s{k}", "hub", 950.0 + k) for k in range(6)]
PAYMENTS = ring_payments(
    table(sorted([*ordinary(60, 20), *FAN]))
    .lazy()
    .with_columns(payer_id=pl.col("payer"), payee_id=pl.col("payee")),
    feed="f",
    same_entities=True,
)
FIRST = START.date()


def through(kept: RingHistory, day: int) -> RingHistory:
    return carried_on(kept, PAYMENTS, FIRST + timedelta(days=day))


def test_what_was_known_is_carried_on_to_the_end_of_a_day_and_no_further() -> None:
    # Day 49 begins with a payment at midnight.
    before, fan = through(RingHistory.empty("f"), 48), through(RingHistory.empty("f"), 51)
    assert (before.log.height, before.through) == (0, FIRST + timedelta(days=48))
    assert before.state.through == FIRST + timedelta(days=48)
    assert fan.log["known_at"].dt.date().to_list() == [FIRST + timedelta(days=51)]
    carried = through(through(before, 50), 51)
    assert carried.log.equals(fan.log)
    # Later days take nothing in twice, and keep what was told.
    on = through(carried, 59)
    assert on.log.equals(fan.log)
    assert on.state.days["n"].sum() == PAYMENTS.collect().height


def test_a_million_rows_are_taken_in_by_whole_days(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = through(RingHistory.empty("f"), 59)
    monkeypatch.setattr(ring_history, "ROWS_AT_ONCE", 50)
    taken: list[list[date]] = []

    def counted(
        state: RingState, days: pl.LazyFrame, *, params: RingParams
    ) -> tuple[RingState, pl.DataFrame]:
        taken.append(days.collect()["occurred_at"].dt.date().unique().sort().to_list())
        return as_known(state, days, params=params)

    monkeypatch.setattr(ring_history, "as_known", counted)
    by_parts = through(RingHistory.empty("f"), 59)
    assert by_parts.log.equals(at_once.log)
    assert len(taken) > 5
    assert sorted(day for days in taken for day in days) == [
        FIRST + timedelta(days=k) for k in range(60)
    ]
