"""Where delivery and questions end: a lease that is lost, a budget that is used up."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from resources.bedrock_usage import BudgetSpentError, UsageLedger
from resources.delivery import deliver
from resources.delivery_messages import Message
from resources.delivery_target import Delivered, InTime, Result, no_hurry
from resources.lake import Lake

if TYPE_CHECKING:
    from tests.notifications.conftest import Publish


@dataclass
class Shelf:
    """Takes everything."""

    name: str = "shelf"
    batch: int = 1
    got: list[str] = field(default_factory=list)

    def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
        assert in_time()
        self.got += [one.message_id for one in messages]
        return [Delivered()] * len(messages)


def test_who_lost_the_lease_sends_nothing_more(
    lake: Lake, publish: "Publish", monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "a", "b", "c")
    shelf = Shelf()
    monkeypatch.setattr("resources.leases.Lease.is_held", lambda _: len(shelf.got) < 1)
    report = deliver(lake, shelf)
    assert shelf.got == ["a"]
    assert report.problems == ["another process took this delivery over"]
    monkeypatch.undo()
    assert deliver(lake, shelf).delivered == 2
    assert shelf.got == ["a", "b", "c"]


def test_the_last_token_of_the_day_may_be_used(lake: Lake) -> None:
    ledger = UsageLedger(lake, daily_tokens=100)
    ledger.answered(30, 10)
    ledger.check(60)
    with pytest.raises(BudgetSpentError, match="40 of 100 tokens"):
        ledger.check(61)
