"""Watches the job of one step and tells its run what happens, until the step's end."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import dagster as dg

from resources.batch import dagster_internals as internals
from resources.batch.delivery import Delivery
from resources.batch.errors import JobLostError, died, is_final, masked, never_started
from resources.batch.mail import NOBODY, Address, Mail, MailReader
from resources.batch.pace import Pace
from resources.batch.port import ENDED, WAITING, Batch, BatchError, BatchUnavailableError, JobStatus
from resources.batch.tail import LogTail
from resources.lake import Lake, LakeError, LakeUnavailableError

if TYPE_CHECKING:
    from resources.batch.dagster_internals import StepContext


@dataclass(frozen=True)
class Patience:
    """How long a host waits for what, in seconds.

    Attributes:
        queue: For a machine, from each time on at which the job begins to wait for one.
        outage: For Batch or the lake to answer again.
        ending: For the job to end by itself after the step's end.
        deaths: Not a time: how often a step runs again whose container died without a word, where
            its asset has no policy.
        shortest_pause: Between two looks while something happens.
        longest_pause: Between two looks while nothing does.
    """

    queue: float = 60 * 60
    outage: float = 10 * 60
    ending: float = 20
    deaths: int = 0
    shortest_pause: float = 2
    longest_pause: float = 15


class StepWatch:
    """One job from its submission to the step's end.

    Whatever ends the waiting, the job is not left behind: the run's interruption, an error and the
    step's own end all end it.
    """

    def __init__(
        self,
        *,
        context: "StepContext",
        batch: Batch,
        lake: Lake,
        address: Address,
        queue: str,
        patience: Patience,
        say: Callable[[str], None],
    ) -> None:
        self._context = context
        self._batch = batch
        self._lake = lake
        self._address = address
        self._job_id = address.job_id
        self._queue = queue
        self._patience = patience
        self._mail = MailReader(lake, address)
        self._tail = LogTail(batch, say)
        self._pace = Pace(patience.shortest_pause, patience.longest_pause)
        self._delivery = Delivery(context, address.job_id)
        self._seen: tuple[str, str, int] | None = None
        self._waiting_since: float | None = time.monotonic()
        self._silent_since: float | None = None
        self._is_named = False

    def events(self) -> Iterator[dg.DagsterEvent]:
        """The step's events, ending with its terminal one.

        Raises:
            dagster.RetryRequested: The container died without a report, and may be started again.
            dagster.Failure: The container refused the step, or somebody ended the job.
            StepDiedError: The container died without a report, and may not.
            StepNeverStartedError: No machine was found in time.
            JobLostError: Batch no longer knows the job.
        """
        reason = "the Dagster run gave the step up"
        try:
            while not self._delivery.is_over:
                changed = False
                for event in self._look():
                    changed = True
                    yield event
                if not self._delivery.is_over:
                    with internals.interruptible():
                        time.sleep(self._pace.pause(changed=changed))
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
            reason = "the Dagster run was terminated"
            raise
        finally:
            self._end(reason)

    def _look(self) -> Iterator[dg.DagsterEvent]:
        """One look at the job: its status, its container's events, its log, and what follows."""
        found = self._fetched()
        if found is None:
            return
        status, mails = found
        yield from self._status_events(status)
        for mail in mails:
            yield from self._delivery.accept(mail)
        if self._delivery.is_over:
            return
        self._tail.follow(status)
        if status.status in ENDED:
            self._died(status)
        self._check_queue(status)

    def _fetched(self) -> tuple[JobStatus, list[Mail]] | None:
        """The job's status and its new events; None while a service is out, within patience."""
        try:
            self._name_job()
            status = self._described()
            # In this order: what an ended attempt wrote is there when its end is known.
            ended = len(status.attempts) + (status.status in ENDED)
            mails = self._mail.new(ended)
        except (BatchUnavailableError, LakeUnavailableError, JobLostError):
            now = time.monotonic()
            self._silent_since = self._silent_since or now
            if now - self._silent_since > self._patience.outage:
                raise
            return None
        self._silent_since = None
        return status, mails

    def _name_job(self) -> None:
        """Tell the containers which job is followed; one that a lost answer left behind gives up.

        SubmitJob has no token by which a repeated request would be known for what it is (botocore's
        model of SubmitJob), and boto3 repeats requests by itself.
        """
        if not self._is_named:
            self._lake.put(self._address.followed_key, self._job_id.encode())
            self._is_named = True

    def _described(self) -> JobStatus:
        status = self._batch.describe([self._job_id]).get(self._job_id)
        if status is None:
            # Within patience, since right after SubmitJob a job may not be known everywhere yet.
            raise JobLostError(f"Batch knows no job {self._job_id}; it forgets ended ones in days")
        return status

    def _status_events(self, status: JobStatus) -> Iterator[dg.DagsterEvent]:
        seen = (status.status, status.reason, len(status.attempts))
        if seen == self._seen:
            return
        self._seen = seen
        attempt = len(status.attempts) + (status.status not in ENDED)
        shown: dict[str, dg.MetadataValue | str | int] = {
            "batch_job_id": status.job_id,
            "batch_queue": masked(self._queue),
            "batch_status": status.status,
            "batch_attempt": attempt,
        }
        url = self._batch.console_url(status.job_id)
        if url is not None:
            shown["batch_console"] = dg.MetadataValue.url(url)
        for name, value in (
            ("batch_reason", status.reason),
            ("batch_image", status.image),
            ("batch_log_stream", status.log_stream),
        ):
            if value:
                shown[name] = masked(value)
        reason = f" ({masked(status.reason)})" if status.reason else ""
        message = f"Batch job {status.job_id}, attempt {attempt}: {status.status}{reason}."
        yield internals.engine_event(self._context, message, shown)

    def _died(self, status: JobStatus) -> NoReturn:
        """A container cannot ask for the retry that its asset's policy allows once it is dead."""
        error = died(status)
        if is_final(status):
            raise dg.Failure(str(error), allow_retries=False)
        policy = self._context.op_retry_policy
        if policy is None and self._patience.deaths:
            policy = dg.RetryPolicy(self._patience.deaths, delay=self._patience.longest_pause)
        if policy is None:
            raise error
        tries = self._context.previous_attempt_count + 1
        raise dg.RetryRequested(
            max_retries=policy.max_retries, seconds_to_wait=policy.calculate_delay(tries)
        ) from error

    def _check_queue(self, status: JobStatus) -> None:
        if status.status not in WAITING:
            self._waiting_since = None
            return
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        if now - self._waiting_since > self._patience.queue:
            raise never_started(status, self._queue, self._patience.queue)

    def _end(self, reason: str) -> None:
        """Make sure that the job ends; after the step's end it gets some time to do so itself."""
        if self._ends_by_itself():
            return
        over = "the step has ended, its container has not"
        try:
            self._batch.terminate(self._job_id, over if self._delivery.is_over else reason)
        except BatchError as error:
            self._context.log.warning(
                "Batch job %s may still run: %s; end it by hand.", self._job_id, error
            )
            with suppress(LakeError):  # what has not started yet then does no work
                self._lake.put(self._address.followed_key, NOBODY)

    def _ends_by_itself(self) -> bool:
        """Whether the job is seen to end; not so where Batch does not tell."""
        deadline = time.monotonic() + (self._patience.ending if self._delivery.is_over else 0)
        while True:
            with suppress(BatchError):
                status = self._batch.describe([self._job_id]).get(self._job_id)
                if status is not None and status.status in ENDED:
                    self._tail.follow(status)
                    self._tidy_up()
                    return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(1.0, self._patience.shortest_pause))

    def _tidy_up(self) -> None:
        """Remove what host and container wrote for each other; of a failed talk all is kept."""
        if self._delivery.is_over:
            with suppress(LakeError):  # a host without the right to delete leaves it lying
                self._lake.delete([found.key for found in self._lake.list(self._address.folder)])
