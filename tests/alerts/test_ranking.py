"""The laws of alerting: capacity, permanence, repetition, order, no doubles."""

from datetime import UTC, date, datetime, timedelta
from math import isnan

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

from gpu_ops.ranking import (
    ALERT_SCHEMA,
    RING_EVIDENCE,
    TRANSACTION_EVIDENCE,
    alert_id,
    may_alert,
    rank_ring_alerts,
    rank_transaction_alerts,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
CANDIDATE_SCHEMA: dict[str, pl.DataType] = {
    "transaction_id": pl.String(),
    "feed": pl.String(),
    "reasons": pl.List(pl.String()),
    "expected_loss": pl.Float64(),
    **{
        name: dtype
        for name, dtype in TRANSACTION_EVIDENCE.items()
        if name != "related_transaction_ids"
    },
}
RING_SCHEMA: dict[str, pl.DataType] = {
    "ring_id": pl.String(),
    "feed": pl.String(),
    "expected_loss": pl.Float64(),
    **RING_EVIDENCE,
}


def candidate(
    name: str,
    *,
    day: int = 0,
    loss: float | None = None,
    score: float = 0.5,
    feed: str = "card",
    payer: str | None = None,
    payee: str = "card:terminal:9",
) -> dict[str, object]:
    return {
        "transaction_id": name,
        "feed": feed,
        "reasons": ["ANOMALY_HIGH"],
        "expected_loss": loss,
        "occurred_at": NOON + timedelta(days=day),
        "kind": "card",
        "amount": 10.0,
        "currency": "EUR",
        "payer": payer or f"card:customer:{name}",
        "payee": payee,
        "fraud_probability": None,
        "anomaly_score": score,
        "model_version": None,
    }


def table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CANDIDATE_SCHEMA)


def ring(
    name: str,
    score: float,
    transactions: list[str],
    *,
    day: int = 0,
    pattern: str = "cycle",
    loss: float | None = None,
) -> dict[str, object]:
    return {
        "ring_id": name,
        "feed": "card",
        "pattern": pattern,
        "score": score,
        "accounts": ["a", "b"],
        "transaction_ids": transactions,
        "first_at": NOON,
        "last_at": NOON + timedelta(days=day),
        "amount": 5.0,
        "expected_loss": loss,
    }


