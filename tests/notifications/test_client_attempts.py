"""The clients that are really opened ask once: what is lost is repeated where it is recorded."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from resources.bedrock import open_client
from resources.bedrock_prompt import request_of
from resources.bedrock_service import UnreachableError, errors_told
from resources.delivery_messages import Message
from resources.delivery_target import Postponed
from resources.sns import SnsTarget

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"
MESSAGE = Message("a1", "alerts", {"event": "alert"}, {"alert_id": "a1"})


@dataclass
class Failing:
    """A server on loopback that fails every request, after a delay in seconds."""

    delay: float = 0.0
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    found = Failing()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            found.asked.append(self.path)
            time.sleep(found.delay)
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name in ("SNS", "BEDROCK_RUNTIME"):
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_publication_that_may_have_arrived_is_not_repeated_by_the_client(
    failing: Failing,
) -> None:
    (result,) = SnsTarget(TOPIC).send([MESSAGE])
    assert isinstance(result, Postponed)
    assert result.maybe_sent
    assert len(failing.asked) == 1


def test_a_question_that_may_be_charged_is_not_repeated_by_the_client(failing: Failing) -> None:
    client = open_client("eu-west-1", 5.0)
    with pytest.raises(UnreachableError) as caught, errors_told():
        client.converse(**request_of("some-model", {"case": "transaction"}))
    assert caught.value.maybe_charged
    assert len(failing.asked) == 1


def test_a_model_is_not_waited_for_longer_than_the_setting_says(failing: Failing) -> None:
    failing.delay = 2.0
    client = open_client("eu-west-1", 0.2)
    with pytest.raises(UnreachableError) as caught, errors_told():
        client.converse(**request_of("some-model", {"case": "transaction"}))
    assert (caught.value.code, caught.value.maybe_charged) == ("timeout", True)
