"""A container that is asked to end: it lets go of what it holds and leaves the step unended."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

from resources.batch import dagster_internals as internals

TERMINATED: Final = 128 + signal.SIGTERM
"""The exit code of a process that SIGTERM ended, 143."""


@dataclass
class Ending:
    """What became of the request to end.

    Attributes:
        is_asked: Whether there was one. What a step says after it is no result of the step: on a
            Spot machine Batch starts the container again elsewhere.
    """

    is_asked: bool = False


@contextmanager
def asked_to_end() -> Iterator[Ending]:
    """A block that SIGTERM leaves by SystemExit(143), so that leases in it are released.

    Without a handler of its own a process that is the first of its container ignores SIGTERM (man
    7 pid_namespaces), and is killed when the grace of the job definition is over. Code that
    computes outside of the interpreter is left when it comes back; leases then run out by
    themselves. To be used in the main thread.
    """
    ending = Ending()

    def leave(_number: int, _frame: FrameType | None) -> None:
        # A second request must not keep the first one from releasing what is held.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ending.is_asked = True
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        with internals.own_sigterm():
            yield ending
    finally:
        signal.signal(signal.SIGTERM, before)
