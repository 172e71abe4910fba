"""Passes a container's events on to the run, so that every result is there once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from resources.batch import dagster_internals as internals
from resources.batch.mail import Mail

if TYPE_CHECKING:
    from resources.batch.dagster_internals import StepContext


class Delivery:
    """The events of one job, as its run gets to see them.

    Log lines pass at once. What an attempt made is held until the attempt comes to its end: a
    container that is killed in between is started again by Batch and makes it again, and passed on
    at once it would be in the event log twice.

    Attributes:
        is_over: Whether the step's end was passed on; nothing is after it.
    """

    def __init__(self, context: "StepContext", job_id: str) -> None:
        self.is_over = False
        self._context = context
        self._job_id = job_id
        self._held: list[dg.EventLogEntry] = []
        self._attempt = 0
        self._has_started = False

    def accept(self, mail: Mail) -> Iterator[dg.DagsterEvent]:
        """Store the events of a chunk in the run's log, and yield them.

        Raises:
            dagster.Failure: The container refused the step, or the events are not this step's.
        """
        if mail.refused is not None:
            raise dg.Failure(
                f"Batch job {self._job_id} refused the step: {mail.refused}", allow_retries=False
            )
        if mail.attempt != self._attempt:
            self._held, self._attempt = [], mail.attempt
        for entry in mail.entries:
            self._check(entry)
            if self.is_over or self._is_repeated_start(entry):
                continue
            if internals.is_result(entry):
                self._held.append(entry)
                continue
            if internals.is_terminal(entry):
                self.is_over = True
                for held in self._held:
                    yield from self._stored(held)
            yield from self._stored(entry)

    def _check(self, entry: dg.EventLogEntry) -> None:
        if not internals.is_of_step(entry, self._context):
            raise dg.Failure(
                f"Events of Batch job {self._job_id} belong to another run or step; look who may "
                "write to steps/ in the lake.",
                allow_retries=False,
            )

    def _is_repeated_start(self, entry: dg.EventLogEntry) -> bool:
        event = entry.dagster_event
        if event is None or event.event_type is not dg.DagsterEventType.STEP_START:
            return False
        repeated, self._has_started = self._has_started, True
        return repeated

    def _stored(self, entry: dg.EventLogEntry) -> Iterator[dg.DagsterEvent]:
        self._context.instance.handle_new_event(entry)
        if entry.dagster_event is not None:
            yield entry.dagster_event
