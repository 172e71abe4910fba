"""What evidence is worth, in nats, by figures worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log

import numpy as np
import pytest

from gpu_ops.pattern_candidate import (
    Candidate,
    alike_nats,
    alikeness,
    amount_nats,
    balance,
    passed_on_nats,
)
from gpu_ops.pattern_deeds import DAY, Deeds, PaidDays, Payments
from gpu_ops.pattern_evidence import excess_nats, poisson_nats
from gpu_ops.pattern_ordinary import View, hindsight_view
from gpu_ops.pattern_peers import PeerCounts, Traffic
from gpu_ops.ring_making import rings_of
from gpu_ops.ring_params import RingParams
from tests.graph.payments import table


def view_of(*logarithms: float) -> View:
    """A deed a day between strangers, whose amounts have these logarithms (of 1 + amount)."""
    rows = [(float(k), f"a{k}", f"b{k}", exp(x) - 1.0) for k, x in enumerate(logarithms)]
    return view_of_payments(Payments.of(table(rows)))


def view_of_payments(payments: Payments) -> View:
    n, by_payer, params = payments.accounts.len(), payments.by_payer(), RingParams()
    return hindsight_view(
        Deeds.of_rare_pairs(payments, by_payer, params.max_pair_transactions, params.burst),
        PaidDays.of(payments, by_payer),
        Traffic.of(payments.at // DAY),
        PeerCounts(n // 2, n // 2, n),
        params,
    )


def deeds(*numbers: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize(
    ("found", "before", "shape", "share", "chance"),
    [
        # Size 1 is geometric: the chance of n or more is share to the n.
        (2.0, 0.0, 1.0, 0.5, 0.25),
        (20.0, 0.0, 1.0, 0.9, 0.9**20),
        # Size 2: q^n (1 + n p). What was before counts as the prior does.
        (4.0, 1.0, 1.0, 0.5, 0.5**4 * 3.0),
        (4.0, 0.0, 2.0, 0.5, 0.5**4 * 3.0),
        # No more than the mean, size * q / p, is no evidence.
        (1.0, 0.0, 1.0, 0.5, 1.0),
        (0.0, 0.0, 1.0, 0.5, 1.0),
        (3.0, 0.0, 1.0, 1.0, 1.0),
    ],
)
def test_more_than_the_habit_is_a_negative_binomial_tail(
    found: float, before: float, shape: float, share: float, chance: float
) -> None:
    assert excess_nats(found, before, shape, share, 0.0) == pytest.approx(-log(chance), abs=1e-5)


@pytest.mark.parametrize(
    ("found", "expected", "nats"),
    [(4.0, 1.0, 4.0 * log(4.0) - 3.0), (1.0, 1.0, 0.0), (2.0, 4.0, 0.0), (2.0, 0.0, 0.0)],
)
def test_more_paths_than_expected_are_chernoffs_bound(
    found: float, expected: float, nats: float
) -> None:
    assert poisson_nats(found, expected) == pytest.approx(nats)


@pytest.mark.parametrize(
    ("n", "variance", "nats"),
    [
        (2, 0.5, 0.5 - 1.0 - log(0.5)),
        # A fifth of the usual deviation is as close as may count.
        (1, 0.0, 0.5 * (0.04 - 1.0 - log(0.04))),
        (1, 0.02, 0.5 * (0.04 - 1.0 - log(0.04))),
        (50, 0.0, 6.0),
        (3, 1.0, 0.0),
        (3, 4.0, 0.0),
        (0, 0.0, 0.0),
    ],
)
def test_amounts_count_by_how_close_they_lie_and_six_nats_at_most(
    n: int, variance: float, nats: float
) -> None:
    assert amount_nats(n, variance, 1.0) == pytest.approx(nats)


# Around their mean of 2: 1 + 1/4 + 1 + 1/4 over four is 0.625.
LOGARITHMS = (1.0, 1.5, 3.0, 2.5)
A_FIFTH = 0.5 * (0.2 - 1.0 - log(0.2))


def test_two_amounts_are_one_difference() -> None:
    view = view_of(*LOGARITHMS)
    # (0.25^2 + 0.25^2) / 1 = 0.125, a fifth of 0.625.
    assert alike_nats(view, deeds(0, 1)) == pytest.approx(A_FIFTH)
    assert alike_nats(view, deeds(0)) == 0.0
    assert alike_nats(view, deeds(0, 2)) == 0.0


def test_what_is_passed_on_is_compared_with_twice_the_usual_variance() -> None:
    view = view_of(*LOGARITHMS)
    # 0.5^2 = 0.25, a fifth of 2 * 0.625.
    assert passed_on_nats(view, deeds(0), deeds(1)) == pytest.approx(A_FIFTH)
    assert passed_on_nats(view, deeds(), deeds()) == 0.0


@pytest.mark.parametrize("later", [0.001, 50.0])
def test_usual_is_what_was_known_with_the_latest_of_the_deeds(later: float) -> None:
    view = replace(view_of(*LOGARITHMS), variance=np.array([0.001, 0.625, later, later]))
    assert alike_nats(view, deeds(0, 1)) == pytest.approx(A_FIFTH)
    assert passed_on_nats(view, deeds(0), deeds(1)) == pytest.approx(A_FIFTH)


@pytest.mark.parametrize(
    ("amounts", "alike"), [((1.0, 3.0), 2 / 3), ((100.0, 300.0), 2 / 3), ((7.0, 7.0), 1.0)]
)
def test_alikeness_does_not_depend_on_the_currency(amounts: Sequence[float], alike: float) -> None:
    assert alikeness(np.array(amounts)) == pytest.approx(alike)


def test_balance_is_the_smaller_over_the_larger_whichever_comes_first() -> None:
    assert (balance(4.0, 1.0), balance(1.0, 4.0), balance(0.0, 0.0)) == (0.25, 0.25, 0.0)


@pytest.mark.parametrize(
    ("of_habit", "score"),
    # 0.3 * 0.5 + 0.25 * 0.8 = 0.35, and 0.45 * 10 / 20 = 0.225 for the surprise.
    [(10.0, 0.575), (0.0, 0.35), (-2.0, 0.35)],
)
def test_a_score_never_falls_for_what_chance_explains(of_habit: float, score: float) -> None:
    candidate = Candidate(
        pattern="fan_in",
        horizon="slow",
        deeds=deeds(0, 1),
        accounts=(0, 1),
        centre=0,
        of_habit=of_habit,
        of_order=0.0,
        of_amounts=0.0,
        shape=0.5,
        coherence=0.8,
        inflow=deeds(0, 1),
    )
    payments = Payments.of(table([(0.0, "a", "b", 5.0), (1.0, "c", "d", 6.0)]))
    (found,) = rings_of("f", view_of_payments(payments).deeds, payments, [candidate])
    assert found.score == pytest.approx(score)
    assert found.surprise == of_habit
