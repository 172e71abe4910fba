"""The webhook gets each alert once, signed, and nothing goes where it should not."""

import hashlib
import hmac
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from resources.delivery import deliver
from resources.delivery_messages import Message
from resources.delivery_record import DeliveryRecord
from resources.delivery_target import Delivered, NotTried, Postponed, Refused, Result
from resources.lake import Lake
from resources.webhook import WebhookTarget, check_address

if TYPE_CHECKING:
    from tests.notifications.conftest import HandClock, Publish, Receiver

MESSAGE = Message("tx-1", "alerts", {}, {"alert_id": "tx-1"})
KEY = "a-secret-of-this-test"


def target(url: str) -> WebhookTarget:
    return WebhookTarget(SecretStr(url))


def test_alerts_arrive_once_in_order_with_their_ids(
    lake: Lake, publish: "Publish", receiver: "Receiver"
) -> None:
    publish(1, "tx-1", "tx-2")
    publish(2, "tx-3")
    for _ in range(3):
        assert deliver(lake, target(receiver.url)).problems == []
    assert [body["alert_id"] for body in receiver.bodies] == ["tx-1", "tx-2", "tx-3"]
    assert receiver.taken == ["tx-1", "tx-2", "tx-3"]
    headers, sent = receiver.got[0]
    assert headers["Content-Type"] == "application/json"
    assert "Fraud-Signature" not in headers
    assert json.loads(sent)["payer"] == "…6145"
    assert b"C1305486145" not in b"".join(body for _, body in receiver.got)


def test_the_signature_is_that_of_time_and_body(
    receiver: "Receiver", hand_clock: "HandClock", tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{KEY}\n", encoding="utf-8")
    url = SecretStr(receiver.url)
    for one in (
        WebhookTarget(url, SecretStr(KEY), now=hand_clock.seconds),
        WebhookTarget(url, secret_file=file, now=hand_clock.seconds),
    ):
        assert one.send([MESSAGE]) == [Delivered()]
        headers, body = receiver.got[-1]
        # 2026-01-05 08:00 UTC in seconds since 1970.
        expected = hmac.new(KEY.encode(), b"1767600000." + body, hashlib.sha256).hexdigest()
        assert headers["Fraud-Signature"] == f"t=1767600000,v1={expected}"
        assert KEY not in repr(one)
        assert "token-in-path" not in repr(one)


def test_without_its_secret_nothing_is_sent(receiver: "Receiver", tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for file, words in ((tmp_path / "gone", "cannot be read"), (empty, "is empty")):
        (result,) = WebhookTarget(SecretStr(receiver.url), secret_file=file).send([MESSAGE])
        assert isinstance(result, Postponed)
        assert words in result.reason
    assert receiver.got == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (201, Delivered()),
        (204, Delivered()),
        (400, Refused("the webhook answered 400")),
        (413, Refused("the webhook answered 413")),
        (422, Refused("the webhook answered 422")),
        (401, Postponed("the webhook answered 401")),
        (404, Postponed("the webhook answered 404")),
        (409, Postponed("the webhook answered 409", maybe_sent=True)),
        (429, Postponed("the webhook answered 429")),
        (500, Postponed("the webhook answered 500", maybe_sent=True)),
        (503, Postponed("the webhook answered 503")),
        (504, Postponed("the webhook answered 504", maybe_sent=True)),
    ],
)
def test_what_an_answer_means(receiver: "Receiver", status: int, expected: Result) -> None:
    receiver.always = status
    assert target(receiver.url).send([MESSAGE, MESSAGE]) == [
        expected,
        # After one that is postponed nothing is tried.
        NotTried() if isinstance(expected, Postponed) else expected,
    ]
    assert len(receiver.got) == (1 if isinstance(expected, Postponed) else 2)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 05 Jan 2026 08:01:00 GMT", 60.0),
        ("Mon, 05 Jan 2026 07:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_it_is_heeded_how_long_to_wait(
    receiver: "Receiver", hand_clock: "HandClock", header: str, seconds: float | None
) -> None:
    receiver.always, receiver.headers = 429, {"Retry-After": header}
    (result,) = WebhookTarget(SecretStr(receiver.url), now=hand_clock.seconds).send([MESSAGE])
    assert result == Postponed("the webhook answered 429", wait_seconds=seconds)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver: "Receiver", status: int) -> None:
    receiver.always, receiver.headers = status, {"Location": receiver.url}
    (result,) = target(receiver.url).send([MESSAGE])
    assert isinstance(result, Postponed)
    assert "set FRAUD_WEBHOOK_URL to the final address" in result.reason
    assert len(receiver.got) == 1


