"""Messages hold what receivers need, no account number, and no more than fits."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from resources.delivery_messages import (
    Message,
    UnfitMessageError,
    alert_message,
    failure_message,
)

LINE: dict[str, JsonValue] = {
    "alert_id": "tx-73b4aa855c917ddd",
    "alert_type": "transaction",
    "feed": "card",
    "subject_id": "T42",
    "event_day": "2024-05-01",
    "rank": 3,
    "expected_loss": 250.5,
    "ranked_by": "expected_loss",
    "reasons": ["EMPTIES_ACCOUNT"],
    "payer": "card:customer:C1305486145",
    "payee": "card:terminal:7",
    "accounts": ["aml:account:DE8937040044", "aml:account:12"],
    "explanation": "Payment from …6145.",
    "model_version": None,
    "published_in": "run-of-dagster",
    "a_new_column": "card:customer:C1305486145",
}


def test_an_alert_goes_out_with_masked_accounts_and_known_columns_only() -> None:
    message = alert_message(LINE, "00000007-000002")
    assert json.loads(message.body()) == {
        "format": 1,
        "event": "alert",
        "sequence": "00000007-000002",
        "alert_id": "tx-73b4aa855c917ddd",
        "alert_type": "transaction",
        "feed": "card",
        "subject_id": "T42",
        "event_day": "2024-05-01",
        "rank": 3,
        "expected_loss": 250.5,
        "ranked_by": "expected_loss",
        "reasons": ["EMPTIES_ACCOUNT"],
        "explanation": "Payment from …6145.",
        "payer": "…6145",
        "payee": "…",
        "accounts": ["…0044", "…2"],
    }
    assert message.message_id == "tx-73b4aa855c917ddd"
    assert message.attributes == {
        "event": "alert",
        "alert_type": "transaction",
        "feed": "card",
        "ranked_by": "expected_loss",
        "rank": 3,
        "expected_loss": 250.5,
    }


def test_a_failed_run_goes_out_scrubbed() -> None:
    record = {
        "run_id": "3f2a",
        "job": "ingest_upload",
        "reason": "in /home/ann/x with password=hunter2",
        "recorded_at": "2024-05-01T00:00:00+00:00",
        "more": "secret",
    }
    message = failure_message(record)
    assert (message.message_id, message.stream) == ("run-3f2a", "failures")
    assert json.loads(message.body()) == {
        "format": 1,
        "event": "run_failed",
        "run_id": "3f2a",
        "job": "ingest_upload",
        "reason": "in <path> with password=<secret>",
        "recorded_at": "2024-05-01T00:00:00+00:00",
    }
    assert len(failure_message({"run_id": "x" * 128}).message_id) == 128


@pytest.mark.parametrize("alert_id", [None, "", 7, "a b", "a\nb", "…", "x" * 129])
def test_a_line_without_a_usable_id_is_unfit(alert_id: str | int | None) -> None:
    with pytest.raises(UnfitMessageError, match="no usable alert_id"):
        alert_message({**LINE, "alert_id": alert_id}, "0")


def test_a_long_explanation_is_shortened_with_a_mark() -> None:
    message = alert_message({**LINE, "explanation": "word " * 100_000}, "0")
    body = message.body(10_000)
    explanation = json.loads(body)["explanation"]
    assert explanation.endswith(" … [shortened]")
    assert explanation.startswith("word word ")
    # As much is kept as fits.
    assert 9_990 < len(body) <= 10_000
    assert json.loads(body).keys() == json.loads(message.body()).keys()


def test_long_lists_lose_their_end_and_say_so() -> None:
    ids: list[JsonValue] = [f"T{number:09d}" for number in range(10_000)]
    message = alert_message({**LINE, "transaction_ids": ids, "explanation": "x" * 5_000}, "0")
    body = message.body(20_000)
    found = json.loads(body)
    assert len(body) <= 20_000
    assert found["transaction_ids"] == ids[: len(found["transaction_ids"])]
    assert found["left_out"] == {"transaction_ids": 10_000 - len(found["transaction_ids"])}
    assert found["explanation"] == "x" * 200 + " … [shortened]"
    assert found["alert_id"] == LINE["alert_id"]


def test_what_cannot_be_shortened_is_unfit() -> None:
    with pytest.raises(UnfitMessageError, match="more than 100 bytes"):
        alert_message(LINE, "0").body(100)


@settings(deadline=None, max_examples=50)
@given(
    st.text(max_size=2_000), st.lists(st.text(max_size=30), max_size=80), st.integers(2_500, 9_000)
)
def test_every_message_fits_and_is_plain_ascii(text: str, ids: list[str], limit: int) -> None:
    message = Message(
        "tx-1", "alerts", {}, {"alert_id": "tx-1", "explanation": text, "transaction_ids": [*ids]}
    )
    body = message.body(limit)
    assert len(body) <= limit
    assert body.isascii()
    assert json.loads(body)["alert_id"] == "tx-1"
    if len(message.body()) <= limit:
        assert body == message.body()
