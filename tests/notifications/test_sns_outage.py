"""An hour without SNS: nothing is lost, and only what may not have arrived arrives twice."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from threading import Thread
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import pytest

from resources.delivery import deliver
from resources.lake import Lake
from resources.sns import SnsClient, SnsTarget

if TYPE_CHECKING:
    from tests.notifications.conftest import HandClock, Publish

TOPIC: Final = "arn:aws:sns:eu-west-1:123456789012:alerts"
READ_SECONDS: Final = 0.3
FAULTS: Final = ("part, then late", "late", "taken, then 500", "503", "throttled")


@dataclass
class Sns:
    """A server that takes what botocore's client of SNS sends, and fails as it is told.

    Attributes:
        url: Its address.
        away: Whether requests go wrong, in all ways in turn.
        taken: Alert ids, as the topic got them.
        known: Alert ids whose receipt the client was told of.
        late_singly: The next single message is taken, and its answer comes too late.
    """

    url: str = ""
    away: bool = True
    taken: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    doubled_without_need: list[str] = field(default_factory=list)
    faults: Iterator[str] = field(default_factory=lambda: cycle(FAULTS))
    seen: Counter[str] = field(default_factory=Counter)
    late_singly: bool = False

    def client(self) -> SnsClient:
        import boto3
        from botocore.config import Config

        made: SnsClient = boto3.client(
            "sns",
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 - of the server of these tests
            config=Config(read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}),
        )
        return made

    def take(self, alert_id: str) -> None:
        if alert_id in self.known:
            self.doubled_without_need.append(alert_id)
        self.taken.append(alert_id)

    def answer(self, ids: list[str], *, single: bool) -> tuple[int, str]:
        """Status and body; sleeps where the answer is to be late."""
        fault = next(self.faults) if self.away and not self.late_singly else ""
        if self.late_singly:
            self.late_singly, fault = False, "late"
        self.seen[fault] += 1
        if fault == "503":
            return 503, _error("ServiceUnavailable")
        if fault == "throttled":
            return 429, _error("Throttled")
        if fault == "part, then late" and not single:
            self.late_singly = len(ids) > 1
            ids = ids[:1]
        for alert_id in ids:
            self.take(alert_id)
        if fault == "taken, then 500":
            return 500, _error("InternalError")
        if fault == "late":
            time.sleep(2 * READ_SECONDS)
            return 200, ""
        self.known.update(ids)
        return 200, _published(len(ids), single=single)


def _error(code: str) -> str:
    return (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>why</Message></Error></ErrorResponse>"
    )


def _published(count: int, *, single: bool) -> str:
    name = "Publish" if single else "PublishBatch"
    members = "".join(
        f"<member><Id>{place}</Id><MessageId>m</MessageId></member>" for place in range(count)
    )
    result = (
        "<MessageId>m</MessageId>" if single else f"<Successful>{members}</Successful><Failed/>"
    )
    return f"<{name}Response><{name}Result>{result}</{name}Result></{name}Response>"


@pytest.fixture
def sns() -> Iterator[Sns]:
    found = Sns()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            single = form["Action"] == "Publish"
            entry = "PublishBatchRequestEntries.member.{}.Message"
            names = ["Message"] if single else [entry.format(place) for place in range(1, 11)]
            ids = [json.loads(form[name])["alert_id"] for name in names if name in form]
            status, text = found.answer(ids, single=single)
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())
            except OSError:
                # The client gave up waiting.
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_hour_without_sns_loses_nothing_and_doubles_only_what_was_in_doubt(
    lake: Lake, publish: "Publish", hand_clock: "HandClock", sns: Sns
) -> None:
    client = sns.client()
    target = SnsTarget(TOPIC, lambda _: client)
    wanted = []
    repeated = 0
    for number in range(1, 31):
        ids = [f"tx-{number:02d}-{place}" for place in range(3)]
        publish(number, *ids)
        wanted += ids
        report = deliver(lake, target, clock=hand_clock.clock)
        assert report.set_aside == []
        repeated += report.repeated
        hand_clock.at += timedelta(minutes=2)
    # The hour held each kind of fault, and single messages that timed out after part of a batch.
    assert all(sns.seen[fault] for fault in FAULTS)
    sns.away, sns.late_singly = False, False
    hand_clock.at += timedelta(minutes=15)
    for _ in range(2):
        report = deliver(lake, target, clock=hand_clock.clock)
        assert report.problems == []
        repeated += report.repeated
    assert sorted(set(sns.taken)) == wanted
    # What SNS had said it has never came again.
    assert sns.doubled_without_need == []
    doubled = len(sns.taken) - len(wanted)
    assert 0 < doubled <= repeated
