"""How often a waiting host asks: often while something happens, seldom while nothing does."""

import random
from dataclasses import dataclass, field
from typing import Final

_GROWTH: Final = 1.5
_JITTER: Final = 0.2


@dataclass
class Pace:
    """The pauses between two looks at a job.

    They grow from the shortest to the longest while nothing changes. Each is varied by a fifth, so
    that many runs, started by one tick, do not ask in the same second: DescribeJobs is limited for
    the account as a whole.

    Attributes:
        shortest: Seconds.
        longest: Seconds.
    """

    shortest: float
    longest: float
    _next: float = field(init=False)
    # Not for secrets; the system's source needs no seed and is shared with nothing.
    _random: random.Random = field(default_factory=random.SystemRandom, init=False, repr=False)

    def __post_init__(self) -> None:
        self._next = self.shortest

    def pause(self, *, changed: bool) -> float:
        """Seconds until the next look.

        Args:
            changed: Whether the last look showed anything new.
        """
        if changed:
            self._next = self.shortest
        now = self._next
        self._next = min(self.longest, now * _GROWTH)
        return now * self._random.uniform(1 - _JITTER, 1 + _JITTER)
