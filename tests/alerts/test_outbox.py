"""The outbox writes each thing once and lets nothing out that must stay."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from resources.lake import Lake
from resources.notifier import Notifier, Outbox
from resources.scrubbing import scrubbed


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@pytest.fixture
def alerts() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "alert_id": ["tx-1", "ring-2"],
            "event_day": [date(2024, 5, 1), date(2024, 5, 2)],
            "occurred_at": [datetime(2024, 5, 1, 13, 45, tzinfo=UTC), None],
            "expected_loss": [float("nan"), 12.5],
            "reasons": [["A", "B"], []],
            "explanation": ["from …6789", "line\nbreak"],
        }
    )


def test_alerts_are_lines_of_json(lake: Lake, alerts: pl.DataFrame) -> None:
    assert Outbox(lake).publish_alerts(7, alerts) is True
    lines = lake.get("outbox/alerts/00000007.jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "alert_id": "tx-1",
            "event_day": "2024-05-01",
            "occurred_at": "2024-05-01T13:45:00+00:00",
            "expected_loss": None,
            "reasons": ["A", "B"],
            "explanation": "from …6789",
        },
        {
            "alert_id": "ring-2",
            "event_day": "2024-05-02",
            "occurred_at": None,
            "expected_loss": 12.5,
            "reasons": [],
            "explanation": "line\nbreak",
        },
    ]


def test_a_repeat_writes_no_second_copy(lake: Lake, alerts: pl.DataFrame) -> None:
    outbox = Outbox(lake)
    outbox.publish_alerts(1, alerts)
    before = lake.get("outbox/alerts/00000001.jsonl")
    assert outbox.publish_alerts(1, alerts.head(1)) is False
    assert lake.get("outbox/alerts/00000001.jsonl") == before
    assert [info.key for info in lake.list("outbox")] == ["outbox/alerts/00000001.jsonl"]


def test_missing_publications_are_found(lake: Lake, alerts: pl.DataFrame) -> None:
    outbox = Outbox(lake)
    assert outbox.missing([2, 1]) == [1, 2]
    outbox.publish_alerts(1, alerts)
    outbox.publish_alerts(3, alerts.clear())
    assert outbox.missing([3, 4, 1, 2]) == [2, 4]
    assert outbox.missing([]) == []


def test_a_failure_is_told_once_without_secrets(lake: Lake) -> None:
    outbox: Notifier = Outbox(lake)
    reason = "cannot open /home/ann/lake/raw.parquet with password=hunter2"
    assert outbox.publish_failure("3f2a-run.1", "ingest_upload", reason) is True
    assert outbox.publish_failure("3f2a-run.1", "ingest_upload", "other") is False
    record = json.loads(lake.get("outbox/failures/3f2a-run.1.json"))
    recorded_at = datetime.fromisoformat(record.pop("recorded_at"))
    assert abs((datetime.now(UTC) - recorded_at).total_seconds()) < 60
    assert record == {
        "run_id": "3f2a-run.1",
        "job": "ingest_upload",
        "reason": "cannot open <path> with password=<secret>",
    }


@pytest.mark.parametrize("run_id", ["", "../up", "a/b", ".hidden", "x" * 129])
def test_a_run_id_that_is_no_name_is_refused(lake: Lake, run_id: str) -> None:
    with pytest.raises(ValueError, match="is no run id"):
        Outbox(lake).publish_failure(run_id, "job", "reason")


def test_a_negative_number_is_refused(lake: Lake, alerts: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="at least 0, not -1"):
        Outbox(lake).publish_alerts(-1, alerts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("row 17 of card-week-1: amount is negative", "row 17 of card-week-1: amount is negative"),
        ("in s3://bucket/prefix/raw: denied", "in s3://bucket/prefix/raw: denied"),
        ("raw/feed=card/upload=x is missing", "raw/feed=card/upload=x is missing"),
        ("read /etc/passwd", "read <path>"),
        ("File '/srv/app/run.py', line 3", "File '<path>', line 3"),
        ("in ~/lake/raw.csv now", "in <path> now"),
        (r"in C:\Users\ann\lake.csv now", "in <path> now"),
        ("at file:///srv/lake/x", "at <path>"),
        ("https://ann:pass@host/x", "https://<secret>@host/x"),
        ("aws_secret_access_key = abc/def+ghi", "aws_secret_access_key = <secret>"),
        ('{"api_key": "abc def"}', '{"api_key": <secret>}'),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer <secret>"),
        ("key AKIAIOSFODNN7EXAMPLE used", "key <secret> used"),
        (
            "x wJalrXUtnFEMI0K7MDENG0bPxRfiCYEXAMPLEKEYa1 y",
            "x <secret> y",
        ),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY----- z", "<secret> z"),
        ("card 4111 1111 1111 1111 refused", "card <number> refused"),
        ("a\x1b[31mred", "a [31mred"),
    ],
)
def test_scrubbing(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


def test_long_texts_are_capped() -> None:
    assert len(scrubbed("word " * 10_000)) == 2_000
    assert scrubbed("word " * 10_000).endswith("…")
    secret = "token=" + "s" * 5_000
    assert scrubbed(secret) == "token=<secret>"
