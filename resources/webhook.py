"""Messages to a webhook: one POST of JSON each."""

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from socket import gaierror
from ssl import SSLCertVerificationError
from typing import IO, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from pydantic import SecretStr

from resources.delivery_messages import Message, UnfitMessageError
from resources.delivery_target import (
    Delivered,
    InTime,
    NotTried,
    Postponed,
    Refused,
    Result,
    no_hurry,
)

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
SIGNATURE_HEADER: Final = "Fraud-Signature"
MOST_BYTES: Final = 262_144
"""As much as SNS takes, so that both targets say the same."""

_SECONDS: Final = 10.0
_REFUSED_STATUS: Final = frozenset({400, 413, 415, 422})
_NOT_TAKEN_STATUS: Final = frozenset({401, 403, 404, 405, 407, 410, 429, 503})
_REDIRECTS: Final = range(300, 400)


class _NoRedirects(HTTPRedirectHandler):
    """A redirect could lead the message anywhere; the address must be the final one."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follows none."""


@dataclass(frozen=True)
class WebhookTarget:
    """An address that takes one message a POST and answers 2xx once it has it.

    `Idempotency-Key` is the message's id. With a secret, `Fraud-Signature: t=<seconds>,v1=<hex>`
    is the HMAC-SHA256 of `<seconds>.<body>`, so that a receiver knows the sender and can refuse
    what was recorded and sent again later.

    Attributes:
        url: Where to; it may hold a token, so it is shown nowhere.
        secret: Signs the messages; None: they are not signed.
        secret_file: Holds the secret instead; read anew for each delivery, so it can be changed.
        now: Seconds since 1970.
        name: Names the record of deliveries.
    """

    url: SecretStr
    secret: SecretStr | None = None
    secret_file: Path | None = None
    now: Callable[[], float] = field(default=time.time, repr=False)
    name: str = "webhook"

    @property
    def batch(self) -> int:
        """Messages of one request."""
        return 1

    def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
        """Posts messages in order until one is postponed; see `Target.send`."""
        results: list[Result] = []
        for message in messages:
            if results and (isinstance(results[-1], Postponed | NotTried) or not in_time()):
                results.append(NotTried())
                continue
            try:
                results.append(self._post(message))
            except UnfitMessageError as error:
                results.append(Refused(str(error)))
        return results

    def _post(self, message: Message) -> Result:
        body = message.body(MOST_BYTES)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "fraud-assets",
            IDEMPOTENCY_HEADER: message.message_id,
        }
        try:
            secret = self._secret()
        except OSError:
            return Postponed("the file of FRAUD_WEBHOOK_SECRET_FILE cannot be read")
        if secret == b"":
            return Postponed("the file of FRAUD_WEBHOOK_SECRET_FILE is empty")
        if secret is not None:
            headers[SIGNATURE_HEADER] = signature(secret, int(self.now()), body)
        url = self.url.get_secret_value()
        # Only https, and http where settings allow it, get through `check_address`.
        request = Request(url, data=body, headers=headers, method="POST")  # noqa: S310
        try:
            with build_opener(_NoRedirects).open(request, timeout=_SECONDS):
                return Delivered()
        except HTTPError as error:
            with error:
                return _answered(error.code, error.headers.get("Retry-After"), self.now())
        except URLError as error:
            return _unreached(error.reason)
        except (OSError, HTTPException) as error:
            # The request was under way; its text could name the address, its type cannot.
            return Postponed(f"the webhook gave no answer: {type(error).__name__}", maybe_sent=True)

    def _secret(self) -> bytes | None:
        if self.secret_file is not None:
            return self.secret_file.read_bytes().strip()
        return None if self.secret is None else self.secret.get_secret_value().encode()


def signature(secret: bytes, seconds: int, body: bytes) -> str:
    """The header that signs a body at a moment.

    Args:
        secret: What sender and receiver share.
        seconds: Since 1970; a receiver refuses what is older than a few minutes.
        body: The bytes of the request.
    """
    digest = hmac.new(secret, f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def check_address(url: str, *, allow_http: bool) -> None:
    """Refuses addresses that messages should not go to.

    Args:
        url: Where messages would go.
        allow_http: Whether plain http is accepted for other machines, too.

    Raises:
        ValueError: Why; the address itself is not in the text, since it may hold a token.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("it is no address; expected https://host/path") from None
    if (
        parts.scheme not in {"https", "http"}
        or not host
        or not url.isascii()
        or not url.isprintable()
    ):
        raise ValueError("it is no address; expected https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a user; sign with FRAUD_WEBHOOK_SECRET instead")
    if parts.scheme == "http" and not (allow_http or _is_loopback(host)):
        raise ValueError("it must be https; FRAUD_WEBHOOK_ALLOW_HTTP=true accepts plain http")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _answered(status: int, retry_after: str | None, now: float) -> Result:
    """What an answer that is no success means."""
    reason = f"the webhook answered {status}"
    if status in _REFUSED_STATUS:
        return Refused(reason)
    if status in _REDIRECTS:
        return Postponed(f"{reason}, a redirect; set FRAUD_WEBHOOK_URL to the final address")
    # Gateways answer 502 and 504 also where the server behind them went on.
    maybe_sent = status not in _NOT_TAKEN_STATUS
    return Postponed(reason, maybe_sent=maybe_sent, wait_seconds=_wait_seconds(retry_after, now))


def _wait_seconds(retry_after: str | None, now: float) -> float | None:
    """Seconds of a Retry-After header, which holds a number or a date (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return None


def _unreached(reason: object) -> Postponed:
    """No connection, as urllib reports it; it wraps what went wrong until the request was sent."""
    # A time-out here may be one of connecting or of sending; only these are certain.
    refused = isinstance(reason, ConnectionRefusedError | gaierror | SSLCertVerificationError)
    named = type(reason).__name__ if isinstance(reason, Exception) else "no connection"
    return Postponed(f"the webhook cannot be reached: {named}", maybe_sent=not refused)
