"""The windows of one account, compiled, against chances worked out by hand."""

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gpu_ops.pattern_fan_kernels import fan_windows, schedules
from tests.graph.hand_flows import LAST, Deed, flow_of, paying, receiving, scan

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Flow, Scan

FAN: list[Deed] = [(10.0 + k / 10, 1 + k, 0) for k in range(4)]
"""Four pay account 0 on day 10: 10 of 500 payments, and a prior of 500."""


@dataclass(frozen=True)
class Window:
    """The strongest one that ends with the last deed to account 0."""

    first: int
    nats: float
    hubs: int


def window(flow: "Flow", bounds: "Scan", account: int = 0, last: int = -1) -> Window:
    side = receiving(flow)
    first, nats, hubs = fan_windows(flow, side, bounds)
    low, high = side.offset[account], side.offset[account + 1]
    place = (high if last < 0 else low) + last
    return Window(int(first[place]) - (low if first[place] >= 0 else 0), float(nats[place]), hubs)


def test_all_but_the_first_deed_are_evidence() -> None:
    found = window(flow_of([*FAN, LAST]), scan(fewest=4))
    assert (found.first, found.hubs) == (0, 0)
    assert found.nats == pytest.approx(3 * log(100))


def test_a_window_that_begins_a_day_earlier_is_wider_by_that_day() -> None:
    found = window(flow_of([(9.0, 7, 0), *FAN[1:], LAST]), scan(fewest=4))
    assert found.nats == pytest.approx(3 * log(1000 / 20))


@pytest.mark.parametrize(("more", "nats"), [(-0.01, 3 * log(100)), (0.01, 0.0)])
def test_windows_that_have_surely_too_little_are_passed_over(more: float, nats: float) -> None:
    bounds = scan(fewest=4, least=3 * log(100) + more)
    assert window(flow_of([*FAN, LAST]), bounds).nats == pytest.approx(nats)


def test_as_known_deeds_that_are_not_read_any_more_count_as_past_all_the_same() -> None:
    past: list[Deed] = [(1.0 + k, 20 + k, 0) for k in range(3)]
    whole, held = flow_of([*past, *FAN, LAST]), flow_of([*FAN, LAST])
    bounds = scan(fewest=4, known=True)
    side = receiving(held)
    shifted = side._replace(before=side.before + 3 * (np.arange(side.deeds.size) < 4))
    _, nats, _ = fan_windows(held, shifted, bounds)
    assert nats[3] == pytest.approx(window(whole, bounds).nats)
    assert nats[3] < window(held, bounds).nats - 1


@pytest.mark.parametrize("end", [0, 1])
def test_payers_and_payees_have_peers_of_their_own(end: int) -> None:
    flow = flow_of([*FAN, LAST])
    flow.weight[1 - end], flow.shape[1 - end] = 7.0, 3.0
    if end == 0:
        flow = flow._replace(source=flow.target, target=flow.source)
    side = receiving(flow) if end else paying(flow)
    _, nats, _ = fan_windows(flow, side, scan(fewest=4))
    assert nats.max() == pytest.approx(3 * log(100))


def test_peers_are_those_known_when_the_window_opens() -> None:
    flow = flow_of([*FAN, LAST])
    flow.weight[:, 1:], flow.shape[:, 1:], flow.fresh[:, 1:] = 9.0, 4.0, 0.3
    assert window(flow, scan(fewest=4)).nats == pytest.approx(3 * log(100))


def test_a_pair_that_pays_again_inside_of_the_window_counts_once() -> None:
    twice = {0: 10.2}
    flow = flow_of([FAN[0], FAN[1], (10.2, 1, 0), FAN[3], LAST], again=twice)
    assert window(flow, scan(fewest=4)).first == -1
    assert window(flow, scan(fewest=3)).nats == pytest.approx(2 * log(100))
    # What follows later is no second deed of this window.
    flow = flow_of([*FAN, (40.0, 1, 0), LAST], again={0: 40.0})
    assert window(flow, scan(fewest=4, horizon=20), last=3).first == 0


def test_what_was_ordinary_before_the_window_does_not_count_and_what_became_so_does() -> None:
    bounds = scan(fewest=4, known=True)
    deeds = [(0.0, 800, 801), *FAN]
    assert window(flow_of(deeds, since={2: 9.9}), bounds).first == -1
    for since in (10.0, 10.1):
        assert window(flow_of(deeds, since={2: since}), bounds).first == 0


def test_a_payer_that_only_begins_is_no_fan_out_but_may_be_part_of_a_fan_in() -> None:
    deeds = [(when, payee, payer) for when, payer, payee in FAN]
    flow = flow_of([*deeds, LAST], began=[1])
    first, _, _ = fan_windows(flow, paying(flow), scan(fewest=4))
    assert first.max() == -1
    assert window(flow_of([*FAN, LAST], began=[1]), scan(fewest=4)).first == 0


