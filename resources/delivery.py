"""Delivery: what the outbox holds goes to a target, in order, each message once.

A message is sent, then recorded. Only a process that dies between the two, or an answer that is
lost on its way, leaves it open whether the message arrived; it is then sent again under the same
id. One lease a target keeps two deliverers apart.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from resources.delivery_messages import Message
from resources.delivery_record import DeliveryRecord, Outcomes
from resources.delivery_target import Delivered, Postponed, Refused, Result, Target
from resources.delivery_units import messages, units
from resources.errors import LakeError, LeaseBusyError
from resources.lake import Lake, utc_now
from resources.leases import Lease, lease

MOST_REFUSED_IN_A_ROW: Final = 5
"""A target that refuses so many one after the other is set up wrongly; it is paused."""

_TRIES: Final = 3
_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 4.0


class DeliveryError(Exception):
    """A target could not be delivered to; what is left goes out later."""


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
        repeated: Of the messages sent, how many an earlier attempt may have sent already.
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


def deliver(
    lake: Lake,
    target: Target,
    *,
    since: datetime | None = None,
    seconds: float = 25.0,
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
            work = _Work(lake, target, report, held, clock or Clock(), seconds)
            if work.is_due():
                work.do(since)
    except LeaseBusyError as error:
        report.busy = str(error)
    return report


def retry_set_aside(lake: Lake, target: str) -> int:
    """Lets all messages that a target refused be sent again, after its cause was mended.

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
        return sum(record.reopen(unit) for unit in sorted(record.units()))


class _StopError(Exception):
    """Nothing more is sent to this target now."""


@dataclass
class _Work:
    """One call of `deliver`, while its lease is held."""

    lake: Lake
    target: Target
    report: Delivery
    held: Lease
    clock: Clock
    seconds: float

    def __post_init__(self) -> None:
        self._record = DeliveryRecord(self.lake, self.target.name)
        self._pause = self._record.pause()
        self._started = self.clock.now()
        # After a pause one refusal is enough, so that few are set aside by a wrong target.
        self._refused_in_a_row = 0 if self._pause is None else MOST_REFUSED_IN_A_ROW - 1

    def is_due(self) -> bool:
        """Whether the target is not left alone at the moment."""
        if self._pause is not None and self._pause.until > self._started:
            self.report.waiting_until = self._pause.until
            return False
        return True

    def do(self, since: datetime | None) -> None:
        """All units, the oldest first, until nothing is left or the target wants no more."""
        closed = self._record.closed()
        try:
            for unit, key in units(self.lake, since):
                if unit not in closed:
                    self._stop_if_late()
                    self._unit(unit, key)
        except _StopError:
            return

    def _unit(self, unit: str, key: str) -> None:
        """Sends what is left of one object of the outbox, and closes it."""
        try:
            lines = messages(self.lake, unit, key)
            parts = [self._record.outcomes(unit)]
        except LakeError as error:
            # One damaged object must not keep all later alerts back.
            self.report.problems.append(str(error))
            return
        settled = parts[0].settled()
        left: list[tuple[int, Message]] = []
        for line, made in enumerate(lines):
            if line in settled:
                continue
            if isinstance(made, Message):
                left.append((line, made))
            else:
                parts.append(self._set_aside(unit, line, str(made)))
        while left:
            batch, left = left[: self.target.batch], left[self.target.batch :]
            parts.append(self._batch(unit, batch))
        self._record.close(unit, Outcomes.merged(parts))

    def _batch(self, unit: str, batch: Sequence[tuple[int, Message]]) -> Outcomes:
        """Claims, sends and records lines; raises `_StopError` where the target wants no more."""
        first = batch[0][0]
        self._stop_if_late()
        if not self.held.is_held():
            self.report.problems.append("another process took this delivery over")
            raise _StopError
        if not self._record.claim(unit, first, self.clock.now()):
            self.report.repeated += len(batch)
        results = self._send([message for _, message in batch])
        parts = []
        for (line, message), result in zip(batch, results, strict=True):
            if isinstance(result, Delivered):
                parts.append(Outcomes(delivered=(line,)))
            elif isinstance(result, Refused):
                parts.append(self._set_aside(unit, line, result.reason, message))
        outcomes = Outcomes.merged(parts)
        if outcomes.delivered or outcomes.set_aside:
            self._record.note(unit, first, outcomes)
        for (line, _), result in zip(batch, results, strict=True):
            if isinstance(result, Postponed):
                self._keep_claim(unit, line, result)
        self._after(outcomes, [result for result in results if isinstance(result, Postponed)])
        return outcomes

    def _stop_if_late(self) -> None:
        if (self.clock.now() - self._started).total_seconds() > self.seconds:
            self.report.more = True
            raise _StopError

    def _keep_claim(self, unit: str, line: int, result: Postponed) -> None:
        """A claim stays only on lines that may have arrived."""
        if result.maybe_sent:
            self._record.claim(unit, line, self.clock.now())
        else:
            self._record.unclaim(unit, line)

    def _send(self, messages: Sequence[Message]) -> list[Result]:
        """Sends with a few short retries of what surely did not arrive."""
        results: list[Result] = []
        for attempt in range(_TRIES):
            results += self.target.send(messages[len(results) :])
            last = results[-1]
            certain = isinstance(last, Postponed) and not last.maybe_sent
            tail = _tail(results)
            if not certain or not tail or attempt == _TRIES - 1:
                break
            asked = last.wait_seconds if isinstance(last, Postponed) else None
            pause = max(_RETRY_SECONDS * 2**attempt, asked or 0.0)
            if pause > _LONGEST_RETRY_SECONDS:
                break
            self.clock.sleep(pause)
            del results[len(results) - tail :]
        return results

    def _after(self, outcomes: Outcomes, postponed: Sequence[Postponed]) -> None:
        """Counts, and pauses a target that is away or refuses everything."""
        self.report.delivered += len(outcomes.delivered)
        if outcomes.delivered:
            self._refused_in_a_row = 0
            if self._pause is not None:
                self._record.end_pause()
                self._pause = None
        else:
            self._refused_in_a_row += len(outcomes.set_aside)
        if postponed:
            self._stop(postponed[0].reason, postponed[0].wait_seconds)
        if self._refused_in_a_row >= MOST_REFUSED_IN_A_ROW:
            why = next(reversed(outcomes.set_aside.values()))
            self._stop(
                f"{self._refused_in_a_row} messages were refused one after the other ({why}); "
                "check the target, then let them go out again with retry_set_aside",
                None,
            )

    def _stop(self, reason: str, wait_seconds: float | None) -> None:
        pause = self._record.start_pause(reason, self.clock.now(), wait_seconds)
        self.report.problems.append(
            f"{reason}; tried again after {pause.until:%Y-%m-%d %H:%M:%S} UTC, nothing is lost"
        )
        raise _StopError

    def _set_aside(
        self, unit: str, line: int, reason: str, message: Message | None = None
    ) -> Outcomes:
        name = "" if message is None else f" ({message.message_id})"
        self.report.set_aside.append(f"outbox/{unit}, line {line + 1}{name}: {reason}")
        return Outcomes(set_aside={line: reason})


def _tail(results: Sequence[Result]) -> int:
    """How many results at the end are postponed."""
    count = 0
    for result in reversed(results):
        if not isinstance(result, Postponed):
            break
        count += 1
    return count
