"""How the fake is spoken to: AWS's JSON protocols, and the checks of its request models."""

import json
import re
import threading
from collections.abc import Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from pydantic import JsonValue

Body = dict[str, JsonValue]


class RefusedError(Exception):
    """An error of the service: code and message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Service(Protocol):
    """What answers the calls."""

    def answer(self, operation: str, body: Body) -> Body:
        """Answers a call of the control plane."""

    def invoke(self, endpoint: str, body: bytes, kind: str, accept: str) -> tuple[int, bytes, str]:
        """Answers a call of an endpoint."""


@cache
def _service():  # type: ignore[no-untyped-def]  # noqa: ANN202 - botocore has no types
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker")


def check_request(operation: str, body: Mapping[str, JsonValue]) -> None:
    """Fails as the service would on a field that it does not know, or of another type."""
    from botocore.validate import ParamValidator

    shape = _service().operation_model(operation).input_shape
    report = ParamValidator().validate(body, shape)
    if report.has_errors():
        raise RefusedError("ValidationException", report.generate_report())
    wrong = sorted(wrong_words(shape, dict(body)))
    if wrong:
        raise RefusedError("ValidationException", f"1 validation error detected: {wrong}")


def wrong_words(shape, value: JsonValue) -> set[str]:  # type: ignore[no-untyped-def]  # noqa: ANN001 - botocore has no types
    """Values outside of their enumeration, pattern or length, which ParamValidator passes over."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return set().union(*(wrong_words(shape.members[k], v) for k, v in value.items()))
    if shape.type_name == "list" and isinstance(value, list):
        return set().union(*(wrong_words(shape.member, v) for v in value))
    if shape.type_name != "string" or not isinstance(value, str):
        return set()
    pattern = shape.metadata.get("pattern", ".*")
    is_wrong = (shape.enum and value not in shape.enum) or (
        "\\p" not in pattern and not re.fullmatch(pattern, value)
    )
    too_long = len(value) > shape.metadata.get("max", len(value))
    return {f"{shape.name}={value}"} if is_wrong or too_long else set()


class FakeHandler(BaseHTTPRequestHandler):
    """Both services on one port: calls have a target, invocations a path."""

    protocol_version = "HTTP/1.1"
    fake: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            target = self.headers.get("X-Amz-Target")
            if target is not None:
                answer = self.fake.answer(target.split(".", 1)[1], json.loads(body))
                self._send(200, json.dumps(answer).encode(), "application/x-amz-json-1.1")
                return
            endpoint = self.path.split("/")[2]
            kind, accept = self.headers["Content-Type"], self.headers["Accept"]
            self._send(*self.fake.invoke(endpoint, body, kind, accept))
        except RefusedError as error:
            told = json.dumps({"__type": error.code, "message": str(error)}).encode()
            self._send(error.status, told, "application/x-amz-json-1.1", error.code)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        pass

    def _send(self, status: int, body: bytes, kind: str, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(body)


def served(fake: Service) -> ThreadingHTTPServer:
    """A server of the fake on a free port, already answering."""
    handler = type("Handler", (FakeHandler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server