def test_a_window_may_end_with_the_first_moment_that_is_looked_at() -> None:
    flow = flow_of([*FAN[:3], (11.0, 7, 0), LAST])
    assert window(flow, scan(fewest=4, begin=11.0)).first == 0
    assert window(flow, scan(fewest=4, begin=11.1)).first == -1


def test_as_known_only_what_came_before_tells_the_habit() -> None:
    """Day 10 closes with 110 payments; one deed lies before, outside of the horizon."""
    until_then = [(0.0, 9, 0), *FAN]
    later = [(10.0 + k, 20 + k, 0) for k in range(1, 9)]
    bounds = scan(fewest=4, known=True, horizon=5.0)
    # Size 2: q^3 (1 + 3 p) with q = 10 / (110 + 90).
    nats = -log(0.05**3 * (1 + 3 * 0.95))
    for deeds in (until_then, [*until_then, *later, LAST]):
        found = window(flow_of(deeds, weight=90.0), bounds, last=4)
        assert found.first == 1
        assert found.nats == pytest.approx(nats)


def test_in_hindsight_what_came_after_tells_of_the_habit_too() -> None:
    later: list[Deed] = [(45.0, 9, 0)]
    found = window(flow_of([*FAN, *later, LAST]), scan(fewest=4, horizon=5.0), last=3)
    assert found.nats == pytest.approx(-log(0.01**3 * (1 + 3 * 0.99)))


def test_as_known_a_window_ends_with_a_day_and_in_hindsight_with_an_instant() -> None:
    flow = flow_of([(0.0, 800, 801), *FAN, (10.9, 7, 0), LAST])
    ends = [window(flow, scan(fewest=4, known=True), last=k).first for k in (3, 4)]
    assert ends == [-1, 0]
    ends = [window(flow, scan(fewest=4), last=k).first for k in (3, 4)]
    assert ends == [0, 0]
    flow = flow_of([*FAN, (10.3, 7, 0), LAST])
    ends = [window(flow, scan(fewest=4), last=k).first for k in (3, 4)]
    assert ends == [-1, 0]


@pytest.mark.parametrize(("last", "first", "nats"), [(8.0, 0, 3 * log(600 / 90)), (9.0, -1, 0.0)])
def test_more_than_nine_tenths_of_the_traffic_are_no_window(
    last: float, first: int, nats: float
) -> None:
    deeds: list[Deed] = [(0.0, 1, 0), (1.0, 2, 0), (2.0, 3, 0), (last, 4, 0), (9.5, 800, 801)]
    found = window(flow_of(deeds), scan(fewest=4))
    assert found.first == first
    assert found.nats == pytest.approx(nats)


def test_the_horizon_holds_what_is_just_as_old() -> None:
    flow = flow_of([(5.0, 9, 0), *FAN[:2], (15.0, 8, 0), LAST])
    assert window(flow, scan(fewest=4, horizon=10.0)).first == 0
    assert window(flow, scan(fewest=4, horizon=9.99)).first == -1


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("hub", "first", "hubs"), [(4, 0, 0), (3, -1, 1)])
def test_a_hub_has_more_deeds_than_allowed_within_the_horizon(
    hub: int, first: int, hubs: int, *, known: bool
) -> None:
    # Just the horizon lies between the first and the last.
    spread: list[Deed] = [(10.0, 1, 0), (12.0, 2, 0), (14.0, 3, 0), (16.0, 4, 0)]
    flow = flow_of([(0.0, 800, 801), *spread, LAST])
    found = window(flow, scan(fewest=4, horizon=6.0, hub=hub, known=known))
    assert (found.first, found.hubs) == (first, hubs)


def test_in_hindsight_an_account_that_is_a_hub_once_is_one() -> None:
    crowd: list[Deed] = [(30.0 + k / 100, 20 + k, 0) for k in range(6)]
    flow = flow_of([*FAN, *crowd, LAST])
    assert window(flow, scan(fewest=4, horizon=5.0, hub=5), last=3).first == -1
    assert window(flow, scan(fewest=4, horizon=5.0, hub=6), last=3).first == 0


@pytest.mark.parametrize(
    ("outside", "size", "share"),
    [(5, 6, 10 / 500), (4, 5, 10 / 2000)],
    ids=["by its own past", "by its peers"],
)
def test_an_account_far_beyond_its_peers_is_judged_by_itself(
    outside: int, size: int, share: float
) -> None:
    """Peers have one deed in 1500 payments, so 0.33 in the other 490; five are enough to tell."""
    past: list[Deed] = [(20.0 + 4 * k, 20 + k, 0) for k in range(outside)]
    flow = flow_of([*FAN, *past, LAST], weight=1500.0)
    # Three or more of a negative binomial number: 1 less those of none, one and two.
    fewer = 1 + size * share + size * (size + 1) / 2 * share**2
    nats = -log(1 - (1 - share) ** size * fewer)
    found = window(flow, scan(fewest=4, horizon=3.0), last=3)
    assert found.nats == pytest.approx(nats, rel=1e-6)


