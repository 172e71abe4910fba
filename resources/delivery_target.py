"""Targets: whatever takes messages, and what became of each of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from resources.delivery_messages import Message


@dataclass(frozen=True)
class Delivered:
    """The target took the message."""


@dataclass(frozen=True)
class Refused:
    """The target will never take this message; others are not concerned.

    Attributes:
        reason: Why, for a person; without secrets.
    """

    reason: str


@dataclass(frozen=True)
class Postponed:
    """The target takes nothing for now: an outage, a limit, or settings that must be mended.

    Attributes:
        reason: Why, for a person; without secrets.
        maybe_sent: Whether the message may have arrived all the same, such as after a time-out.
        wait_seconds: How long the target asks to wait; None if it does not say.
    """

    reason: str
    maybe_sent: bool = False
    wait_seconds: float | None = None


@dataclass(frozen=True)
class NotTried:
    """Nothing was sent: an earlier message was postponed, or time was up."""


Result: TypeAlias = Delivered | Refused | Postponed | NotTried

InTime: TypeAlias = Callable[[], bool]
"""Whether a further request may be started."""


def no_hurry() -> bool:
    """For who has all the time."""
    return True


class Target(Protocol):
    """A place that messages are delivered to."""

    @property
    def name(self) -> str:
        """Names its records in the lake, so it stays when the target's address changes."""
        ...

    @property
    def batch(self) -> int:
        """How many messages it takes at once."""
        ...

    def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
        """Sends at most `batch` messages, in order, without repeating any.

        Args:
            messages: What to send.
            in_time: Asked before each request but the first.

        Returns:
            What became of each. After one that is postponed no further request is started.
            Faults of the other side are results, not errors.
        """
        ...
