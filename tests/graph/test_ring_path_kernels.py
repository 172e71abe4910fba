"""Cycles and chains, compiled, against chances worked out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, log
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gpu_ops.pattern_ordinary import no_links
from gpu_ops.pattern_path_kernels import PathLimits, chains, closed_cycles
from gpu_ops.read_only import read_only
from tests.graph.hand_flows import LAST, Deed, at, flow_of, paying, receiving, scan

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Scan

THREE: list[Deed] = [(10.0, 0, 1), (11.0, 1, 2), (12.0, 2, 0)]


def seldom(rate: float, width: float) -> float:
    """Return minus the logarithm of the chance of one deed or more at a rate."""
    return -log(-expm1(-rate * width))


@dataclass(frozen=True)
class Cycle:
    """The strongest one that a deed closes."""

    path: list[int]
    of_habit: float
    of_order: float


def closed_by(
    deeds: Sequence[Deed],
    number: int,
    bounds: "Scan",
    *,
    amounts: Sequence[float] | None = None,
    longest: int = 12,
    apart: Sequence[int] = (),
) -> Cycle:
    """Return what the deed of a number closes, all but those `apart` in one component."""
    flow = flow_of([*deeds, LAST])
    inside = np.array([k for k in range(len(deeds)) if k not in apart])
    component = np.full(len(deeds) + 1, -1, dtype=np.int64)
    component[inside] = 0
    paths, lengths, of_habit, of_order = closed_cycles(
        flow, paying(flow), bounds, PathLimits(3, longest, at(2.0), 0.9), inside, component, 0,
        read_only(np.array([*(amounts or [1000.0] * len(deeds)), 1.0])), np.array([100_000]),
    )  # fmt: skip
    k = inside.tolist().index(number)
    return Cycle(paths[k, : lengths[k]].tolist(), float(of_habit[k]), float(of_order[k]))


def test_a_cycle_in_the_order_of_time_is_one_of_two_orders_of_three_deeds() -> None:
    found = closed_by(THREE, 2, scan(fewest=0))
    assert found.path == [0, 1, 2]
    # Three days of ten payments; each account has one deed in 1000 payments.
    assert found.of_habit == pytest.approx(log(30 / 500) + 3 * seldom(1 / 1000, 30))
    assert found.of_order == pytest.approx(log(2))


def test_a_cycle_out_of_order_has_no_evidence_of_order() -> None:
    found = closed_by([(10.0, 0, 1), (11.0, 2, 0), (12.0, 1, 2)], 2, scan(fewest=0))
    assert sorted(found.path) == [0, 1, 2]
    assert found.of_habit == pytest.approx(log(30 / 500) + 3 * seldom(1 / 1000, 30))
    assert found.of_order == 0.0


def test_deeds_of_one_instant_are_in_order() -> None:
    found = closed_by([(10.0, 0, 1), (11.0, 1, 2), (11.0, 2, 0)], 2, scan(fewest=0))
    assert found.of_order == pytest.approx(log(2))


def test_as_known_neither_later_deeds_nor_later_traffic_tell_of_a_cycle() -> None:
    earlier: list[Deed] = [(5.0, 0, 700)]
    later: list[Deed] = [(12.5, 0, 701), (12.6, 1, 702), (20.0, 2, 703)]
    # Account 0 had one deed in the 100 payments before day 10, the others none; 130 until now.
    nats = log(30 / 130) + seldom(2 / 600, 30) + 2 * seldom(1 / 600, 30)
    for deeds in ([*earlier, *THREE], [*earlier, *THREE, *later]):
        apart = [0, *range(4, len(deeds))]
        found = closed_by(deeds, 3, scan(fewest=0, known=True), apart=apart)
        assert found.path == [1, 2, 3]
        assert found.of_order == pytest.approx(log(2))
        assert found.of_habit == pytest.approx(nats)


def test_in_hindsight_later_deeds_tell_of_a_cycle_too() -> None:
    found = closed_by([*THREE, (20.0, 2, 703)], 2, scan(fewest=0), apart=[3])
    nats = log(30 / 500) + 2 * seldom(1 / 1000, 30) + seldom(2 / 1000, 30)
    assert found.of_habit == pytest.approx(nats)


@pytest.mark.parametrize(("horizon", "path"), [(2.0, [0, 1, 2]), (1.99, [])])
def test_a_cycle_may_take_as_long_as_the_horizon(horizon: float, path: list[int]) -> None:
    assert closed_by(THREE, 2, scan(fewest=0, horizon=horizon)).path == path


@pytest.mark.parametrize(("longest", "path"), [(4, [0, 1, 2, 3]), (3, [])])
def test_a_cycle_has_no_more_accounts_than_allowed(longest: int, path: list[int]) -> None:
    four: list[Deed] = [(10.0, 0, 1), (11.0, 1, 2), (12.0, 2, 3), (13.0, 3, 0)]
    assert closed_by(four, 3, scan(fewest=0), longest=longest).path == path


@pytest.mark.parametrize(
    ("days", "back", "path"),
    [(2.0, 900.0, [0, 1]), (2.0, 1000 / 0.9, [0, 1]), (2.001, 950.0, []), (1.0, 899.0, [])],
)
def test_nine_tenths_that_come_back_within_two_days_are_a_return(
    days: float, back: float, path: list[int]
) -> None:
    deeds: list[Deed] = [(10.0, 0, 1), (10.0 + days, 1, 0)]
    assert closed_by(deeds, 1, scan(fewest=0), amounts=[1000.0, back]).path == path


def test_a_cycle_stays_inside_of_its_component() -> None:
    assert closed_by(THREE, 2, scan(fewest=0), apart=[1]).path == []


def test_a_cycle_closes_at_the_first_moment_that_is_looked_at_or_later() -> None:
    assert closed_by(THREE, 2, scan(fewest=0, begin=12.0)).path == [0, 1, 2]
    assert closed_by(THREE, 2, scan(fewest=0, begin=12.1)).path == []


@dataclass(frozen=True)
class Chain:
    """The least likely one that ends with a deed."""

    path: list[int]
    nats: float


def chain_to(deeds: Sequence[Deed], number: int, bounds: "Scan", longest: int = 11) -> Chain:
    flow = flow_of([*deeds, LAST])
    links = no_links(len(deeds) + 1)
    nats, _ = chains(flow, paying(flow), receiving(flow), bounds, longest, links)
    path = [number]
    while len(path) < links.length[number]:
        path.append(int(links.earlier[path[-1]]))
    return Chain(path[::-1], float(nats[number]))


ON: list[Deed] = [(10.0, 0, 1), (11.0, 1, 2), (12.0, 2, 3)]


def test_each_payment_passed_on_is_evidence_and_the_choice_of_the_first_is_deducted() -> None:
    found = chain_to(ON, 2, scan(fewest=0))
    assert found.path == [0, 1, 2]
    # Two days of ten payments from one deed to the next, twice; four deeds in all.
    assert found.nats == pytest.approx(-log(4) + 2 * seldom(1 / 1000, 20))


def test_as_known_only_deeds_so_far_could_have_begun_a_chain() -> None:
    later: list[Deed] = [(13.0, 2, 700), (14.0, 1, 701)]
    bounds = scan(fewest=0, known=True)
    for deeds in (ON, [*ON, *later]):
        found = chain_to(deeds, 1, bounds)
        assert found.path == [0, 1]
        # One deed in the 600 payments that the prior and the first ten days make.
        assert found.nats == pytest.approx(-log(2) + seldom(1 / 600, 20))
    assert chain_to(ON, 2, bounds) == chain_to([*ON, *later], 2, bounds)


@pytest.mark.parametrize(
    ("deeds", "path"),
    [
        ([(10.0, 0, 1), (40.0, 1, 2)], [0, 1]),
        ([(10.0, 0, 1), (40.01, 1, 2)], [1]),
        # The whole chain, not only its steps, fits the horizon.
        ([(10.0, 0, 1), (25.0, 1, 2), (40.0, 2, 3)], [0, 1, 2]),
        # Money that only goes back is passed on to nobody.
        ([(10.0, 0, 1), (11.0, 1, 0)], [1]),
        ([(10.0, 0, 1), (10.0, 1, 2)], [0, 1]),
    ],
)
def test_a_chain_runs_forward_within_the_horizon(deeds: list[Deed], path: list[int]) -> None:
    assert chain_to(deeds, len(deeds) - 1, scan(fewest=0)).path == path


def test_of_one_instant_a_chain_takes_the_deeds_in_their_order() -> None:
    assert chain_to([(10.0, 1, 2), (10.0, 3, 1)], 0, scan(fewest=0)).path == [0]


def test_a_chain_has_no_more_deeds_and_takes_no_longer_than_allowed() -> None:
    assert chain_to(ON, 2, scan(fewest=0), longest=3).path == [0, 1, 2]
    for bounds, longest in ((scan(fewest=0), 2), (scan(fewest=0, horizon=1.99), 3)):
        assert len(chain_to(ON, 2, bounds, longest).path) < 3
