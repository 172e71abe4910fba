"""What explanations cost: a ledger of tokens in the lake, and the budget of a day."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.errors import LakeError
from resources.explainer import ExplainerError
from resources.lake import Lake, utc_now

USAGE: Final = "explanations/usage"

_LOOK_AGAIN_SECONDS: Final = 60.0
_MILLION: Final = 1_000_000


class BudgetSpentError(ExplainerError):
    """The tokens of the day are used up."""

    code = "budget spent"


class Usage(BaseModel):
    """Sums of a process, or of a day.

    Attributes:
        requests: Questions that were sent.
        input_tokens: As the service counted them.
        output_tokens: The same.
        assumed_tokens: Of questions whose answer was lost: the most that they can have cost.
        cost: Of the counted tokens by the prices in force then; None without prices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    assumed_tokens: int = 0
    cost: float | None = None

    @property
    def tokens(self) -> int:
        """All that counts against the budget."""
        return self.input_tokens + self.output_tokens + self.assumed_tokens

    def plus(self, other: "Usage") -> "Usage":
        """Both together."""
        costs = [one.cost for one in (self, other) if one.cost is not None]
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            assumed_tokens=self.assumed_tokens + other.assumed_tokens,
            cost=sum(costs) if costs else None,
        )


@dataclass(frozen=True)
class Prices:
    """What the user pays; inputs, never defaults.

    Attributes:
        input: A million input tokens.
        output: A million output tokens.
    """

    input: float
    output: float


@dataclass
class UsageLedger:
    """The ledger of this process: one object a day, so that no two processes write the same.

    Attributes:
        lake: Where.
        daily_tokens: The budget of a UTC day, over all processes.
        prices: For the costs; None: they are not reckoned.
        now: The present moment.
        elapsed: Seconds of a clock that never goes back.
    """

    lake: Lake
    daily_tokens: int
    prices: Prices | None = None
    now: Callable[[], datetime] = utc_now
    elapsed: Callable[[], float] = time.monotonic
    _name: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)
    _day: date | None = field(default=None, init=False)
    _own: Usage = field(default_factory=Usage, init=False)
    _others: Usage = field(default_factory=Usage, init=False)
    _looked: float = field(default=0.0, init=False)

    def check(self, tokens: int) -> None:
        """Refuses a question that may not fit into what is left of the day.

        Other processes are looked at once a minute, so several at once can go beyond the budget by
        what they use within it.

        Raises:
            BudgetSpentError: It does not fit.
        """
        self._turn_the_page()
        if self.elapsed() - self._looked >= _LOOK_AGAIN_SECONDS:
            self._look()
        used = self._own.tokens + self._others.tokens
        if used + tokens > self.daily_tokens:
            raise BudgetSpentError(
                f"{used:,} of {self.daily_tokens:,} tokens of the day are used up"
            )

    def answered(self, input_tokens: int, output_tokens: int) -> None:
        """Enters a question that was answered."""
        cost = None
        if self.prices is not None:
            charged = input_tokens * self.prices.input + output_tokens * self.prices.output
            cost = charged / _MILLION
        self._enter(
            Usage(requests=1, input_tokens=input_tokens, output_tokens=output_tokens, cost=cost)
        )

    def unanswered(self, tokens: int) -> None:
        """Enters a question without an answer, and the most that it can have cost."""
        self._enter(Usage(requests=1, assumed_tokens=tokens))

    def _enter(self, usage: Usage) -> None:
        self._turn_the_page()
        self._own = self._own.plus(usage)
        data = self._own.model_dump_json().encode()
        self.lake.put(f"{USAGE}/{self._day}/{self._name}.json", data)

    def _turn_the_page(self) -> None:
        today = self.now().date()
        if today != self._day:
            self._day, self._own = today, Usage()
            self._look()

    def _look(self) -> None:
        if self._day is not None:
            self._others = usage_of(self.lake, self._day, but=self._name)
            self._looked = self.elapsed()


def usage_of(lake: Lake, day: date, but: str | None = None) -> Usage:
    """What all processes used on a UTC day.

    Args:
        lake: Where the ledger is.
        day: The day.
        but: A process that is left out.

    Raises:
        LakeError: A part of the ledger cannot be read; it is named.
    """
    keys = [info.key for info in lake.list(f"{USAGE}/{day}")]
    total = Usage()
    wanted = [key for key in keys if but is None or not key.endswith(f"/{but}.json")]
    for key, data in zip(wanted, lake.get_many(wanted), strict=True):
        try:
            total = total.plus(Usage.model_validate_json(data))
        except ValidationError as error:
            raise LakeError(
                f"{key} cannot be read; restore it, or delete it: its tokens then count no more"
            ) from error
    return total
