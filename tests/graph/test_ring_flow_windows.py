"""Money gathered and scattered, compiled, against chances worked out by hand."""

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import pytest

from gpu_ops.pattern_flow_kernels import gather_scatters, scatter_gathers
from tests.graph.hand_flows import LAST, Deed, flow_of, paying, receiving, scan

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Scan

GATHER: list[Deed] = [(10.0 + k / 10, 1 + k, 0) for k in range(3)]
SCATTER: list[Deed] = [(11.0 + k / 10, 0, 11 + k) for k in range(3)]
SIX_SELDOM = 6 * log(100)
"""Three and three deeds of a day: 10 of 500 payments, and a prior of 500."""


@dataclass(frozen=True)
class Gathered:
    """Bounds of the strongest find with the last payment out of account 0: places from its first.

    Payments in from the first to the last of them, and the first payment out.
    """

    bounds: tuple[int, int, int]
    nats: float
    hubs: int


NOTHING = (-1, -1, -1)


def gathered(deeds: list[Deed], bounds: "Scan") -> Gathered:
    flow = flow_of(sorted([*deeds, LAST]))
    out = paying(flow)
    found, nats, hubs = gather_scatters(flow, out, receiving(flow), bounds)
    last = out.offset[1] - 1
    first, split, start = (int(place) for place in found[last])
    return Gathered((first, split, start), float(nats[last]), hubs)


def test_three_gathered_and_three_scattered_are_six_deeds_of_evidence() -> None:
    found = gathered([*GATHER, *SCATTER], scan(fewest=3))
    assert found.bounds == (0, 2, 0)
    assert found.nats == pytest.approx(SIX_SELDOM)


@pytest.mark.parametrize(
    "deeds",
    [
        [*GATHER[:2], *SCATTER],
        [*GATHER, *SCATTER[:2]],
        # What comes in after the first payment out was not scattered by it.
        [*GATHER[:2], (11.05, 9, 0), *SCATTER],
        [(day + 5.0, payer, payee) for day, payer, payee in GATHER] + SCATTER,
        # Days before the last payment out that the horizon does not hold.
        [(day - 9.0, payer, payee) for day, payer, payee in GATHER] + SCATTER,
    ],
    ids=["two in", "two out", "one late", "all late", "long before"],
)
def test_less_is_no_gathering_and_scattering(deeds: list[Deed]) -> None:
    found = gathered(deeds, scan(fewest=3, horizon=9.0))
    assert (found.bounds, found.nats) == (NOTHING, 0.0)


def test_what_comes_in_with_the_first_payment_out_is_gathered() -> None:
    late = gathered([*GATHER[:2], (11.0, 9, 0), *SCATTER], scan(fewest=3))
    assert late.bounds == (0, 2, 0)
    # The gathering takes two days, the scattering one.
    assert late.nats == pytest.approx(3 * log(1000 / 20) + 3 * log(100))


def test_money_may_rest_as_long_as_the_horizon() -> None:
    at_once: list[Deed] = [(10.0, 1 + k, 0) for k in range(3)] + [
        (15.0, 0, 11 + k) for k in (0, 1, 2)
    ]
    assert gathered(at_once, scan(fewest=3, horizon=5.0)).bounds == (0, 2, 0)
    assert gathered(at_once, scan(fewest=3, horizon=4.99)).bounds == NOTHING


def test_a_gatherer_of_too_many_is_a_hub() -> None:
    crowd: list[Deed] = [(9.0 + k / 10, 20 + k, 0) for k in range(4)]
    some = gathered([*crowd, *SCATTER], scan(fewest=3, hub=4))
    assert (some.bounds, some.hubs) == ((0, 3, 0), 0)
    many = gathered([(8.9, 19, 0), *crowd, *SCATTER], scan(fewest=3, hub=4))
    assert many.hubs == 1
    # The last four are looked at, whatever lies before them.
    assert many.bounds == (1, 4, 0)
    payers = gathered([*GATHER, *SCATTER, (11.5, 0, 20)], scan(fewest=3, hub=3))
    assert (payers.bounds, payers.hubs) == (NOTHING, 1)


SOURCE, SINK = 0, 4
OUT: list[Deed] = [(10.0 + k / 10, SOURCE, 1 + k) for k in range(3)]
BACK: list[Deed] = [(11.0 + k / 10, 1 + k, SINK) for k in range(3)]


