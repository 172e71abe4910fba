"""Delivery: what the outbox holds goes to its targets, in order, each message once.

A message is sent, then recorded. Only a process that dies between the two, or an answer that is
lost on its way, leaves it open whether the message arrived; it is then sent again under the same
id. One lease a target keeps two deliverers apart.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from resources.delivery_record import DeliveryRecord
from resources.delivery_report import Clock, Delivery
from resources.delivery_target import Target
from resources.delivery_work import MOST_REFUSED_IN_A_ROW, Work
from resources.errors import LakeError, LeaseBusyError
from resources.lake import Lake
from resources.leases import lease

__all__ = [
    "MOST_REFUSED_IN_A_ROW",
    "Clock",
    "Delivery",
    "DeliveryError",
    "deliver",
    "deliver_all",
    "retry_set_aside",
]

_SECONDS: Final = 25.0
_LEAST_SECONDS: Final = 5.0


class DeliveryError(Exception):
    """A target could not be delivered to; what is left goes out later."""


def deliver_all(
    lake: Lake,
    targets: Sequence[Target],
    *,
    since: datetime | None = None,
    seconds: float = _SECONDS,
    clock: Clock | None = None,
) -> list[Delivery]:
    """Delivers to several targets within one span of time, so that none uses up a tick alone.

    Each gets an equal share of what is left, so the time that one does not need goes to those
    after it. One that overran its share leaves the next 5 seconds at least: a slow target must not
    keep the others from ever being tried.

    Args:
        lake: Where the outbox and the record of deliveries are.
        targets: Where to.
        since: Objects of the outbox written before are left out; None: all are delivered.
        seconds: No further request is started after so many, for all targets together.
        clock: Time.

    Returns:
        What was done for each. An error of the lake is among the problems of its target.
    """
    clock = clock or Clock()
    started = clock.now()
    reports = []
    for place, target in enumerate(targets):
        left = seconds - (clock.now() - started).total_seconds()
        share = max(left / (len(targets) - place), _LEAST_SECONDS)
        try:
            report = deliver(lake, target, since=since, seconds=share, clock=clock)
        except LakeError as error:
            report = Delivery(target.name, problems=[str(error)])
        reports.append(report)
    return reports


def deliver(
    lake: Lake,
    target: Target,
    *,
    since: datetime | None = None,
    seconds: float = _SECONDS,
    clock: Clock | None = None,
) -> Delivery:
    """Sends what the outbox holds and the target has not got.

    Args:
        lake: Where the outbox and the record of deliveries are.
        target: Where to.
        since: Objects of the outbox written before are left out; None: all are delivered.
        seconds: No further request is started after so many.
        clock: Time.

    Returns:
        What was done. Problems of the target are in it, not raised, so that other targets go on.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    report = Delivery(target.name)
    try:
        with lease(lake, f"delivery-{target.name}") as held:
            work = Work(lake, target, report, held, clock or Clock(), seconds)
            if work.is_due():
                work.do(since)
    except LeaseBusyError as error:
        report.busy = str(error)
    return report


def retry_set_aside(lake: Lake, target: str) -> int:
    """Lets all messages that a target refused be sent again, after its cause was mended.

    The target is no longer left alone, either: whoever mended it knows better.

    Args:
        lake: Where the record of deliveries is.
        target: The target's name: `sns` or `webhook`.

    Returns:
        How many messages go out again with the next delivery.

    Raises:
        LeaseBusyError: A delivery is going on; try again in a minute.
    """
    with lease(lake, f"delivery-{target}"):
        record = DeliveryRecord(lake, target)
        again = sum(record.reopen(unit) for unit in sorted(record.units()))
        record.end_pause()
    return again
