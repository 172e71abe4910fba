"""Explanations by a language model on Amazon Bedrock, through its Converse operation."""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from gpu_ops.evidence import Evidence
from resources.bedrock_cache import Entry, ExplanationCache
from resources.bedrock_prompt import (
    PROMPT_VERSION,
    Answer,
    InvalidAnswerError,
    answer_of,
    facts_of,
    key_of,
    most_tokens,
    request_of,
    text_of,
)
from resources.bedrock_service import (
    ConverseClient,
    MisconfiguredError,
    UnreachableError,
    errors_told,
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

if TYPE_CHECKING:
    from resources.bedrock_settings import BedrockSettings

_LOG: Final = logging.getLogger(__name__)
_CONNECT_SECONDS: Final = 3.0
_ATTEMPTS: Final = 3


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
    """boto3's client: one attempt a call, paced adaptively, bounded waits; region as `aws_region`.

    Attempts are repeated by `BedrockExplainer`, since each that is lost may be charged for.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"mode": "adaptive", "total_max_attempts": 1},
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
        wait: Passes seconds between the attempts of a question.
    """

    model: str
    client_of: Callable[[], ConverseClient]
    cache: ExplanationCache
    ledger: UsageLedger
    breaker: Breaker = field(default_factory=Breaker)
    wait: Callable[[float], None] = time.sleep

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
            answer = self._answered(request, most)
        except (UnreachableError, InvalidAnswerError):
            self.breaker.failed()
            raise
        except MisconfiguredError as error:
            _LOG.warning("Bedrock cannot be asked, the template explains: %s", error)
            self.breaker.failed(at_once=True)
            raise
        self.ledger.answered(answer.usage.input, answer.usage.output)
        self.breaker.succeeded()
        return text_of(answer)

    def _answered(self, request: Mapping[str, object], most: int) -> Answer:
        """The answer of one of a few attempts, each within the budget and in the ledger."""
        attempt = 0
        while True:
            self.ledger.check(most)
            try:
                return self._attempted(request, most)
            except UnreachableError:
                attempt += 1
                if attempt == _ATTEMPTS:
                    raise
            # Random, so that several that were turned away do not come back together.
            share = random.random()  # noqa: S311 - nothing secret
            self.wait(share * 2**attempt)

    def _attempted(self, request: Mapping[str, object], most: int) -> Answer:
        """The answer of one attempt; one that is lost or useless is charged at its most."""
        try:
            with errors_told():
                response = self._client.converse(**request)
            return answer_of(response)
        except (UnreachableError, InvalidAnswerError) as error:
            if isinstance(error, InvalidAnswerError) or error.maybe_charged:
                self.ledger.unanswered(most)
            raise

    @cached_property
    def _client(self) -> ConverseClient:
        return self.client_of()


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
