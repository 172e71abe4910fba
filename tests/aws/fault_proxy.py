"""A proxy on the loopback that stands before the S3 server and fails where it is told to."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Final
from urllib.parse import urlsplit

_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}
FOREVER: Final = 1_000_000


@dataclass
class Fault:
    """What happens to matching requests.

    Attributes:
        method: The HTTP method that it applies to; empty: every one.
        part: What the request's path and query hold.
        times: How many requests it strikes; later ones pass.
        after: Matching requests that pass before the first is struck.
        status: Answer with this status instead of forwarding; 0: forward.
        code: The S3 error code in the answer's body.
        delay_seconds: Wait before anything else.
        lose_answer: Forward, then close the connection without an answer.
        cut_body: Send only the first half of the answer's body, then close.
    """

    method: str = ""
    part: str = ""
    times: int = 1
    after: int = 0
    status: int = 0
    code: str = ""
    delay_seconds: float = 0.0
    lose_answer: bool = False
    cut_body: bool = False


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    at: float


@dataclass
class FaultProxy:
    """Forwards to a server; `faults` are tried in order, the first that matches strikes."""

    upstream: str
    endpoint: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a kind arrived."""
        return sum(one.method == method and part in one.path for one in self.seen)

    def strike(self, request: Seen) -> Fault | None:
        """Notes a request; the fault that strikes it."""
        with self._lock:
            self.seen.append(request)
            for fault in self.faults:
                if fault.times <= 0 or fault.method not in {"", request.method}:
                    continue
                if fault.part not in request.path:
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A running proxy before a server on the loopback."""
    proxy = FaultProxy(upstream)
    server = _Server(proxy)
    proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """As the library does, but a client that goes away is no error."""
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.server.proxy.strike(Seen(self.command, self.path, headers, time.monotonic()))
        if fault is None:
            self._answer(
                *_forwarded(self.server.proxy.upstream, self.command, self.path, headers, body)
            )
            return
        time.sleep(fault.delay_seconds)
        if fault.status:
            self._answer(fault.status, {"Content-Type": "application/xml"}, _xml(fault.code))
            return
        answer = _forwarded(self.server.proxy.upstream, self.command, self.path, headers, body)
        if fault.lose_answer:
            self._hang_up()
        else:
            self._answer(*answer, cut=fault.cut_body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - the library's names

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Silent: what arrived is in `seen`."""


def _forwarded(
    upstream: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    address = urlsplit(upstream)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        kept = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
        connection.request(method, path, body=body, headers=kept)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def _xml(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