def ring_table(*rows: dict[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=RING_SCHEMA)


def test_the_best_of_each_day_in_order_of_merit() -> None:
    alerts = rank_transaction_alerts(
        table(
            candidate("a", loss=5.0),
            candidate("b", loss=50.0, score=0.1),
            candidate("c", score=0.9),
            candidate("d", loss=5.0, score=0.8, feed="paysim"),
            candidate("e", day=1, score=0.3),
            candidate("f", day=1, score=0.3, feed="aml"),
        ),
        None,
        capacity=3,
    )
    assert alerts.select("subject_id", "event_day", "rank", "ranked_by").rows() == [
        ("b", date(2024, 5, 1), 1, "expected_loss"),
        ("d", date(2024, 5, 1), 2, "expected_loss"),
        ("a", date(2024, 5, 1), 3, "expected_loss"),
        ("f", date(2024, 5, 2), 1, "rules"),
        ("e", date(2024, 5, 2), 2, "rules"),
    ]
    assert dict(alerts.schema) == ALERT_SCHEMA | TRANSACTION_EVIDENCE


def test_days_are_utc_days() -> None:
    late = {**candidate("a"), "occurred_at": datetime(2024, 5, 1, 23, 59, 59, tzinfo=UTC)}
    early = {**candidate("b"), "occurred_at": datetime(2024, 5, 2, 0, 0, 0, tzinfo=UTC)}
    alerts = rank_transaction_alerts(table(late, early), None, capacity=1)
    assert alerts["event_day"].to_list() == [date(2024, 5, 1), date(2024, 5, 2)]


def test_published_alerts_keep_row_and_place_and_only_the_rest_is_filled() -> None:
    first = rank_transaction_alerts(
        table(candidate("a", loss=5.0), candidate("b", loss=4.0)), None, capacity=3
    ).with_columns(explanation=pl.lit("as it was told"))
    second = rank_transaction_alerts(
        # Much better ones arrive, and the published "b" is no candidate any more.
        table(candidate("a", loss=1.0), candidate("x", loss=900.0), candidate("y", loss=800.0)),
        first,
        capacity=3,
    )
    assert second.select("subject_id", "rank", "expected_loss", "explanation").rows() == [
        ("a", 1, 5.0, "as it was told"),
        ("b", 2, 4.0, "as it was told"),
        ("x", 3, 900.0, None),
    ]


def test_a_smaller_capacity_withdraws_nothing() -> None:
    rows = table(*(candidate(name, loss=1.0) for name in "abc"))
    first = rank_transaction_alerts(rows, None, capacity=3)
    assert_frame_equal(rank_transaction_alerts(rows, first, capacity=1), first)


def test_payments_of_a_day_between_the_same_two_are_one_case() -> None:
    rows = table(
        candidate("a", loss=5.0, payer="p"),
        candidate("b", loss=7.0, payer="p"),
        candidate("c", loss=6.0, payer="p"),
        candidate("d", loss=9.0, payer="p", payee="other"),
        candidate("e", loss=8.0, payer="p", day=1),
        candidate("g", loss=1.0, payer="p", feed="paysim"),
    )
    alerts = rank_transaction_alerts(rows, None, capacity=10)
    assert alerts.select("subject_id", "related_transaction_ids").rows() == [
        ("d", []),
        ("b", ["a", "c"]),
        ("g", []),
        ("e", []),
    ]
    more = pl.concat([rows, table(candidate("h", loss=99.0, payer="p"))])
    assert_frame_equal(rank_transaction_alerts(more, alerts, capacity=10), alerts)


def test_nan_ranks_last() -> None:
    nothing = float("nan")
    alerts = rank_transaction_alerts(
        table(
            candidate("a", loss=nothing, score=nothing),
            candidate("b", loss=nothing, score=0.4),
            candidate("c", loss=1.0),
        ),
        None,
        capacity=3,
    )
    assert alerts["subject_id"].to_list() == ["c", "b", "a"]
    assert alerts["expected_loss"].to_list() == [1.0, None, None]


def test_ids_are_stable_and_differ_by_type_feed_and_subject() -> None:
    assert alert_id("transaction", "card", "17") == "tx-73b4aa855c917ddd"
    ids = {
        alert_id(kind, feed, subject)
        for kind in ("transaction", "ring")
        for feed in ("card", "card\0")
        for subject in ("17", "18")
    }
    assert len(ids) == 8
    assert alert_id("ring", "card", "17").startswith("ring-")


def test_rings_by_score_within_the_capacity_of_their_day() -> None:
    alerts = rank_ring_alerts(
        ring_table(
            ring("r1", 0.3, ["1", "2"]),
            ring("r2", 0.9, ["3", "4"], pattern="fan_in"),
            ring("r3", 0.6, ["5", "6"]),
            ring("r4", 0.1, ["7", "8"], day=1),
        ),
        None,
        capacity=2,
    )
    assert alerts.select("subject_id", "rank", "ranked_by", "reasons").rows() == [
        ("r2", 1, "ring_score", ["RING_FAN_IN"]),
        ("r3", 2, "ring_score", ["RING_CYCLE"]),
        ("r4", 3, "ring_score", ["RING_CYCLE"]),
    ]
    assert dict(alerts.schema) == ALERT_SCHEMA | RING_EVIDENCE


def test_rings_whose_strength_was_judged_go_by_expected_loss() -> None:
    alerts = rank_ring_alerts(
        ring_table(
            ring("weak", 0.1, ["1"], loss=300.0),
            ring("unknown", 0.9, ["2"]),
            ring("strong", 0.8, ["3"], loss=20.0),
            ring("nan", 0.7, ["4"], loss=float("nan")),
        ),
        None,
        capacity=3,
    )
    assert alerts.select("subject_id", "ranked_by", "expected_loss").rows() == [
        ("weak", "expected_loss", 300.0),
        ("strong", "expected_loss", 20.0),
        ("unknown", "ring_score", None),
    ]


def test_a_ring_that_is_mostly_an_alerted_one_does_not_alert_again() -> None:
    first = rank_ring_alerts(ring_table(ring("r1", 0.5, ["1", "2", "3"])), None, capacity=5)
    second = rank_ring_alerts(
        ring_table(
            ring("same", 0.9, ["1", "2", "4"]),
            ring("half", 0.8, ["1", "9"], day=1),
            ring("twin", 0.7, ["9", "1"], day=2),
        ),
        first,
        capacity=5,
    )
    assert second["subject_id"].to_list() == ["r1", "half"]


def test_an_unknown_pattern_is_refused() -> None:
    with pytest.raises(ValueError, match="'star' is no ring pattern"):
        rank_ring_alerts(ring_table(ring("r", 0.5, ["1"], pattern="star")), None, capacity=1)


def test_one_table_of_published_alerts_serves_both() -> None:
    transactions = rank_transaction_alerts(table(candidate("a")), None, capacity=1)
    rings = rank_ring_alerts(ring_table(ring("r", 0.5, ["1"])), None, capacity=1)
    published = pl.concat([transactions, rings], how="diagonal").with_columns(
        published_in=pl.lit(1)
    )
    again = rank_transaction_alerts(table(candidate("a")), published, capacity=1)
    assert_frame_equal(again.drop("published_in"), transactions)
    assert_frame_equal(
        rank_ring_alerts(ring_table(), published, capacity=1).drop("published_in"), rings
    )


def test_nothing_gives_nothing() -> None:
    assert rank_transaction_alerts(table(), None, capacity=5).is_empty()
    assert rank_ring_alerts(ring_table(), None, capacity=5).is_empty()


def candidate_tables(letter: str) -> st.SearchStrategy[pl.DataFrame]:
    """Tables of candidates whose ids start with the letter."""
    return st.lists(
        st.builds(
            candidate,
            st.sampled_from([f"{letter}{number}" for number in range(12)]),
            day=st.integers(0, 2),
            loss=st.none() | st.sampled_from([0.0, 1.0, 2.0, 3.5]),
            score=st.sampled_from([0.1, 0.5, 0.9]),
            feed=st.sampled_from(["card", "aml"]),
            payer=st.sampled_from(["p", "q", None]),
        ),
        max_size=14,
        unique_by=lambda row: (row["feed"], row["transaction_id"]),
    ).map(lambda rows: table(*rows))


capacities = st.integers(0, 4)


@settings(deadline=None, max_examples=40)
@given(candidate_tables("a"), candidate_tables("b"), capacities)
def test_laws_of_transaction_alerts(early: pl.DataFrame, late: pl.DataFrame, capacity: int) -> None:
    first = rank_transaction_alerts(early, None, capacity=capacity)
    assert_frame_equal(rank_transaction_alerts(early, first, capacity=capacity), first)
    everything = pl.concat([early, late])
    second = rank_transaction_alerts(everything, first, capacity=capacity)
    assert_frame_equal(second.join(first.select("alert_id"), on="alert_id"), first)
    assert second["alert_id"].is_unique().all()
    assert second.select("feed", "subject_id").is_unique().all()
    assert second.select("event_day", "rank").is_unique().all()
    assert second.select("event_day", "feed", "payer", "payee").is_unique().all()
    assert all(count <= capacity for count in second.group_by("event_day").len()["len"])
    assert_frame_equal(rank_transaction_alerts(early.reverse(), None, capacity=capacity), first)
    for (day,), rows in everything.group_by(pl.col("occurred_at").dt.date()):
        cases = rows.select("feed", "payer", "payee").unique().height
        alerts = second.filter(pl.col("event_day") == day).height
        assert alerts == min(capacity, cases)


rings = st.lists(
    st.builds(
        ring,
        st.sampled_from([f"r{number}" for number in range(8)]),
        st.sampled_from([0.1, 0.5, 0.9]),
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5, unique=True),
        day=st.integers(0, 1),
    ),
    max_size=8,
    unique_by=lambda row: row["ring_id"],
).map(lambda rows: ring_table(*rows))


