"""Money that accounts pass on is the same money; sums worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_ops.case_money import Movement, counted_once

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def paid(hour: float, payer: str, payee: str, amount: float, rate: float = 1.0) -> Movement:
    return Movement(NOON + timedelta(hours=hour), f"{hour}", payer, payee, amount, rate)


@pytest.mark.parametrize(
    ("movements", "money"),
    [
        # Split over two mules, who keep a tenth.
        (
            [
                paid(0, "a", "m", 500.0),
                paid(1, "a", "n", 400.0),
                paid(2, "m", "z", 450.0),
                paid(3, "n", "z", 360.0),
            ],
            900.0,
        ),
        # Around a circle, and once more.
        ([paid(0, "a", "b", 300.0), paid(1, "b", "a", 300.0), paid(2, "a", "b", 300.0)], 300.0),
        # More goes out than came in.
        ([paid(0, "a", "b", 300.0), paid(1, "b", "c", 500.0)], 500.0),
        # What went out earlier was not what came in later.
        ([paid(1, "a", "b", 300.0), paid(0, "b", "c", 500.0)], 800.0),
        # Ten comes after nine, whatever names they have.
        ([paid(9, "a", "b", 300.0), paid(10, "b", "c", 300.0)], 300.0),
        # Nobody passes anything on.
        ([paid(0, "a", "z", 1.0), paid(1, "b", "z", 2.0), paid(2, "c", "z", 4.0)], 7.0),
        ([], 0.0),
    ],
)
def test_what_is_passed_on_counts_once(movements: list[Movement], money: float) -> None:
    assert counted_once(movements) == pytest.approx(money)


@pytest.mark.parametrize(
    ("rates", "loss"),
    [
        # 100 from ada, of which 60 go on: the doubt about them is that of the surer payment.
        ((0.2, 0.7), 40.0 * 0.2 + 60.0 * 0.7),
        ((0.7, 0.2), 70.0),
    ],
)
def test_money_counts_by_the_surest_payment_of_its_way(
    rates: tuple[float, float], loss: float
) -> None:
    way = [paid(0, "ada", "m", 100.0, rates[0]), paid(1, "m", "z", 60.0, rates[1])]
    assert counted_once(way) == pytest.approx(loss)


def test_what_came_first_goes_out_first() -> None:
    way = [
        paid(0, "ada", "m", 10.0, 0.9),
        paid(1, "bea", "m", 10.0, 0.1),
        paid(2, "m", "z", 10.0, 0.5),
        paid(3, "m", "z", 5.0, 0.5),
    ]
    # 9 + 1; then nothing surer about ada's ten, and .4 more about five of bea's.
    assert counted_once(way) == pytest.approx(9.0 + 1.0 + 2.0)


def test_what_is_left_of_a_payment_goes_out_before_the_next_one() -> None:
    way = [
        paid(0, "ada", "m", 10.0, 0.9),
        paid(1, "bea", "m", 10.0, 0.1),
        paid(2, "m", "z", 4.0, 0.5),
        paid(3, "m", "z", 8.0, 0.5),
    ]
    # 9 + 1; six of ada's are left when the eight go out, so that two of them are bea's.
    assert counted_once(way) == pytest.approx(9.0 + 1.0 + 0.8)


def test_doubt_once_gone_stays_gone() -> None:
    way = [
        paid(0, "a", "m", 10.0, 0.1),
        paid(1, "m", "n", 10.0, 0.8),
        paid(2, "n", "z", 10.0, 0.5),
        paid(3, "z", "y", 10.0, 0.8),
    ]
    assert counted_once(way) == pytest.approx(8.0)


names = st.sampled_from("abcd")
rows = st.lists(
    st.builds(paid, st.integers(0, 9), names, names, st.floats(0.01, 1e6)), min_size=1, max_size=12
)


@given(rows)
def test_it_is_between_the_largest_payment_and_the_sum_of_all(movements: list[Movement]) -> None:
    money = counted_once(movements)
    amounts = [one.amount for one in movements]
    assert max(amounts) * (1 - 1e-9) <= money <= sum(amounts) * (1 + 1e-9)
    assert counted_once(movements[::-1]) == pytest.approx(money)