def test_nobody_listening_is_a_certain_miss_and_names_no_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/token-in-path"
        assert target(url).send([MESSAGE]) == [
            Postponed("the webhook cannot be reached: ConnectionRefusedError")
        ]


def test_a_connection_that_is_cut_may_have_delivered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        from threading import Thread

        def cut() -> None:
            connection, _ = server.accept()
            connection.recv(65_536)
            connection.close()

        thread = Thread(target=cut, daemon=True)
        thread.start()
        (result,) = target(f"http://127.0.0.1:{server.getsockname()[1]}/").send([MESSAGE])
        thread.join()
    assert isinstance(result, Postponed)
    assert result.maybe_sent


@pytest.mark.parametrize("status", [503, 500])
def test_after_an_hour_of_outage_nothing_is_lost_and_nothing_doubled(
    lake: Lake, publish: "Publish", receiver: "Receiver", hand_clock: "HandClock", status: int
) -> None:
    publish(1, "tx-1", "tx-2", "tx-3")
    receiver.answers = [200, 200, *[status] * 10_000]
    one = target(receiver.url)
    failed = 0
    for tick in range(120):
        report = deliver(lake, one, clock=hand_clock.clock)
        failed += bool(report.problems)
        if tick == 60:
            publish(2, "tx-4")
        hand_clock.at += timedelta(seconds=30)
    assert receiver.taken == ["tx-1", "tx-2"]
    # 30 s, 1, 2, 4, 8, 15, 15, ... minutes apart, with three requests at once at most.
    assert 5 <= failed <= 9
    assert len(receiver.got) <= 2 + 3 * 9
    publish(3, "tx-5")
    receiver.answers = []
    for _ in range(40):
        deliver(lake, one, clock=hand_clock.clock)
        hand_clock.at += timedelta(seconds=30)
    assert receiver.taken == ["tx-1", "tx-2", "tx-3", "tx-4", "tx-5"]
    assert DeliveryRecord(lake, "webhook").pause() is None


@pytest.mark.parametrize(
    ("url", "allow_http"),
    [
        ("https://hooks.example.org/a/b?c=d", False),
        ("http://127.0.0.1:8080/x", False),
        ("http://localhost/x", False),
        ("http://[::1]:8080/x", False),
        ("http://hooks.internal/x", True),
    ],
)
def test_addresses_that_are_accepted(url: str, allow_http: bool) -> None:  # noqa: FBT001 - a table
    check_address(url, allow_http=allow_http)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.org/token", "must be https"),
        ("http://127.0.0.1.example.org/token", "must be https"),
        ("http://localhost.example.org/token", "must be https"),
        ("https://ann:token@example.org/", "holds a user"),
        ("ftp://example.org/token", "no address"),
        ("file:///etc/token", "no address"),
        ("https:///token", "no address"),
        ("https://example.org:port/token", "no address"),
        ("https://example.org/\r\nX-Token: 1", "no address"),
        ("token", "no address"),
        ("https://[token/", "no address"),
    ],
)
def test_addresses_that_are_refused_without_being_shown(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refusal:
        check_address(url, allow_http=False)
    assert "token" not in str(refusal.value)