def test_an_account_like_its_peers_is_judged_by_them_however_much_it_does() -> None:
    past: list[Deed] = [(20.0 + 4 * k, 20 + k, 0) for k in range(6)]
    # Six outside are less than three times 490 / 200.
    share = 10 / 700
    fewer = 1 + 7 * share + 28 * share**2
    found = window(flow_of([*FAN, *past, LAST], weight=200.0), scan(fewest=4, horizon=3.0), last=3)
    assert found.nats == pytest.approx(-log(1 - (1 - share) ** 7 * fewer), rel=1e-6)


def test_of_clustered_events_only_the_fresh_ones_are_evidence() -> None:
    # Of four deeds after the first, half; and of what peers have, half.
    flow = flow_of([*FAN, (10.9, 7, 0), LAST], fresh=0.5)
    assert window(flow, scan(fewest=4)).nats == pytest.approx(2 * log((500 + 1000) / 10))


def scheduled(flow: "Flow", bounds: "Scan") -> tuple[int, int, int, float]:
    """Interval, beats, days early or late and nats of order of the last deed to account 0."""
    side = receiving(flow)
    step, beats, late, _, of_order = schedules(flow, side, bounds, 15)
    last = side.offset[1] - 1
    return int(step[last]), int(beats[last]), int(late[last]), float(of_order[last])


EVERY_EIGHT: list[Deed] = [(2.0 + 8 * k, 1 + k, 0) for k in range(5)]


def test_deeds_at_one_interval_are_told_with_the_chance_of_falling_into_step() -> None:
    # Any two of five set the interval; each of the others hits one of five days of 32.
    flow = flow_of([*EVERY_EIGHT, LAST])
    step, beats, late, order = scheduled(flow, scan(fewest=4, horizon=32.0))
    assert (step, beats, late) == (8, 5, 0)
    assert order == pytest.approx(-log(25 / 2) - 3 * log(5 / 32))
    # A shorter horizon holds four of them.
    step, beats, late, order = scheduled(flow, scan(fewest=4, horizon=31.0))
    assert (step, beats, late) == (8, 4, 0)
    assert order == pytest.approx(-log(16 / 2) - 2 * log(4 / 24))
    assert scheduled(flow, scan(fewest=6, horizon=540.0)) == (0, 0, 0, 0.0)


def test_months_may_be_longer_or_shorter_each_counted_from_the_one_before() -> None:
    # Back from day 94: thirty days, then 32 twice; a beat may be two days early or late.
    months: list[Deed] = [(0.0, 1, 0), (32.0, 2, 0), (64.0, 3, 0), (94.0, 4, 0)]
    flow = flow_of([*months, (199.0, 800, 801)], weight=50_000.0)
    step, beats, late, order = scheduled(flow, scan(fewest=4, horizon=540.0))
    assert (step, beats, late) == (30, 4, 2)
    assert order == pytest.approx(-log(8.0) - 2 * log(4 * 5 / 94))


def test_a_schedule_may_end_with_the_first_moment_that_is_looked_at_and_not_before() -> None:
    flow = flow_of([*EVERY_EIGHT, LAST])
    assert scheduled(flow, scan(fewest=4, horizon=540.0, begin=34.0))[0] == 8
    assert scheduled(flow, scan(fewest=4, horizon=540.0, begin=34.1))[0] == 0
    side = receiving(flow)
    step, *_ = schedules(flow, side, scan(fewest=4, horizon=540.0, begin=34.0), 15)
    assert np.flatnonzero(step).tolist() == [4]


def test_a_hub_keeps_no_schedule() -> None:
    flow = flow_of([*EVERY_EIGHT, LAST])
    assert scheduled(flow, scan(fewest=4, horizon=540.0, hub=5))[0] == 8
    assert scheduled(flow, scan(fewest=4, horizon=540.0, hub=4))[0] == 0


def test_in_hindsight_who_is_a_hub_once_keeps_no_schedule_at_other_times() -> None:
    crowd: list[Deed] = [(80.0 + k / 100, 20 + k, 0) for k in range(7)]
    flow = flow_of([*EVERY_EIGHT, *crowd, (99.0, 800, 801)])
    for hub, step in ((7, 8), (6, 0)):
        found, *_ = schedules(flow, receiving(flow), scan(fewest=4, horizon=32.0, hub=hub), 15)
        assert found[4] == step
