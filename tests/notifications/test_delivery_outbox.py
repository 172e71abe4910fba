"""The outbox is delivered in order, each message once, whatever fails on the way."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from resources.delivery import deliver, deliver_all, retry_set_aside
from resources.delivery_messages import Message
from resources.delivery_record import DeliveryRecord
from resources.delivery_target import (
    Delivered,
    InTime,
    NotTried,
    Postponed,
    Refused,
    Result,
    no_hurry,
)
from resources.errors import LakeUnavailableError
from resources.lake import Lake
from resources.leases import lease
from resources.notifier import Outbox

if TYPE_CHECKING:
    from tests.notifications.conftest import HandClock, Publish


@dataclass
class Desk:
    """A target that does as it is told."""

    name: str = "desk"
    batch: int = 1
    refused: set[str] = field(default_factory=set)
    away: list[Postponed] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    asked: int = 0

    def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
        assert in_time()
        self.asked += 1
        if self.away:
            return [self.away.pop(0)] * len(messages)
        results: list[Result] = []
        for message in messages:
            if message.message_id in self.refused:
                results.append(Refused("it says no"))
            else:
                self.got.append(message.message_id)
                results.append(Delivered())
        return results


class BrokenOffError(Exception):
    """The process dies."""


@pytest.mark.parametrize("batch", [1, 2, 10])
def test_all_go_out_once_and_in_order(lake: Lake, publish: "Publish", batch: int) -> None:
    publish(2, "c", "d", "e")
    publish(1, "a", "b")
    publish(3)
    Outbox(lake).publish_failure("run1", "job", "why")
    desk = Desk(batch=batch)
    assert deliver(lake, desk).delivered == 6
    assert desk.got == ["a", "b", "c", "d", "e", "run-run1"]
    publish(4, "f")
    for expected in (1, 0, 0):
        assert deliver(lake, desk).delivered == expected
    assert desk.got == ["a", "b", "c", "d", "e", "run-run1", "f"]
    # One object a publication is all that stays.
    assert [info.key for info in lake.list("outbox/delivered/desk")] == [
        "outbox/delivered/desk/alerts/00000001.json",
        "outbox/delivered/desk/alerts/00000002.json",
        "outbox/delivered/desk/alerts/00000003.json",
        "outbox/delivered/desk/alerts/00000004.json",
        "outbox/delivered/desk/failures/run1.json",
    ]


def test_a_publication_that_a_killed_run_left_out_goes_out_late(
    lake: Lake, publish: "Publish"
) -> None:
    desk = Desk()
    publish(2, "b")
    deliver(lake, desk)
    publish(1, "a")
    deliver(lake, desk)
    assert desk.got == ["b", "a"]


def test_each_target_has_a_record_of_its_own(lake: Lake, publish: "Publish") -> None:
    publish(1, "a")
    one, other = Desk("one"), Desk("other")
    for desk in (one, other, one, other):
        deliver(lake, desk)
    assert (one.got, other.got) == (["a"], ["a"])


def test_a_poison_message_is_set_aside_and_blocks_none(lake: Lake, publish: "Publish") -> None:
    publish(1, "a", "bad", "c")
    desk = Desk(refused={"bad"})
    report = deliver(lake, desk)
    assert desk.got == ["a", "c"]
    assert report.set_aside == ["outbox/alerts/00000001, line 2 (bad): it says no"]
    assert report.problems == []
    record = json.loads(lake.get("outbox/delivered/desk/alerts/00000001.json"))
    assert record == {"delivered": [0, 2], "set_aside": {"1": "it says no"}}
    # It is not tried again by itself, but when asked for, and nothing else with it.
    desk.refused.clear()
    deliver(lake, desk)
    assert desk.got == ["a", "c"]
    assert retry_set_aside(lake, "desk") == 1
    deliver(lake, desk)
    deliver(lake, desk)
    assert desk.got == ["a", "c", "bad"]
    assert retry_set_aside(lake, "desk") == 0


def test_a_line_without_an_id_is_set_aside(lake: Lake) -> None:
    lake.put("outbox/alerts/00000001.jsonl", b'{"feed": "card"}\n{"alert_id": "b"}\n')
    desk = Desk()
    report = deliver(lake, desk)
    assert desk.got == ["b"]
    assert report.set_aside == ["outbox/alerts/00000001, line 1: the line has no usable alert_id"]


def test_a_damaged_object_is_named_and_blocks_none(lake: Lake, publish: "Publish") -> None:
    lake.put("outbox/alerts/00000001.jsonl", b"no json")
    publish(2, "b")
    desk = Desk()
    for _ in range(2):
        report = deliver(lake, desk)
        assert "outbox/alerts/00000001.jsonl" in report.problems[0]
    assert desk.got == ["b"]
    lake.delete(["outbox/alerts/00000001.jsonl"])
    publish(1, "a")
    deliver(lake, desk)
    assert desk.got == ["b", "a"]


def test_a_target_that_refuses_everything_is_paused(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    ids = [f"m{number}" for number in range(30)]
    publish(1, *ids)
    desk = Desk(refused=set(ids))
    report = deliver(lake, desk, clock=hand_clock.clock)
    assert len(report.set_aside) == 5
    assert "5 messages were refused one after the other (it says no)" in report.problems[0]
    for _ in range(3):
        hand_clock.at += timedelta(hours=1)
        assert len(deliver(lake, desk, clock=hand_clock.clock).set_aside) == 1
    # Mended: everything arrives, what was set aside too.
    desk.refused.clear()
    assert retry_set_aside(lake, "desk") == 8
    hand_clock.at += timedelta(hours=1)
    deliver(lake, desk, clock=hand_clock.clock)
    assert desk.got == ids


def test_what_surely_did_not_arrive_is_tried_again_at_once(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a", "b", "c")
    desk = Desk(batch=2, away=[Postponed("busy"), Postponed("busy", wait_seconds=2.0)])
    report = deliver(lake, desk, clock=hand_clock.clock)
    assert (report.delivered, report.repeated, report.problems) == (3, 0, [])
    assert desk.got == ["a", "b", "c"]
    assert hand_clock.slept == [0.5, 2.0]


def test_what_may_have_arrived_is_not_tried_again_at_once(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a", "b")
    desk = Desk(away=[Postponed("time-out", maybe_sent=True)])
    report = deliver(lake, desk, clock=hand_clock.clock)
    assert (desk.asked, hand_clock.slept) == (1, [])
    assert report.problems == [
        "time-out; tried again after 2026-01-05 08:00:30 UTC, nothing is lost"
    ]
    waiting = deliver(lake, desk, clock=hand_clock.clock)
    assert waiting.waiting_until == datetime(2026, 1, 5, 8, 0, 30, tzinfo=UTC)
    assert desk.asked == 1
    hand_clock.at += timedelta(seconds=30)
    report = deliver(lake, desk, clock=hand_clock.clock)
    # Only the first of them may arrive twice, and it is counted.
    assert (report.delivered, report.repeated) == (2, 1)
    assert desk.got == ["a", "b"]


def test_only_what_may_have_arrived_counts_as_repeated(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a", "b")
    desk = Desk(away=[Postponed("busy")] * 3)
    deliver(lake, desk, clock=hand_clock.clock)
    hand_clock.at += timedelta(hours=1)
    assert deliver(lake, desk, clock=hand_clock.clock).repeated == 0

    class Half(Desk):
        def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
            if self.asked:
                return super().send(messages, in_time)
            return [*super().send(messages[:1], in_time), Postponed("time-out", maybe_sent=True)]

    publish(2, "c", "d")
    half = Half(batch=2)
    deliver(lake, half, clock=hand_clock.clock)
    hand_clock.at += timedelta(hours=1)
    assert deliver(lake, half, clock=hand_clock.clock).repeated == 1
    assert half.got == ["c", "d"]


def test_an_attempt_of_unknown_outcome_is_remembered_through_an_outage(
    lake: Lake, publish: "Publish", hand_clock: "HandClock", monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "a", "b", "c")
    desk = Desk(batch=2)

    def dies(*_: object) -> None:
        raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryRecord, "note", dies)
        with pytest.raises(BrokenOffError):
            deliver(lake, desk, clock=hand_clock.clock)
    # Surely nothing is sent now, which says nothing about the attempt before.
    desk.away = [Postponed("busy")] * 3
    assert deliver(lake, desk, clock=hand_clock.clock).repeated == 0
    hand_clock.at += timedelta(hours=1)
    report = deliver(lake, desk, clock=hand_clock.clock)
    assert (report.delivered, report.repeated) == (3, 2)
    assert desk.got == ["a", "b", "a", "b", "c"]


def test_doubt_is_kept_for_each_line_of_a_batch(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a", "b", "c", "d")

    class Patchy(Desk):
        def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
            if self.asked:
                return super().send(messages, in_time)
            taken = super().send(messages[:1], in_time)
            return [*taken, Postponed("busy"), Postponed("time-out", maybe_sent=True), NotTried()]

    patchy = Patchy(batch=4)
    report = deliver(lake, patchy, clock=hand_clock.clock)
    assert (report.delivered, report.repeated, patchy.asked) == (1, 0, 1)
    assert [info.key for info in lake.list("outbox/delivered/desk/alerts")] == [
        "outbox/delivered/desk/alerts/00000001/000000.json",
        "outbox/delivered/desk/alerts/00000001/000002.claim",
    ]
    hand_clock.at += timedelta(hours=1)
    report = deliver(lake, patchy, clock=hand_clock.clock)
    assert (report.delivered, report.repeated) == (3, 1)


def test_what_was_refused_and_goes_out_on_request_is_no_repetition(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "bad", "b", "c")

    class Then(Desk):
        def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
            if self.asked == 1:
                self.away = [Postponed("time-out", maybe_sent=True)]
            return super().send(messages, in_time)

    then = Then(refused={"bad"})
    deliver(lake, then, clock=hand_clock.clock)
    then.refused.clear()
    # The publication is still open, and the target no longer left alone: a person mended it.
    assert retry_set_aside(lake, "desk") == 1
    report = deliver(lake, then, clock=hand_clock.clock)
    assert (then.got, report.repeated) == (["bad", "b", "c"], 1)


@dataclass
class Slow(Desk):
    """A target of which each request takes a while."""

    clock: "HandClock | None" = None
    seconds: float = 15.0

    def send(self, messages: Sequence[Message], /, in_time: InTime = no_hurry) -> list[Result]:
        results = super().send(messages, in_time)
        assert self.clock is not None
        self.clock.at += timedelta(seconds=self.seconds)
        return results


@pytest.mark.parametrize("fault", [None, Postponed("busy"), Postponed("late", maybe_sent=True)])
def test_targets_share_the_time_of_a_tick_and_none_starves(
    lake: Lake, publish: "Publish", hand_clock: "HandClock", fault: Postponed | None
) -> None:
    publish(1, *(f"m{number}" for number in range(9)))
    desks = [Slow(name, clock=hand_clock) for name in ("one", "other")]
    for desk in desks:
        desk.away = [] if fault is None else [fault] * 99
    started = hand_clock.at
    reports = deliver_all(lake, desks, clock=hand_clock.clock)
    # Dagster ends a tick after 60 seconds.
    assert (hand_clock.at - started).total_seconds() <= 45
    assert [desk.asked for desk in desks] == [1, 1]
    assert [report.more for report in reports] == [fault is None] * 2


def test_a_target_that_used_up_the_time_leaves_the_next_a_request(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a", "b")
    desks = [Slow("one", clock=hand_clock, seconds=26.0), Slow("other", clock=hand_clock)]
    assert [one.delivered for one in deliver_all(lake, desks, clock=hand_clock.clock)] == [1, 1]


def test_time_that_one_target_does_not_need_goes_to_the_next(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, *(f"m{number}" for number in range(9)))
    desks = [Slow(name, clock=hand_clock, seconds=one) for name, one in (("a", 0.1), ("b", 5.0))]
    assert [one.delivered for one in deliver_all(lake, desks, clock=hand_clock.clock)] == [9, 5]


def test_failed_runs_go_out_in_the_order_of_time(lake: Lake) -> None:
    for age, run_id in enumerate(["b", "c", "a"]):
        Outbox(lake).publish_failure(run_id, "job", "why")
        assert lake.folder is not None
        os.utime(lake.folder / f"outbox/failures/{run_id}.json", (1_700_000_000 + age,) * 2)
    desk = Desk()
    deliver(lake, desk)
    assert desk.got == ["run-b", "run-c", "run-a"]


def test_pauses_double_up_to_a_quarter_of_an_hour(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a")
    record = DeliveryRecord(lake, "desk")
    lengths = []
    desk = Desk(away=[Postponed("away", maybe_sent=True)] * 7)
    for _ in range(7):
        deliver(lake, desk, clock=hand_clock.clock)
        pause = record.pause()
        assert pause is not None
        lengths.append((pause.until - hand_clock.at).total_seconds())
        hand_clock.at = pause.until
    assert lengths == [30, 60, 120, 240, 480, 900, 900]
    deliver(lake, desk, clock=hand_clock.clock)
    assert record.pause() is None
    asked = Desk(away=[Postponed("later", maybe_sent=True, wait_seconds=100.0)])
    publish(2, "b")
    deliver(lake, asked, clock=hand_clock.clock)
    pause = record.pause()
    assert pause is not None
    assert (pause.until - hand_clock.at).total_seconds() == 100


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_crash_between_sending_and_recording_repeats_at_most_one_request(
    lake: Lake, publish: "Publish", batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "a", "b", "c", "d", "e")
    desk = Desk(batch=batch)
    noted = DeliveryRecord.note
    calls = 0

    def dies(record: DeliveryRecord, unit: str, line: int, outcomes: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise BrokenOffError
        noted(record, unit, line, outcomes)  # type: ignore[arg-type] # passed on as it came

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryRecord, "note", dies)
        with pytest.raises(BrokenOffError):
            deliver(lake, desk)
    report = deliver(lake, desk)
    ids = ["a", "b", "c", "d", "e"]
    twice = ids[batch : 2 * batch]
    assert desk.got == [*ids[: 2 * batch], *ids[batch:]]
    assert report.repeated == len(twice)
    assert sorted(one for one in ids if desk.got.count(one) == 2) == twice
    assert deliver(lake, desk).delivered == 0


def test_a_crash_while_closing_repeats_nothing(
    lake: Lake, publish: "Publish", monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "a", "b")
    desk = Desk(refused={"b"})

    def dies(*_: object) -> None:
        raise BrokenOffError

    for broken in ("close", "_remove_single"):
        with monkeypatch.context() as patched:
            patched.setattr(DeliveryRecord, broken, dies)
            with pytest.raises(BrokenOffError):
                deliver(lake, desk)
    report = deliver(lake, desk)
    assert (desk.got, desk.asked, report.set_aside) == (["a"], 2, [])
    # Left-overs of the single records do not confuse a second try.
    desk.refused.clear()
    assert retry_set_aside(lake, "desk") == 1
    deliver(lake, desk)
    assert desk.got == ["a", "b"]


def test_what_is_sent_again_on_request_takes_no_other_record_away(
    lake: Lake, publish: "Publish", monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "bad", "b", "c")
    desk = Desk(refused={"bad"})
    deliver(lake, desk)
    desk.refused.clear()
    assert retry_set_aside(lake, "desk") == 1

    def dies(*_: object) -> None:
        raise BrokenOffError

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryRecord, "close", dies)
        with pytest.raises(BrokenOffError):
            deliver(lake, desk)
    deliver(lake, desk)
    assert desk.got == ["b", "c", "bad"]


def test_records_of_a_long_publication_are_merged_and_lose_nothing(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    ids = [f"m{number:03d}" for number in range(130)]
    publish(1, *ids)

    slow = Slow(refused={"m007"}, clock=hand_clock, seconds=0.4)
    kept = []
    while deliver(lake, slow, clock=hand_clock.clock).more:
        kept.append(len(lake.list("outbox/delivered/desk")))
    assert slow.got == [one for one in ids if one != "m007"]
    # 63 messages fit into 25 seconds, each with claim and record.
    assert kept == [63 * 2, 1 + 63 * 2]
    assert retry_set_aside(lake, "desk") == 1


def test_a_lake_that_fails_before_the_claim_sends_nothing(
    lake: Lake, publish: "Publish", monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(1, "a")
    desk = Desk()

    def full(*_: object) -> bool:
        raise LakeUnavailableError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(DeliveryRecord, "claim", full)
        with pytest.raises(LakeUnavailableError):
            deliver(lake, desk)
    assert desk.asked == 0


def test_two_deliverers_do_not_meet(lake: Lake, publish: "Publish") -> None:
    publish(1, "a")
    desk = Desk()
    with lease(lake, "delivery-desk"):
        report = deliver(lake, desk)
        assert report.busy is not None
    assert desk.asked == 0
    assert deliver(lake, desk).delivered == 1


def test_time_is_bounded_and_the_rest_goes_out_next_time(
    lake: Lake, publish: "Publish", hand_clock: "HandClock"
) -> None:
    publish(1, "a", "b", "c")

    slow = Slow(clock=hand_clock, seconds=20.0)
    report = deliver(lake, slow, clock=hand_clock.clock)
    assert (report.delivered, report.more) == (2, True)
    report = deliver(lake, slow, clock=hand_clock.clock)
    assert (report.delivered, report.more) == (1, False)
    assert slow.got == ["a", "b", "c"]


def test_what_is_older_than_asked_for_stays_in(lake: Lake, publish: "Publish") -> None:
    publish(1, "a")
    Outbox(lake).publish_failure("run1", "job", "why")
    desk = Desk()
    deliver(lake, desk, since=datetime.now(UTC) + timedelta(minutes=1))
    assert desk.got == []
    deliver(lake, desk, since=datetime.now(UTC) - timedelta(minutes=1))
    assert desk.got == ["a", "run-run1"]
