"""Bedrock as the explainer sees it: one operation, and what its errors mean."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol

from resources.explainer import ExplainerError
from resources.scrubbing import scrubbed

_THROTTLES: Final = frozenset({"ThrottlingException", "TooManyRequestsException"})
_PASSING: Final = frozenset(
    {
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
    }
)
_SERVER_ERROR: Final = 500


class ConverseClient(Protocol):
    """What is used of boto3's client."""

    def converse(self, **request: object) -> object:
        """Asks a model."""
        ...


class UnreachableError(ExplainerError):
    """The service is away, slow, or wants fewer questions."""

    code = "outage"

    def __init__(self, message: str, code: str, *, maybe_charged: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.maybe_charged = maybe_charged


class MisconfiguredError(ExplainerError):
    """No question can be answered until a setting, a permission or a credential is mended."""

    code = "misconfigured"


@contextmanager
def errors_told() -> Iterator[None]:
    """Says errors of the service in this module's words.

    Raises:
        UnreachableError: No answer; asked again it may give one. Whether the model may have
            answered all the same, and be charged, is in it.
        MisconfiguredError: It gives none however often it is asked.
    """
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _of_service(error.response) from error
    except (exceptions.ReadTimeoutError, exceptions.ConnectTimeoutError) as error:
        charged = isinstance(error, exceptions.ReadTimeoutError)
        raise UnreachableError("no answer in time", "timeout", maybe_charged=charged) from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.NoRegionError,
        exceptions.ParamValidationError,
        exceptions.ProfileNotFound,
    ) as error:
        raise MisconfiguredError(scrubbed(str(error))) from error
    except (
        exceptions.EndpointConnectionError,
        exceptions.ProxyConnectionError,
        exceptions.SSLError,
    ) as error:
        raise UnreachableError(scrubbed(str(error)), "outage") from error
    except exceptions.HTTPClientError as error:
        # Connected, then cut: the model may have answered.
        raise UnreachableError(scrubbed(str(error)), "outage", maybe_charged=True) from error
    except exceptions.BotoCoreError as error:
        raise UnreachableError(scrubbed(str(error)), "outage") from error


def _of_service(response: Mapping[str, Mapping[str, object]]) -> ExplainerError:
    """What an error of the service means."""
    details = response.get("Error", {})
    code = str(details.get("Code", "unknown"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = scrubbed(f"{code}: {details.get('Message')}")
    if code in _THROTTLES:
        return UnreachableError(message, "throttled")
    if code in _PASSING:
        return UnreachableError(message, "outage", maybe_charged=code == "ModelTimeoutException")
    if isinstance(status, int) and status >= _SERVER_ERROR:
        # Not the service's own words: something in between, behind which the model went on.
        return UnreachableError(message, "outage", maybe_charged=True)
    return MisconfiguredError(message)
