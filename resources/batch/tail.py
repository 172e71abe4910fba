"""A job's log, line by line, as it grows, over all attempts."""

from collections.abc import Callable, Iterator

from resources.batch.port import Batch, BatchError, JobStatus


class LogTail:
    """Reads the log streams of one job, each line once.

    A log that cannot be read stops no step: that is said once, and the rest is left out.
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
        except BatchError as error:
            self._given_up = True
            self._say(f"the job's log is not shown here: {error}")

    def _new_lines(self, stream: str) -> Iterator[str]:
        while True:
            page = self._batch.log_page(stream, self._tokens.get(stream))
            self._tokens[stream] = page.token
            if not page.lines:
                return
            yield from page.lines