@settings(deadline=None, max_examples=40)
@given(rings, rings, capacities)
def test_laws_of_ring_alerts(early: pl.DataFrame, late: pl.DataFrame, capacity: int) -> None:
    first = rank_ring_alerts(early, None, capacity=capacity)
    assert_frame_equal(rank_ring_alerts(early, first, capacity=capacity), first)
    assert_frame_equal(rank_ring_alerts(early.reverse(), None, capacity=capacity), first)
    second = rank_ring_alerts(late, first, capacity=capacity)
    assert_frame_equal(second.head(first.height), first)
    assert second["rank"].to_list() == list(range(1, second.height + 1))
    assert second["alert_id"].is_unique().all()
    assert all(count <= capacity for count in second.group_by("event_day").len()["len"])
    alerted = second["transaction_ids"].to_list()
    for number, one in enumerate(alerted):
        for other in alerted[:number]:
            assert len(set(one) & set(other)) <= 0.5 * len(one)


def scored(*rows: tuple[str, int, bool, float | None, float, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (name, NOON + timedelta(days=day), seen, loss, score, hits)
            for name, day, seen, loss, score, hits in rows
        ],
        schema={
            "transaction_id": pl.String(),
            "occurred_at": pl.Datetime("us", "UTC"),
            "in_sample": pl.Boolean(),
            "expected_loss": pl.Float64(),
            "anomaly_score": pl.Float32(),
            "rule_hits": pl.UInt32(),
        },
        orient="row",
    )


