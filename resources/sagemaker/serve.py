"""`python -m resources.sagemaker.serve`: SageMaker's serving contract over the scores.

`GET /ping` and `POST /invocations` on port 8080
(docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html). It listens on this
machine alone; a container gives `--host 0.0.0.0`, since its calls come from outside of it.
"""

import json
import logging
import os
import signal
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Final, NoReturn

import click

from resources.sagemaker.archive import PackedModel
from resources.sagemaker.inference import (
    BadRowsError,
    ContentTypeError,
    input_fn,
    model_fn,
    output_fn,
    predict_fn,
)
from resources.sagemaker.requests import JSON

LARGEST_REQUEST: Final = 100 * 1024**2
_SILENCE_SECONDS: Final = 60.0

_log: Final = logging.getLogger(__name__)


class ScoringHandler(BaseHTTPRequestHandler):
    """Answers one caller."""

    protocol_version = "HTTP/1.1"
    timeout = _SILENCE_SECONDS

    def __init__(self, model: PackedModel, *arguments: object) -> None:
        self._model = model
        # The signature of the base class is that of the server's own call.
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """`/ping`: the model is loaded, since nothing listens before it is."""
        if self.path == "/ping":
            self._answer(HTTPStatus.OK, b"", JSON)
        elif self.path == "/execution-parameters":
            asked = {"MaxConcurrentTransforms": 1, "BatchStrategy": "SINGLE_RECORD"}
            body = json.dumps({**asked, "MaxPayloadInMB": LARGEST_REQUEST >> 20})
            self._answer(HTTPStatus.OK, body.encode(), JSON)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there are /ping and /invocations")

    def do_POST(self) -> None:
        """`/invocations`: scores the rows of the body."""
        if self.path != "/invocations":
            self._refuse(HTTPStatus.NOT_FOUND, "there are /ping and /invocations")
            return
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
            return
        if int(size) > LARGEST_REQUEST:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {LARGEST_REQUEST} bytes")
            return
        body = self.rfile.read(int(size))
        try:
            rows = input_fn(body, self.headers.get("Content-Type", ""))
            scored = predict_fn(rows, self._model)
            answer, kind = output_fn(scored, self.headers.get("Accept", ""))
        except ContentTypeError as error:
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error))
        except BadRowsError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:  # noqa: BLE001 - one bad request must not end the server
            # The message may hold values of the rows; the type does not.
            _log.error("scoring failed: %s", type(error).__name__)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "scoring failed")
        else:
            self._answer(HTTPStatus.OK, answer, kind)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Says nothing: health checks come every few seconds, and rows belong in no log."""

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        # What is left of the body would be read as the next request.
        self.close_connection = True
        self._answer(status, json.dumps({"error": reason}).encode(), JSON)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=int,
    default=lambda: int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")),
    help="Port, default SAGEMAKER_BIND_TO_PORT or 8080.",
)
@click.option(
    "--model-dir",
    default=lambda: os.environ.get("SM_MODEL_DIR", "/opt/ml/model"),
    help="Folder of the model's files, default SM_MODEL_DIR or /opt/ml/model.",
)
def main(host: str, port: int, model_dir: str) -> None:
    """Scores rows over HTTP until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _terminate)
    model = model_fn(model_dir)
    with ThreadingHTTPServer((host, port), partial(ScoringHandler, model)) as server:
        server.daemon_threads = True
        _log.info("%s: listening on port %d", model.card.feed, server.server_address[1])
        server.serve_forever()


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
