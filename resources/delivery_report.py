"""What a delivery did, and the clock that it lives by."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from resources.lake import utc_now


@dataclass(frozen=True)
class Clock:
    """Time, so that tests can make an hour pass.

    Attributes:
        now: The present moment, UTC.
        sleep: Waits for seconds.
    """

    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Delivery:
    """What one call of `deliver` did.

    Attributes:
        target: Its name.
        delivered: Messages that the target took.
        repeated: How many requests held a message that an earlier attempt may have sent already.
        set_aside: The messages that will not be delivered, each with its reason.
        problems: Why something is left: outages, damaged objects.
        waiting_until: The target is left alone until then; nothing was tried.
        busy: Who else delivers to this target at the moment; nothing was tried.
        more: Time was up before all was delivered.
    """

    target: str
    delivered: int = 0
    repeated: int = 0
    set_aside: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    waiting_until: datetime | None = None
    busy: str | None = None
    more: bool = False

    @property
    def went_through(self) -> bool:
        """Whether the target now has all that the outbox holds."""
        in_the_way = self.set_aside or self.problems or self.waiting_until or self.busy
        return not (in_the_way or self.more)

    def told(self) -> str:
        """What was done, in a sentence."""
        if self.busy is not None:
            return f"{self.target}: {self.busy}."
        if self.waiting_until is not None:
            until = f"{self.waiting_until:%Y-%m-%d %H:%M:%S} UTC"
            return f"{self.target}: left alone until {until} after an outage."
        parts = [f"{self.delivered} delivered"]
        if self.repeated:
            parts.append(f"{self.repeated} sent again under the same ids after a lost attempt")
        if self.set_aside:
            parts.append(f"{len(self.set_aside)} refused and set aside")
        if self.more:
            parts.append("the rest goes out next time")
        return f"{self.target}: {', '.join(parts)}."