@dataclass(frozen=True)
class Scattered:
    """The source found with the last payment into the sink, its evidence and the limits met."""

    source: int
    nats: float
    hubs: int
    cut: int


def scattered(deeds: list[Deed], bounds: "Scan", most_paths: int = 20_000) -> Scattered:
    flow = flow_of(sorted([*deeds, LAST]))
    into = receiving(flow)
    source, nats, hubs, cut = scatter_gathers(flow, paying(flow), into, bounds, most_paths)
    last = into.offset[SINK + 1] - 1
    return Scattered(int(source[last]), float(nats[last]), hubs, cut)


def test_three_ways_between_two_accounts_are_evidence_of_both_and_of_the_ways() -> None:
    found = scattered([*OUT, *BACK], scan(fewest=3))
    # Of three payees of the source and three payers of the sink, 3 * 3 / 900 are the same.
    assert found.source == SOURCE
    assert found.nats == pytest.approx(SIX_SELDOM + 3 * log(3 / 0.01) - 2.99)
    assert (found.hubs, found.cut) == (0, 0)


def test_what_the_source_paid_long_before_does_not_make_the_ways_likelier() -> None:
    before: list[Deed] = [(1.0, SOURCE, 700)]
    found = scattered([*before, *OUT, *BACK], scan(fewest=3, horizon=5.0))
    # Its one deed elsewhere makes the scattering likelier: size 2, q^3 (1 + 3 p).
    scattering = -log(0.01**3 * (1 + 3 * 0.99))
    assert found.nats == pytest.approx(3 * log(100) + scattering + 3 * log(3 / 0.01) - 2.99)


@pytest.mark.parametrize(
    "deeds",
    [
        [*OUT[:2], *BACK],
        [*OUT, *BACK[:2]],
        # The third intermediary pays the sink before it is paid.
        [*OUT[:2], (12.0, SOURCE, 3), *BACK],
        [*OUT[:2], (1.0, SOURCE, 3), *BACK],
        # Two intermediaries that are paid twice, or pay twice.
        [*OUT[:2], (10.3, SOURCE, 1), *BACK],
        [*OUT[:2], *BACK[:2], (12.0, 1, SINK)],
        # Money that returns to where it came from.
        [*((day, SINK, payee) for day, _, payee in OUT), *BACK],
    ],
    ids=["two out", "two back", "late", "long before", "paid twice", "pays twice", "returns"],
)
def test_less_is_no_scattering_and_gathering(deeds: list[Deed]) -> None:
    found = scattered(deeds, scan(fewest=3, horizon=9.0))
    assert (found.source, found.nats) == (-1, 0.0)


@pytest.mark.parametrize("often", [SOURCE, SINK])
def test_an_account_that_does_so_all_the_time_neither_scatters_nor_gathers(often: int) -> None:
    habit: list[Deed] = [
        (20.0 + k / 6, often, 300 + k) if often == SOURCE else (20.0 + k / 6, 300 + k, often)
        for k in range(170)
    ]
    flow = flow_of([*OUT, *BACK, *habit, LAST])
    source, _, _, _ = scatter_gathers(
        flow, paying(flow), receiving(flow), scan(fewest=3, horizon=3.0), 20_000
    )
    assert source.max() == -1


def test_an_intermediary_may_pay_on_in_the_instant_that_it_is_paid() -> None:
    at_once: list[Deed] = [(11.0 + k / 10, SOURCE, 1 + k) for k in range(3)]
    assert scattered([*at_once, *BACK], scan(fewest=3)).source == SOURCE


def test_ways_that_are_not_followed_are_counted() -> None:
    # Three others have paid the second intermediary since.
    crowd: list[Deed] = [(10.5 + k / 100, 20 + k, 2) for k in range(3)]
    assert scattered([*OUT, *crowd, *BACK], scan(fewest=3)).cut == 0
    few = scattered([*OUT, *crowd, *BACK], scan(fewest=3), most_paths=5)
    assert (few.source, few.cut) == (-1, 1)
    hub = scattered([*OUT, *crowd, *BACK], scan(fewest=3, hub=3))
    assert (hub.source, hub.cut) == (-1, 1)


def test_a_sink_of_too_many_is_a_hub() -> None:
    found = scattered([*OUT, *BACK, (11.3, 30, SINK)], scan(fewest=3, hub=3))
    assert (found.source, found.hubs) == (-1, 1)
