"""A job's log as CloudWatch gives it: in pages, some of them empty, at times none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from resources.batch.port import BatchError, BatchUnavailableError, JobStatus, LogPage
from resources.batch.tail import LogTail

if TYPE_CHECKING:
    from resources.batch.port import Batch

STATUS = JobStatus("job", "RUNNING", log_stream="stream")


class Pages:
    """Answers in turn, each to the token that the one before gave."""

    def __init__(self, answers: Sequence[LogPage | BatchError]) -> None:
        self.answers = list(answers)
        self.tokens: list[str | None] = []

    def log_page(self, stream: str, token: str | None = None) -> LogPage:
        assert stream == "stream"
        self.tokens.append(token)
        answer = self.answers.pop(0)
        if isinstance(answer, BatchError):
            raise answer
        return answer


def followed(pages: Pages, looks: int) -> list[str]:
    said: list[str] = []
    tail = LogTail(cast("Batch", pages), said.append)
    for _ in range(looks):
        tail.follow(STATUS)
    return said


def test_an_empty_page_is_not_the_end() -> None:
    pages = Pages([LogPage(("a",), "1"), LogPage((), "2"), LogPage(("b",), "3"), LogPage((), "3")])
    assert followed(pages, 1) == ["a", "b"]
    assert pages.tokens == [None, "1", "2", "3"]


def test_a_stream_that_is_not_there_yet_is_asked_for_once_a_look() -> None:
    pages = Pages([LogPage((), None), LogPage(("a",), "1"), LogPage((), "1")])
    assert followed(pages, 2) == ["a"]


def test_an_outage_of_the_log_passes() -> None:
    pages = Pages(
        [
            LogPage(("a",), "1"),
            BatchUnavailableError("slow down"),
            LogPage(("b",), "2"),
            LogPage((), "2"),
        ]
    )
    assert followed(pages, 2) == ["a", "b"]
    assert pages.tokens == [None, "1", "1", "2"]


def test_a_refusal_is_said_once() -> None:
    pages = Pages([BatchError("denied")])
    assert followed(pages, 3) == ["the job's log is not shown here: denied"]


def test_a_log_without_an_end_keeps_nobody_waiting() -> None:
    pages = Pages([LogPage((), str(number)) for number in range(1_000)])
    assert followed(pages, 1) == []
    assert len(pages.tokens) == 100
