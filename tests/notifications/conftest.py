"""An outbox with alerts, a clock that is moved by hand, and a receiver that does as it is told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Protocol

import polars as pl
import pytest

from resources.delivery import Clock
from resources.lake import Lake
from resources.notifier import Outbox


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(str(tmp_path / "lake"))


@dataclass
class HandClock:
    """Time that passes only by sleeping or by hand."""

    at: datetime = datetime(2026, 1, 5, 8, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)

    def seconds(self) -> float:
        return self.at.timestamp()

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.sleep)


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()


class Publish(Protocol):
    """Puts a publication with alerts of these ids into the outbox."""

    def __call__(self, number: int, *ids: str, **columns: object) -> None: ...


@pytest.fixture
def publish(lake: Lake) -> Publish:
    def put(number: int, *ids: str, **columns: object) -> None:
        rows = [
            {
                "alert_id": alert_id,
                "alert_type": "transaction",
                "feed": "card",
                "rank": rank,
                "expected_loss": 250.5,
                "ranked_by": "expected_loss",
                "payer": "card:customer:C1305486145",
                "payee": "card:terminal:T9900881234",
                "explanation": "Payment of 501.00 EUR from …6145 to …1234.",
                "published_in": "run-of-dagster",
                **columns,
            }
            for rank, alert_id in enumerate(ids, start=1)
        ]
        Outbox(lake).publish_alerts(number, pl.DataFrame(rows))

    return put


@dataclass
class Receiver:
    """A web server on loopback that keeps what it gets and answers as scripted.

    Attributes:
        answers: Status of the next requests; 200 when used up, unless `always` is set.
        always: Status of every request; None: by `answers`.
        got: Headers and body of each request.
        taken: Ids of the requests that were answered 200.
    """

    url: str
    answers: list[int] = field(default_factory=list)
    always: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((dict(self.headers), body))
            status = found.always or (found.answers.pop(0) if found.answers else 200)
            if status == 200:
                found.taken.append(self.headers["Idempotency-Key"])
            self.send_response(status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/hook/token-in-path"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
