"""Explanations by a language model on Amazon Bedrock, through its Converse operation."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from gpu_ops.evidence import Evidence
from resources.bedrock_cache import Entry, ExplanationCache
from resources.bedrock_prompt import (
    PROMPT_VERSION,
    InvalidAnswerError,
    answer_of,
    facts_of,
    key_of,
    most_tokens,
    request_of,
    text_of,
)
from resources.bedrock_usage import Prices, UsageLedger
from resources.explainer import (
    CheckedExplainer,
    Explainer,
    ExplainerError,
    TemplateExplainer,
    UnsupportedTextError,
    verify,
)
from resources.lake import Lake
from resources.s3 import aws_region
from resources.scrubbing import scrubbed

if TYPE_CHECKING:
    from resources.bedrock_settings import BedrockSettings

_LOG: Final = logging.getLogger(__name__)
_CONNECT_SECONDS: Final = 3.0
_ATTEMPTS: Final = 3
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


class BreakerOpenError(ExplainerError):
    """After failures in a row nothing is asked for a while."""

    code = "left alone after failures"


class RefusedBeforeError(ExplainerError):
    """The stored answer to this very question could not be used."""

    code = "answer refused before"


@dataclass
class Breaker:
    """Stops asking after failures in a row, so that an outage costs seconds, not hours.

    Attributes:
        most_failures: So many in a row open it.
        pause_seconds: For so long; then one question tries whether the service is back.
        elapsed: Seconds of a clock that never goes back.
    """

    most_failures: int = 3
    pause_seconds: float = 600.0
    elapsed: Callable[[], float] = time.monotonic
    _failures: int = field(default=0, init=False)
    _closed_from: float = field(default=float("-inf"), init=False)

    def check(self) -> None:
        """Raises BreakerOpenError while it is open."""
        if self.elapsed() < self._closed_from:
            raise BreakerOpenError("nothing is asked for a while after failures in a row")

    def succeeded(self) -> None:
        """The service works."""
        self._failures = 0

    def failed(self, *, at_once: bool = False) -> None:
        """Counts a failure; `at_once` opens it whatever was before."""
        self._failures = self.most_failures if at_once else self._failures + 1
        if self._failures >= self.most_failures:
            self._closed_from = self.elapsed() + self.pause_seconds


def open_client(region: str | None, timeout_seconds: float) -> ConverseClient:
    """boto3's client: adaptive retries, three attempts, bounded waits; region as `aws_region`."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"mode": "adaptive", "total_max_attempts": _ATTEMPTS},
    )
    client: ConverseClient = boto3.client(
        "bedrock-runtime", region_name=aws_region(region), config=config
    )
    return client


@dataclass
class BedrockExplainer:
    """Asks a model, within a budget, each question once.

    Attributes:
        model: Id of a model or an inference profile.
        client_of: Opens the client; called with the first question.
        cache: Answers that are known.
        ledger: Tokens used.
        breaker: Stops asking while the service is away.
    """

    model: str
    client_of: Callable[[], ConverseClient]
    cache: ExplanationCache
    ledger: UsageLedger
    breaker: Breaker = field(default_factory=Breaker)

    @property
    def generator(self) -> str:
        """Names model and prompt beside the texts."""
        return f"bedrock {self.model}, prompt {PROMPT_VERSION}"

    def explain(self, evidence: Evidence, /) -> str:
        """The model's text, checked against the evidence.

        Raises:
            ExplainerError: There is none; its `code` says why in a word.
            LakeError: The lake cannot be read or written.
        """
        facts = facts_of(evidence)
        key = key_of(self.model, facts)
        known = self.cache.get(key)
        if known is not None:
            if known.text is None:
                raise RefusedBeforeError(known.refused or "it could not be used")
            return known.text
        self.breaker.check()
        most = most_tokens(facts)
        self.ledger.check(most)
        entry = Entry(generator=self.generator, alert_id=evidence.alert_id)
        try:
            text = self._asked(request_of(self.model, facts), most)
            verify(text, evidence)
        except (InvalidAnswerError, UnsupportedTextError) as error:
            # Kept as well: the same question would be paid for again with every run.
            self.cache.put(key, entry.model_copy(update={"refused": error.code}))
            raise
        self.cache.put(key, entry.model_copy(update={"text": text}))
        return text

    def _asked(self, request: Mapping[str, object], most: int) -> str:
        """The model's text; enters what it cost, whatever becomes of it."""
        try:
            answer = answer_of(self._sent(request))
        except (UnreachableError, InvalidAnswerError) as error:
            if isinstance(error, InvalidAnswerError) or error.maybe_charged:
                self.ledger.unanswered(most)
            self.breaker.failed()
            raise
        except MisconfiguredError as error:
            _LOG.warning("Bedrock cannot be asked, the template explains: %s", error)
            self.breaker.failed(at_once=True)
            raise
        self.ledger.answered(answer.usage.input, answer.usage.output)
        self.breaker.succeeded()
        return text_of(answer)

    def _sent(self, request: Mapping[str, object]) -> object:
        """The response, with errors of the service in this module's words."""
        from botocore import exceptions

        try:
            return self._client.converse(**request)
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
        except (exceptions.BotoCoreError, exceptions.HTTPClientError) as error:
            raise UnreachableError(scrubbed(str(error)), "outage") from error

    @cached_property
    def _client(self) -> ConverseClient:
        return self.client_of()


def _of_service(response: dict[str, dict[str, object]]) -> ExplainerError:
    """What an error of the service means."""
    details = response.get("Error", {})
    code = str(details.get("Code", "unknown"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = scrubbed(f"{code}: {details.get('Message')}")
    if code in _THROTTLES:
        return UnreachableError(message, "throttled")
    if code in _PASSING or (isinstance(status, int) and status >= _SERVER_ERROR):
        return UnreachableError(message, "outage", maybe_charged=code == "ModelTimeoutException")
    return MisconfiguredError(message)


def explainer_of(settings: "BedrockSettings", lake: Lake) -> Explainer:
    """The explainer that the settings ask for: a model's texts, checked, or the template's."""
    model = settings.bedrock_model
    if model is None:
        return TemplateExplainer()
    prices = None
    if settings.bedrock_input_price is not None and settings.bedrock_output_price is not None:
        prices = Prices(settings.bedrock_input_price, settings.bedrock_output_price)
    asking = BedrockExplainer(
        model=model,
        client_of=lambda: open_client(settings.bedrock_region, settings.bedrock_timeout_seconds),
        cache=ExplanationCache(lake),
        ledger=UsageLedger(lake, settings.bedrock_daily_tokens, prices),
    )
    return CheckedExplainer(asking, generator=asking.generator)
