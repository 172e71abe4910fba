"""What any deed of the feed might have opened is deducted: hand-made deeds and sums."""

from collections.abc import Sequence
from math import log

import numpy as np
import pytest

from gpu_ops.pattern_candidate import Candidate
from gpu_ops.pattern_deeds import Deeds, Payments
from gpu_ops.pattern_fans import fans_in
from gpu_ops.pattern_flows import gather_scatters, scatter_gathers
from gpu_ops.pattern_ordinary import View, no_links
from gpu_ops.ring_params import RingParams
from tests.graph.hand_flows import LAST, Deed, flow_of, paying, receiving
from tests.graph.payments import table

PARAMS = RingParams(min_surprise=-9.0, min_slow_surprise=-9.0)
SIX_SELDOM = 6 * log(100)
EVER = int(np.iinfo(np.int64).min)


def view_of(deeds: Sequence[Deed]) -> View:
    """Deeds of equal amounts, which tell nothing."""
    payments = Payments.of(
        table([(day, str(payer), str(payee), 5.0) for day, payer, payee in deeds])
    )
    flow, size = flow_of(deeds), len(deeds)
    return View(
        known=False,
        deeds=Deeds.of_rare_pairs(payments, payments.by_payer(), 9, PARAMS.burst),
        flow=flow,
        paying=paying(flow),
        receiving=receiving(flow),
        unusual_paying=paying(flow),
        unusual_receiving=receiving(flow),
        log_amount=np.zeros(size),
        variance=np.zeros(size),
        links=no_links(size),
    )


def strongest(found: Sequence[Candidate]) -> Candidate:
    return max(found, key=lambda one: one.surprise)


def test_a_gathering_might_have_had_other_ends() -> None:
    into: list[Deed] = [(10.0 + k / 10, 1 + k, 0) for k in range(3)]
    out: list[Deed] = [(11.0 + k / 10, 0, 11 + k) for k in range(3)]
    found = strongest(gather_scatters(view_of([*into, *out, LAST]), PARAMS, EVER).candidates)
    # Seven deeds may close it, and three times three ends of its sides might have been chosen.
    assert found.of_habit == pytest.approx(SIX_SELDOM - log(7) - log(9))
    assert found.surprise == found.of_habit
    assert found.inflow.tolist() == [0, 1, 2]
    assert found.accounts == (0, 1, 2, 3, 11, 12, 13)


def test_a_scattering_is_found_among_all_deeds() -> None:
    out: list[Deed] = [(10.0 + k / 10, 0, 1 + k) for k in range(3)]
    back: list[Deed] = [(11.0 + k / 10, 1 + k, 4) for k in range(3)]
    found = strongest(scatter_gathers(view_of([*out, *back, LAST]), PARAMS, EVER).candidates)
    assert found.of_habit == pytest.approx(SIX_SELDOM + 3 * log(300) - 2.99 - log(7))
    assert found.inflow.tolist() == [0, 1, 2]
    assert found.accounts == (0, 4, 1, 2, 3)


def test_a_scattering_holds_the_ways_within_the_horizon_and_says_what_went_elsewhere() -> None:
    out: list[Deed] = [(44.0 + k / 10, 0, 1 + k) for k in range(3)]
    back: list[Deed] = [(45.0 + k / 10, 1 + k, 4) for k in range(3)]
    # Too old, though its second step is not; and a payee that passes nothing on.
    old: list[Deed] = [(1.0, 0, 5), (20.0, 5, 4)]
    deeds = [*old, *out, (44.5, 0, 6), *back, LAST]
    found = scatter_gathers(view_of(deeds), PARAMS, EVER).candidates
    last = max(found, key=lambda one: int(one.deeds.max()))
    assert last.accounts == (0, 4, 1, 2, 3)
    assert last.deeds.tolist() == [2, 3, 4, 6, 7, 8]
    assert last.shape == 0.75


def test_a_burst_is_found_among_all_deeds() -> None:
    fan: list[Deed] = [(10.0 + k / 10, 1 + k, 0) for k in range(4)]
    found = strongest(fans_in(view_of([*fan, LAST]), PARAMS, EVER).candidates)
    assert (found.pattern, found.accounts) == ("fan_in", (0, 1, 2, 3, 4))
    assert found.of_habit == pytest.approx(3 * log(100) - log(5))
    assert found.shape == 0.75


def test_a_schedule_is_found_among_all_deeds() -> None:
    every_eight: list[Deed] = [(2.0 + 8 * k, 1 + k, 0) for k in range(5)]
    found = strongest(fans_in(view_of([*every_eight, LAST]), PARAMS, EVER).candidates)
    assert (found.pattern, found.horizon) == ("fan_in", "slow")
    # 330 of 500 payments and a prior of 500, in six deeds.
    assert found.of_habit == pytest.approx(-4 * log(0.33) - log(6))
    assert found.of_order == pytest.approx(-log(25 / 2) - 3 * log(5 / 32))
