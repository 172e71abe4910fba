"""A job's log, line by line, as it grows, over all attempts."""

from collections.abc import Callable, Iterator
from typing import Final

from resources.batch.port import Batch, BatchError, BatchUnavailableError, JobStatus

_MOST_PAGES: Final = 100
"""Pages of one stream that one look reads at most; the step's events wait as long."""


class LogTail:
    """Reads the log streams of one job, each line once.

    A log that cannot be read stops no step. Where the service is out, the next look reads on;
    where it refuses, that is said once, and the rest is left out.
    """

    def __init__(self, batch: Batch, say: Callable[[str], None]) -> None:
        self._batch = batch
        self._say = say
        self._tokens: dict[str, str | None] = {}
        self._given_up = False

    def follow(self, status: JobStatus) -> None:
        """Say what is new in the job's logs."""
        if self._given_up:
            return
        try:
            for stream in status.log_streams:
                for line in self._new_lines(stream):
                    self._say(line)
        except BatchUnavailableError:
            return
        except BatchError as error:
            self._given_up = True
            self._say(f"the job's log is not shown here: {error}")

    def _new_lines(self, stream: str) -> Iterator[str]:
        """Lines until the token repeats: only that tells the end, since a page may be empty.

        Source: GetLogEvents in the API reference of Amazon CloudWatch Logs.
        """
        for _ in range(_MOST_PAGES):
            token = self._tokens.get(stream)
            page = self._batch.log_page(stream, token)
            self._tokens[stream] = page.token
            yield from page.lines
            if page.token == token:
                return