def test_candidates_of_a_feed_with_a_model() -> None:
    frame = scored(
        ("a", 0, False, 3.0, 0.9, 0),
        ("b", 0, False, 9.0, 0.1, 0),
        ("c", 0, True, 99.0, 0.9, 1),
        ("d", 0, False, 5.0, 0.1, 0),
        ("e", 1, False, 0.5, 0.1, 1),
        ("f", 1, False, 0.2, 0.1, 1),
    )
    assert_series_equal(
        may_alert(frame, capacity=2, least_loss=0.4),
        pl.Series("may_alert", [False, True, False, True, True, False]),
    )


def test_candidates_of_a_feed_without_a_model_need_a_reason() -> None:
    frame = scored(
        ("a", 0, False, None, 0.9, 0),
        ("b", 0, False, None, 0.5, 1),
        ("c", 0, False, None, 0.6, 1),
        ("d", 0, False, None, 0.5, 1),
        ("e", 0, True, None, 0.9, 1),
    )
    assert may_alert(frame, capacity=2).to_list() == [False, True, True, False, False]
    more_rules = frame.with_columns(rule_hits=pl.Series([0, 1, 1, 2, 1], dtype=pl.UInt32))
    assert may_alert(more_rules, capacity=1).to_list() == [False, False, False, True, False]
    assert may_alert(frame, capacity=0).to_list() == [False] * 5
    assert may_alert(frame.clear(), capacity=2).to_list() == []


def test_candidates_are_the_same_in_any_order() -> None:
    frame = scored(*((f"t{number}", 0, False, 1.0, 0.5, 1) for number in range(20)))
    chosen = frame.filter(may_alert(frame, capacity=5))["transaction_id"].sort()
    turned = frame.reverse()
    assert_series_equal(
        turned.filter(may_alert(turned, capacity=5))["transaction_id"].sort(), chosen
    )


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.booleans(),
            st.none() | st.sampled_from([0.0, 1.0, 2.0, float("nan")]),
            st.sampled_from([0.1, 0.5, float("nan")]),
            st.integers(0, 3),
        ),
        max_size=14,
    ),
    capacities,
)
def test_candidates_are_those_of_a_plain_sort(
    rows: list[tuple[int, bool, float | None, float, int]], capacity: int
) -> None:
    frame = scored(*((f"t{place}", *row) for place, row in enumerate(rows)))
    expected = set()
    for day in (0, 1):
        merits = []
        for place, (of_day, seen, loss, score, hits) in enumerate(rows):
            known = loss is not None and not isnan(loss)
            if of_day == day and not seen and (known or hits):
                odd = -1.0 if isnan(score) else score
                first = -(loss or 0.0) if known else -float(hits)
                merits.append((not known, first, -odd, f"t{place}"))
        expected |= {merit[-1] for merit in sorted(merits)[:capacity]}
    chosen = frame.filter(may_alert(frame, capacity=capacity))["transaction_id"]
    assert set(chosen) == expected
