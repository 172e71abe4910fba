"""Features of the log of rings, whatever the order of its rows and the kinds of its accounts."""

from datetime import UTC, datetime, timedelta

import polars as pl

from gpu_ops.ring_features import RING_FEATURES, with_ring_features
from gpu_ops.ring_params import RING_SCHEMA

MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def word(ring: str, day: int, accounts: list[str], score: float, into: str | None = None) -> object:
    """What became known of a ring with the end of a day of March."""
    known_at = MARCH + timedelta(days=day) - timedelta(microseconds=1)
    told = {"ring_id": ring, "known_at": known_at, "accounts": accounts, "score": score}
    return dict.fromkeys(RING_SCHEMA) | told | {"exposure": 1.0, "merged_into": into}


def features(
    words: list[object], days: list[int], payer: str, payee: str, *, same_entities: bool
) -> pl.DataFrame:
    """The features of one payment a day."""
    rows = pl.LazyFrame(
        {
            "transaction_id": [str(day) for day in days],
            "occurred_at": [MARCH + timedelta(days=day - 1, hours=5) for day in days],
            "payer_id": [payer] * len(days),
            "payee_id": [payee] * len(days),
        }
    )
    log = pl.DataFrame(words, schema=RING_SCHEMA)
    return with_ring_features(
        rows.select("transaction_id"), rows, log, RING_FEATURES, same_entities=same_entities
    ).collect()


def test_the_order_of_the_log_says_nothing() -> None:
    words = [
        word("r1", 9, ["ann", "bob"], 0.75, into="r0"),
        word("r1", 5, ["ann", "bob"], 0.5),
        word("r1", 3, ["ann", "bob"], 0.25),
    ]
    for log in (words, words[::-1]):
        found = features(log, [3, 4, 5, 6, 9, 10], "ann", "bob", same_entities=True)
        assert found["payer_ring_score"].to_list() == [None, 0.25, 0.25, 0.5, 0.5, None]
        assert found["pair_ring_count"].to_list() == [0, 1, 1, 1, 1, 0]


def test_a_terminal_is_told_of_its_own_rings_and_not_of_a_cards_of_the_same_name() -> None:
    words = [word("r1", 3, ["7", "payee 8"], 0.5), word("r2", 3, ["9", "payee 7"], 0.25)]
    found = features(words, [4], "7", "7", same_entities=False)
    assert found.select("payer_ring_score", "payee_ring_score").row(0) == (0.5, 0.25)
    assert found["pair_ring_count"].to_list() == [0]
    found = features(words, [4], "7", "8", same_entities=False)
    assert found.select("payer_ring_score", "payee_ring_score").row(0) == (0.5, 0.5)
    assert found["pair_ring_count"].to_list() == [1]


def test_payments_and_rings_of_the_last_moment_of_a_day_belong_to_that_day() -> None:
    last = MARCH + timedelta(days=3) - timedelta(microseconds=1)
    rows = pl.LazyFrame(
        {
            "transaction_id": ["last", "first"],
            "occurred_at": [last, last + timedelta(microseconds=1)],
            "payer_id": ["ann", "ann"],
            "payee_id": ["x", "x"],
        }
    )
    log = pl.DataFrame([word("r1", 3, ["ann", "bob"], 0.5)], schema=RING_SCHEMA)
    found = with_ring_features(
        rows.select("transaction_id"), rows, log, RING_FEATURES, same_entities=True
    ).collect()
    assert found["payer_ring_count"].to_list() == [0, 1]
    assert found["payer_ring_age_days"].to_list() == [None, 1.0]
