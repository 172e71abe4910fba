"""What was known of each deed before it: hand-made days around the cuts of time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from gpu_ops.pattern_deeds import DAY, NEVER, Deeds, PaidDays, Payments
from gpu_ops.pattern_ordinary import View, hindsight_view
from gpu_ops.pattern_peers import PeerCounts, Traffic
from gpu_ops.ring_params import RingParams
from tests.graph.known_views import views_of
from tests.graph.payments import START, Payment, table

if TYPE_CHECKING:
    from gpu_ops.pattern_windows import Flow

FIRST_DAY = (START.date() - START.date().replace(year=1970, month=1, day=1)).days
PARAMS = RingParams()


@dataclass(frozen=True)
class Seen:
    """A view, and the names of its accounts."""

    view: View
    names: list[str]

    @property
    def flow(self) -> "Flow":
        return self.view.flow


def known(rows: Sequence[Payment]) -> Seen:
    state, view = views_of(table(rows))
    return Seen(view, state.accounts["account"].to_list())


def rare_deeds(payments: Payments) -> Deeds:
    return Deeds.of_rare_pairs(
        payments, payments.by_payer(), PARAMS.max_pair_transactions, PARAMS.burst
    )


def seen(rows: Sequence[Payment]) -> Seen:
    payments = Payments.of(table(rows))
    payers, payees = {row[1] for row in rows}, {row[2] for row in rows}
    peers = PeerCounts(len(payers), len(payees), len(payers | payees))
    view = hindsight_view(
        rare_deeds(payments),
        PaidDays.of(payments, payments.by_payer()),
        Traffic.of(payments.at // DAY),
        peers,
        PARAMS,
    )
    return Seen(view, payments.accounts.to_list())


def told(found: Seen) -> list[tuple[float, str, str]]:
    """Day, payer and payee of each deed."""
    view = found.view
    names = [name.rsplit(":", 1)[-1] for name in found.names]
    return [
        (at / DAY - FIRST_DAY, names[payer], names[payee])
        for at, payer, payee in zip(
            view.deeds.at.tolist(), view.flow.source, view.flow.target, strict=True
        )
    ]


def test_the_first_three_weeks_only_teach() -> None:
    rows = [(0.5, "a", "b", 1.0), (20.75, "c", "d", 1.0), (21.0, "e", "f", 1.0)]
    assert told(known(rows)) == [(21.0, "e", "f")]


def test_only_the_first_payments_of_a_pair_are_to_a_stranger() -> None:
    rows = [(0.0, "a", "b", 1.0), (30.0, "a", "b", 1.0), (30.5, "a", "c", 1.0)]
    rows += [(40.0, "a", "c", 1.0), (50.0, "c", "a", 1.0)]
    assert told(known(rows)) == [(30.5, "a", "c"), (50.0, "c", "a")]


def test_a_rhythm_is_known_once_the_day_of_its_third_beat_is_over() -> None:
    weekly = [(22.5 + 7 * k, "a", f"new{k}", 1.0) for k in range(5)]
    view = known([(0.0, "x", "y", 1.0), *weekly])
    end_of_day = (FIRST_DAY + 36 + 1) * DAY - 1
    assert view.flow.since.tolist() == [NEVER, NEVER, NEVER, end_of_day, end_of_day]


def test_deeds_before_are_counted_with_and_without_those_to_be_expected() -> None:
    weekly = [(22.5 + 7 * k, "a", f"new{k}", 1.0) for k in range(5)]
    view = known([(0.0, "x", "y", 1.0), *weekly, (54.0, "a", "odd", 1.0), (55.0, "b", "odd", 1.0)])
    sides = (view.view.paying, view.view.unusual_paying)
    assert [side.deeds.tolist() for side in sides] == [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 5, 6]]
    assert [side.before.tolist() for side in sides] == [[0, 1, 2, 3, 4, 5, 0], [0, 1, 2, 3, 0]]
    assert view.view.receiving.before.tolist()[-2:] == [0, 1]


def test_of_a_payee_what_was_to_be_expected_is_not_counted_as_unusual() -> None:
    weekly = [(22.5 + 7 * k, "a", f"new{k}", 1.0) for k in range(3)]
    # The fourth of the weekly payments goes to whom two others pay soon after.
    to_odd = [(43.5, "a", "odd", 1.0), (54.0, "b", "odd", 1.0), (55.0, "c", "odd", 1.0)]
    view = known([(0.0, "x", "y", 1.0), *weekly, *to_odd]).view
    assert view.receiving.before.tolist() == [0, 0, 0, 0, 1, 2]
    unusual = view.unusual_receiving
    before = dict(zip(unusual.deeds.tolist(), unusual.before.tolist(), strict=True))
    assert before == {0: 0, 1: 0, 2: 0, 4: 0, 5: 1}


def test_how_amounts_vary_is_told_of_the_days_before() -> None:
    # The logarithms of 1 + amount are 1, 3 and 5.
    amounts = [math.expm1(1.0), math.expm1(3.0), math.expm1(5.0)]
    rows = [(22.0 + 2 * k, f"a{k}", f"b{k}", amount) for k, amount in enumerate(amounts)]
    view = known([(0.0, "x", "y", 9.0), *rows, (28.0, "c", "d", 9.0)]).view
    # Squares 1, 9 and 25, means 1, 2 and 3.
    assert view.variance.tolist() == pytest.approx([0.0, 0.0, 5.0 - 4.0, 35.0 / 3.0 - 9.0])


def test_what_was_ordinary_when_the_learning_ended_is_left_out() -> None:
    weekly = [(7 * k + 0.5, "a", f"new{k}", 1.0) for k in range(5)]
    # The third beat is of day 14, and day 28 and the 21st itself are explained.
    assert told(known([*weekly, (30.0, "x", "y", 1.0)])) == [(30.0, "x", "y")]


def test_a_habit_is_known_from_the_payment_that_makes_it_one() -> None:
    odd = [22.0, 23.0, 27.0, 36.0, 41.0, 58.0, 66.0, 81.0, 84.0, 97.0]
    view = known([(0.0, "x", "y", 1.0), *((day, "a", f"new{day}", 1.0) for day in odd)])
    since = [one if one == NEVER else one / DAY - FIRST_DAY for one in view.flow.since.tolist()]
    # Two horizons after day 22 is day 82; then five payments lie a horizon back.
    assert since == [NEVER] * 9 + [84.0]


@pytest.mark.parametrize(
    ("before", "began"), [(2, [True, True]), (3, [False, False])], ids=["two", "three"]
)
def test_who_paid_thrice_before_does_not_begin_any_more(before: int, began: list[bool]) -> None:
    past = [(float(k), "a", "old", 1.0) for k in range(before)]
    now = [(30.0, "a", "new1", 1.0), (30.5, "a", "new2", 1.0)]
    assert known([(0.0, "x", "y", 1.0), *past, *now]).flow.began.tolist() == began


def test_who_begins_with_one_payee_a_day_departs_from_nothing_but_counts() -> None:
    rows = [(0.0, "x", "y", 1.0), (30.0, "a", "new1", 1.0), (31.0, "a", "new2", 1.0)]
    rows += [(31.1, "b", "new2", 1.0), (31.2, "c", "new2", 1.0)]
    assert known(rows).flow.began.tolist() == [False] * 4


def test_what_was_known_of_a_deed_does_not_change_with_what_follows() -> None:
    rows = [(0.0, "x", "y", 1.0)]
    rows += [(22.0 + 1.3 * k, f"p{k % 7}", f"q{k * k % 11}", 10.0 + k) for k in range(25)]
    short, long = known(rows[:16]), known(rows)
    n = len(told(short))
    assert told(long)[:n] == told(short)
    for name in ("before", "through", "since", "began", "accounts"):
        assert getattr(long.flow, name)[:n].tolist() == getattr(short.flow, name).tolist()
    for name in ("shape", "weight", "fresh"):
        assert getattr(long.flow, name)[:, :n].tolist() == getattr(short.flow, name).tolist()
    assert long.view.variance[:n].tolist() == short.view.variance.tolist()
    for side in ("paying", "receiving", "unusual_paying", "unusual_receiving"):
        known_then, known_now = (getattr(one.view, side) for one in (short, long))
        then = dict(zip(known_then.deeds.tolist(), known_then.before.tolist(), strict=True))
        now = dict(zip(known_now.deeds.tolist(), known_now.before.tolist(), strict=True))
        assert then == {deed: now[deed] for deed in then}


def test_the_peers_of_a_deed_are_those_known_before_its_day() -> None:
    """Ten known pairs pay on each day but the 21st; then a stranger pays another each day."""
    taught = [day for day in range(30) if day != 21]
    daily = [(day + k / 20, f"a{k}", f"b{k}", 1.0) for day in taught for k in range(10)]
    strangers = [(day + 0.9, f"s{day}", f"t{day}", 1.0) for day in (22, 23, 24)]
    flow = known([*daily, *strangers]).flow
    assert flow.accounts.tolist() == [20.0, 22.0, 24.0]
    assert (flow.through - flow.before).tolist() == [11.0, 11.0, 11.0]
    # Nothing is known of the first; of the others, that nobody had two.
    assert flow.shape[0].tolist() == [1.0, 20.0, 20.0]
    # Before day 24, two deeds (and one that is granted) in 22 payments (and one), of 12 payers.
    assert flow.weight[0, 2] == pytest.approx(20 * 12 * 23 / 3)
    assert flow.weight[1, 0] == pytest.approx(10.0)


def test_the_spread_of_deeds_is_told_of_the_accounts_with_none_one_and_two() -> None:
    taught = [(k / 20, f"a{k}", f"b{k}", 1.0) for k in range(12)]
    once = [(22.3 + 1.7 * k, f"o{k}", f"c{k}", 1.0) for k in range(4)]
    twice = [(22.9, "w", "d0", 1.0), (27.1, "w", "d1", 1.0)]
    thrice = [(23.2, "v", "e0", 1.0), (26.6, "v", "e1", 1.0), (33.2, "v", "e2", 1.0)]
    flow = known([*taught, *sorted([*once, *twice, *thrice]), (40.0, "s", "t", 1.0)]).flow
    # Twelve payers have no deed, four have one, one has two and one has three: twice 1 x 12 / 4^2
    # is 1 + 1 / 2.
    assert flow.shape[0, -1] == pytest.approx(2.0)


BURST_PARTS = [(60.0, 500.0), (61.5, 501.0), (63.0, 502.0)]


def test_parts_within_three_days_are_one_deed_though_a_pair_pays_often() -> None:
    parts = [(day, "a", "b", amount) for day, amount in BURST_PARTS]
    often = [(day, "c", "d", 1.0) for day in (60.0, 61.5, 63.001)]
    payments = Payments.of(table([*parts, *often]))
    assert rare_deeds(payments).amount.tolist() == [500.0]
    assert Deeds.of_first_bursts(payments, PARAMS.burst).amount.tolist() == [500.0, 1.0]
    twice = [(day, "c", "d", 1.0) for day in (1.0, 99.0)]
    assert rare_deeds(Payments.of(table([*twice, *parts]))).amount.tolist() == [1.0, 500.0, 1.0]


def test_deeds_lie_more_than_a_burst_apart() -> None:
    rows = [(60.0, "a", "b", 1.0), (63.0, "a", "b", 2.0), (66.5, "a", "b", 3.0)]
    payments = Payments.of(table(rows))
    deeds = Deeds.of_rare_pairs(payments, payments.by_payer(), 3, PARAMS.burst)
    assert (deeds.at / DAY - FIRST_DAY).tolist() == [60.0, 66.5]
    assert deeds.amount.tolist() == [1.0, 3.0]
    assert deeds.until[1] == NEVER
    assert deeds.until[0] / DAY - FIRST_DAY == 66.5
    (first,) = Deeds.of_first_bursts(payments, PARAMS.burst).until.tolist()
    # A payment just a burst later is of the deed.
    assert first - 1 == (FIRST_DAY + 63) * DAY


def test_a_deeds_amount_is_the_smallest_of_its_first_moment() -> None:
    rows = [(60.0, "a", "b", 7.0), (60.0, "a", "b", 3.0), (60.0, "a", "b", 5.0)]
    rows.append((60.5, "a", "b", 1.0))
    for order in ((0, 1, 2, 3), (3, 2, 1, 0)):
        payments = Payments.of(table([rows[k] for k in order]))
        assert rare_deeds(payments).amount.tolist() == [3.0]


def of_payer(rows: Sequence[Payment], payer: str) -> int:
    return sum(name == payer for _, name, _ in told(seen(rows)))


def test_a_habit_in_hindsight_is_three_times_what_the_median_payer_does() -> None:
    """120 days; payers pay strangers on days in no rhythm."""
    odd = [0, 11, 18, 37, 41, 58, 66, 84, 95, 104, 117, 119.9]
    busy = [(day + 0.01, "busy", f"w{day}", 1.0) for day in odd]
    once = [(60.0 + k, f"once{k}", f"z{k}", 1.0) for k in range(5)]
    never: list[Payment] = [
        (day + k / 20, f"n{k}", "shop", 1.0) for k in range(7) for day in (0.0, 50.0, 80.0)
    ]
    # The median of 13 payers is none: a horizon's limit is one, and eight lie well away.
    assert of_payer([*busy, *once, *never], "busy") == 0
    # Of six it is one; three times a quarter of one in a horizon is below one as well.
    assert of_payer([*busy, *once], "busy") == 0
    # Where the others pay as many strangers, it is nobody's habit.
    others = [(day + 0.02 * k, f"as{k}", f"v{k}x{day}", 1.0) for day in odd for k in range(3)]
    assert of_payer([*busy, *others], "busy") == 12


def test_a_burst_is_not_held_against_itself() -> None:
    burst = [(60.0 + k, "a", f"b{k}", 1.0) for k in (0, 1, 3, 7, 8, 12, 14)]
    frame = [(0.0, "x", "y", 1.0), (119.9, "u", "v", 1.0)]
    assert of_payer([*burst, *frame], "a") == 7
