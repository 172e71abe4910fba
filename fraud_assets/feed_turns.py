"""One at a time in a feed: who takes in or reads its uploads holds the feed's lease."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg

from resources.batch.routing import in_a_job
from resources.lake import Lake
from resources.leases import Lease, LeaseBusyError, Owner, lease

_WAIT_SECONDS: Final = 1800.0
_TTL_SECONDS: Final = 120.0

_JOB_WAIT_SECONDS: Final = 150.0
"""Longer than the time to live: the lease of a container that was taken away runs out within it."""
_RUN_WAIT_SECONDS: Final = 240
_RUN_WAITS: Final = 4
"""All together half an hour as well, of which a container idles less than half."""


@contextmanager
def feed_lease(lake: Lake, feed: str) -> Iterator[Lease]:
    """Held by raw and prepped: one at a time in a feed, whoever started them.

    Here it is waited for half an hour. A container that waits is paid for: it does so for some
    minutes, and then its run waits, which costs nothing, and starts another.

    Raises:
        LeaseBusyError: Somebody else still held it when the waiting time was over.
        dagster.RetryRequested: The same in a container.
    """
    wait = _JOB_WAIT_SECONDS if in_a_job() else _WAIT_SECONDS
    try:
        with lease(
            lake, f"feed-{feed}", Owner.current(), wait_seconds=wait, ttl_seconds=_TTL_SECONDS
        ) as held:
            yield held
    except LeaseBusyError as error:
        if not in_a_job():
            raise
        raise dg.RetryRequested(_RUN_WAITS, _RUN_WAIT_SECONDS) from error


def refuse_succeeded(held: Lease, feed: str) -> None:
    """Stop a process that slept beyond its lease: another may have taken in the same rows since.

    Raises:
        dagster.Failure: The lease was lost. Nothing was published.
    """
    if not held.is_held():
        raise dg.Failure(
            description=f"Another process took over the feed {feed} meanwhile; run it again.",
            allow_retries=False,
        )
