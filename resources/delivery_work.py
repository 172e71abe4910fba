"""One delivery to one target, while its lease is held: claim, send, record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from resources.delivery_messages import Message
from resources.delivery_record import DeliveryRecord, Outcomes
from resources.delivery_report import Clock, Delivery
from resources.delivery_target import Delivered, NotTried, Postponed, Refused, Result, Target
from resources.delivery_units import messages, units
from resources.errors import LakeError
from resources.lake import Lake
from resources.leases import Lease

MOST_REFUSED_IN_A_ROW: Final = 5
"""A target that refuses so many one after the other is set up wrongly; it is paused."""

_TRIES: Final = 3
_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 4.0

_Line: TypeAlias = tuple[int, Message]


class _StopError(Exception):
    """Nothing more is sent to this target now."""


@dataclass
class Work:
    """One call of `deliver`.

    Attributes:
        lake: Where the outbox and the record of deliveries are.
        target: Where to.
        report: What is done is entered here.
        held: The target's lease.
        clock: Time.
        seconds: No further request is started after so many.
    """

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
        left: list[_Line] = []
        for line, made in enumerate(lines):
            if line in settled:
                continue
            if isinstance(made, Message):
                left.append((line, made))
            else:
                parts.append(self._set_aside(unit, line, str(made)))
        doubtful = self._record.claimed(unit) if left else set()
        while left:
            batch, left = left[: self.target.batch], left[self.target.batch :]
            parts.append(self._batch(unit, batch, doubtful))
        self._record.close(unit, Outcomes.merged(parts))

    def _batch(self, unit: str, batch: Sequence[_Line], doubtful: set[int]) -> Outcomes:
        """Claims, sends and records lines; raises `_StopError` where the target wants no more."""
        first, last = batch[0][0], batch[-1][0]
        self._stop_if_late()
        if not self.held.is_held():
            self.report.problems.append("another process took this delivery over")
            raise _StopError
        is_ours = self._record.claim(unit, first, last, self.clock.now())
        results = self._send([message for _, message in batch])
        parts, unsent, unknown = [], [], []
        for (line, message), result in zip(batch, results, strict=True):
            if isinstance(result, Delivered):
                parts.append(Outcomes(delivered=(line,)))
            elif isinstance(result, Refused):
                parts.append(self._set_aside(unit, line, result.reason, message))
            elif isinstance(result, Postponed) and result.maybe_sent:
                unknown.append(line)
            else:
                unsent.append(line)
        self.report.repeated += len(doubtful.intersection(line for line, _ in batch) - {*unsent})
        outcomes = Outcomes.merged(parts)
        if outcomes.delivered or outcomes.set_aside:
            self._record.note(unit, first, outcomes)
        # A claim of an earlier attempt stays: what became of that attempt is as unknown as before.
        if unsent and is_ours:
            for line in unknown:
                self._record.claim(unit, line, line, self.clock.now())
            self._record.unclaim(unit, first, last)
        self._after(outcomes, results)
        return outcomes

    def _is_in_time(self, seconds: float = 0.0) -> bool:
        """Whether a request may be started, after so many seconds."""
        spent = (self.clock.now() - self._started).total_seconds()
        return spent + seconds < self.seconds

    def _stop_if_late(self) -> None:
        if not self._is_in_time():
            self.report.more = True
            raise _StopError

    def _send(self, batch: Sequence[Message]) -> list[Result]:
        """Sends with a few short retries of what surely did not arrive."""
        results = self.target.send(batch, self._is_in_time)
        for attempt in range(_TRIES - 1):
            pause = _seconds_before_retry(results, attempt)
            if pause is None or not self._is_in_time(pause):
                break
            self.clock.sleep(pause)
            done = _before_tail(results)
            results = [*results[:done], *self.target.send(batch[done:], self._is_in_time)]
        return results

    def _after(self, outcomes: Outcomes, results: Sequence[Result]) -> None:
        """Counts, and pauses a target that is away or refuses everything."""
        self.report.delivered += len(outcomes.delivered)
        if outcomes.delivered:
            self._refused_in_a_row = 0
            if self._pause is not None:
                self._record.end_pause()
                self._pause = None
        else:
            self._refused_in_a_row += len(outcomes.set_aside)
        for postponed in _postponed(results):
            self._stop(postponed.reason, postponed.wait_seconds)
        if self._refused_in_a_row >= MOST_REFUSED_IN_A_ROW:
            why = next(reversed(outcomes.set_aside.values()))
            name = self.target.name
            self._stop(
                f"{self._refused_in_a_row} messages were refused one after the other ({why}); "
                f"check the target, then `fraud-assets deliver --again {name}`",
                None,
            )
        if any(isinstance(result, NotTried) for result in results):
            self.report.more = True
            raise _StopError

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


def _seconds_before_retry(results: Sequence[Result], attempt: int) -> float | None:
    """How long to wait before the end of a batch is tried again at once; None: not at once."""
    postponed = _postponed(results[_before_tail(results) :])
    if not postponed or any(one.maybe_sent for one in _postponed(results)):
        # All went through, time was up, or something may have arrived: repeating that is for a
        # later delivery, which finds its claim and counts it.
        return None
    seconds = max(_RETRY_SECONDS * 2**attempt, *(one.wait_seconds or 0.0 for one in postponed))
    return seconds if seconds <= _LONGEST_RETRY_SECONDS else None


def _before_tail(results: Sequence[Result]) -> int:
    """How many results come before those at the end that are not settled."""
    count = len(results)
    while count and isinstance(results[count - 1], Postponed | NotTried):
        count -= 1
    return count


def _postponed(results: Iterable[Result]) -> list[Postponed]:
    return [result for result in results if isinstance(result, Postponed)]
