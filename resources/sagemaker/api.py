"""Calls to SageMaker with typed errors, retries and account numbers masked."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue
from pydantic.alias_generators import to_pascal

from resources.s3 import aws_region
from resources.sagemaker.config import SageMakerConfig

_ATTEMPTS: Final = 8
_ACCOUNT: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_ABSENT: Final = re.compile(r"(?i)could not find|not found|does not exist|cannot find")
_TAKEN: Final = re.compile(r"(?i)already exist")
_PASSING: Final = frozenset(
    {"ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException"}
)
_DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied", "UnrecognizedClientException"})


class SageMakerError(Exception):
    """A call that SageMaker refused, in words that say what to do."""


class AbsentError(SageMakerError):
    """There is nothing under that name."""


class TakenError(SageMakerError):
    """The name is in use."""


class PassingError(SageMakerError):
    """Too many calls, a fault of the service or of the network; it passes by itself."""


class Answer(BaseModel):
    """What is read of an answer; everything else in it is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal)


class Named(Answer):
    """An answer of which nothing is needed."""


_Read = TypeVar("_Read", bound=Answer)


@dataclass(frozen=True)
class SageMakerApi:
    """The two clients of SageMaker, made at the first call.

    Attributes:
        region: AWS region; None: as `resources.s3.aws_region` finds it. Endpoints for tests come
            from AWS_ENDPOINT_URL_SAGEMAKER and AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME, as boto3 reads
            them.
    """

    region: str | None = None

    def call(self, operation: str, request: Mapping[str, JsonValue], answer: type[_Read]) -> _Read:
        """Calls the control plane.

        Args:
            operation: boto3's name, such as `create_training_job`.
            request: Its arguments.
            answer: What to read of the answer.

        Raises:
            AbsentError, TakenError, PassingError: As named.
            SageMakerError: Anything else.
        """
        return answer.model_validate(self._called(operation, request))

    def pages(
        self, operation: str, request: Mapping[str, JsonValue], answer: type[_Read]
    ) -> Iterator[_Read]:
        """Calls a listing operation until its last page; errors as `call`."""
        token: JsonValue = None
        while True:
            more = {} if token is None else {"NextToken": token}
            page = self._called(operation, {**request, **more})
            yield answer.model_validate(page)
            token = page.get("NextToken")
            if not token:
                return

    def invoke(self, endpoint: str, body: bytes, content_type: str, accept: str) -> bytes:
        """Sends rows to an endpoint; the body of its answer. Errors as `call`."""
        request = {
            "EndpointName": endpoint,
            "Body": body,
            "ContentType": content_type,
            "Accept": accept,
        }
        with _told("invoke_endpoint"):
            return bytes(self._runtime.invoke_endpoint(**request)["Body"].read())

    def _called(self, operation: str, request: Mapping[str, JsonValue]):  # type: ignore[no-untyped-def]  # noqa: ANN202 - boto3 has no types
        with _told(operation):
            return getattr(self._client, operation)(**request)

    @cached_property
    def _client(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - boto3 has no types
        return _client("sagemaker", self.region)

    @cached_property
    def _runtime(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as above
        return _client("sagemaker-runtime", self.region)


@dataclass(frozen=True)
class SageMaker:
    """The resource of the assets: the configuration and the calls.

    Attributes:
        config: Where and as whom.
        api: The calls.
        first_poll_seconds: First pause between two looks at a job; it grows to a minute.
    """

    config: SageMakerConfig
    api: SageMakerApi
    first_poll_seconds: float = 5.0

    @classmethod
    def of(cls, config: SageMakerConfig) -> "SageMaker":
        """The resource for a configuration; nothing is contacted yet."""
        return cls(config, SageMakerApi(config.region))


def masked_accounts(text: str) -> str:
    """A text with every AWS account number replaced."""
    return _ACCOUNT.sub("<account>", text)


def _client(service: str, region: str | None):  # type: ignore[no-untyped-def]  # noqa: ANN202 - boto3 has no types
    import boto3
    from botocore.config import Config

    # Standard mode waits up to 20 seconds between tries, with jitter.
    retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    return boto3.client(service, region_name=aws_region(region), config=Config(retries=retries))


@contextmanager
def _told(operation: str) -> Iterator[None]:
    """Errors of boto3 as those of this module; the making of a client can fail, too."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as UnreachableError

    # Nothing is raised `from` boto3's error: its text would be shown beside the masked one.
    try:
        yield
    except ClientError as error:
        raise _refused(operation, error.response) from None
    except (HTTPClientError, UnreachableError) as error:
        told = f"SageMaker cannot be reached to {operation}: {masked_accounts(str(error))}"
        raise PassingError(told) from None
    except BotoCoreError as error:
        told = f"SageMaker cannot be asked to {operation}: {masked_accounts(str(error))}"
        raise SageMakerError(f"{told}; check the AWS credentials and the region") from None


def _refused(operation: str, response: Mapping[str, Mapping[str, object]]) -> SageMakerError:
    code = str(response["Error"].get("Code", ""))
    reason = masked_accounts(str(response["Error"].get("Message", "")))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    told = f"SageMaker refused {operation}: {code}: {reason}"
    if code == "ResourceNotFound" or (code == "ValidationException" and _ABSENT.search(reason)):
        return AbsentError(told)
    if code == "ResourceInUse" or _TAKEN.search(reason):
        return TakenError(told)
    if code in _PASSING or (isinstance(status, int) and status >= 500):  # noqa: PLR2004 - HTTP
        return PassingError(f"{told}; it may pass, run again")
    if code in _DENIED:
        return SageMakerError(f"{told}; allow it to the role of this process (docs/sagemaker.md)")
    if code == "ResourceLimitExceeded":
        return SageMakerError(f"{told}; raise the quota, or wait until other jobs have ended")
    return SageMakerError(told)
