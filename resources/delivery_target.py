"""Targets: whatever takes messages, and what became of each of them."""

from collections.abc import Sequence
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


Result: TypeAlias = Delivered | Refused | Postponed


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

    def send(self, messages: Sequence[Message], /) -> list[Result]:
        """Sends at most `batch` messages, in order, without repeating any.

        Returns:
            What became of each. After the first that is postponed nothing was tried unless it
            was part of the same request. Faults of the other side are results, not errors.
        """
        ...
