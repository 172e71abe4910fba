"""Waiting for something slow, with pauses that grow and an end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from resources.sagemaker.api import PassingError, SageMakerError

_LONGEST_PAUSE: Final = 60.0
_GROWTH: Final = 1.5

_Seen = TypeVar("_Seen")


class WaitedTooLongError(SageMakerError):
    """Something did not happen in the time given."""


@dataclass(frozen=True)
class Patience:
    """How often to look, and for how long.

    Attributes:
        first_seconds: First pause; each further one is half as long again, a minute at most.
        limit_seconds: Longest wait.
    """

    first_seconds: float
    limit_seconds: float


def wait_for(
    look: Callable[[], _Seen],
    is_over: Callable[[_Seen], bool],
    patience: Patience,
    what: str,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _Seen:
    """Looks until it is over, and returns what was seen last.

    A look that fails for a passing reason is repeated: an outage of minutes must not end the
    wait for a job of hours.

    Raises:
        WaitedTooLongError: The time is over.
        SageMakerError: A look failed for good.
    """
    end = clock() + patience.limit_seconds
    pause = patience.first_seconds
    trouble = ""
    while True:
        try:
            seen = look()
            if is_over(seen):
                return seen
            trouble = ""
        except PassingError as error:
            trouble = f"; the last look failed: {error}"
        left = end - clock()
        if left <= 0:
            minutes = patience.limit_seconds / 60
            raise WaitedTooLongError(f"{what} was not over after {minutes:.0f} minutes{trouble}")
        sleep(min(pause, left))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
