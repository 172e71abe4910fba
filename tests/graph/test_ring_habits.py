"""What payers do out of habit: rows of days written by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from gpu_ops.pattern_habit_kernels import Rhythm, habitual_since, rhythmic, rhythmic_since, slack_of

NEVER = int(np.iinfo(np.int64).max)
WEEKLY = [7 * k for k in range(12)]


def counts(
    days: Sequence[int], payments: dict[int, int] | None, rare: dict[int, int] | None
) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """One payment a day to somebody rarely paid, but for the days that are named."""
    rows = [[(given or {}).get(day, 1) for day in days] for given in (payments, rare)]
    return np.array(rows, dtype=np.int64)


def explained(
    days: Sequence[int],
    beats: int,
    *,
    payments: dict[int, int] | None = None,
    rare: dict[int, int] | None = None,
) -> list[int]:
    """Return the days of one payer that its rhythm explains in hindsight."""
    day = np.array(days, dtype=np.int64)
    found = rhythmic(
        np.array([0, day.size]), day, counts(days, payments, rare), np.arange(day.size),
        Rhythm(beats, 15),
    )  # fmt: skip
    return [int(one) for one in day[found]]


def known_from(
    days: Sequence[int],
    beats: int,
    *,
    payments: dict[int, int] | None = None,
    rare: dict[int, int] | None = None,
) -> list[int | None]:
    """Return for each day of one payer from when on its rhythm was known; none if it is none."""
    day = np.array(days, dtype=np.int64)
    since = rhythmic_since(
        np.array([0, day.size]), day, counts(days, payments, rare), np.arange(day.size),
        Rhythm(beats, 15),
    )  # fmt: skip
    return [None if one == NEVER else int(one) for one in since]


def test_as_many_days_at_one_interval_as_the_rule_says_are_a_rhythm() -> None:
    assert explained(WEEKLY, 12) == WEEKLY
    assert explained(WEEKLY[:11], 12) == []
    assert explained([*WEEKLY[:11], 73], 12) == []
    # A day between is no part of it.
    assert explained([*WEEKLY[:5], 31, *WEEKLY[5:]], 12) == WEEKLY


def test_a_beat_explains_no_more_payments_than_the_others_have() -> None:
    others = [day for day in WEEKLY if day != 35]
    assert explained(WEEKLY, 12, payments={35: 3}, rare={35: 3}) == others
    # Often more payments, but no more of them to those rarely paid; or the other way round.
    assert explained(WEEKLY, 12, payments={35: 3}) == WEEKLY
    assert explained(WEEKLY, 12, rare={35: 3}) == WEEKLY


def test_who_pays_every_second_day_keeps_a_rhythm_and_who_pays_daily_has_none() -> None:
    every_second = [2 * k for k in range(13)]
    # 13 days of 25 are more than half: any day would fall into step.
    assert explained(every_second, 12) == []
    every_third = [3 * k for k in range(13)]
    assert explained(every_third, 12) == every_third
    assert explained(list(range(13)), 12) == []


def test_as_known_a_rhythm_needs_its_beats_before_and_counts_from_the_last_of_them() -> None:
    assert known_from([0, 7, 14, 21, 28], 3) == [None, None, None, 14, 14]


def test_as_known_a_beat_explains_no_more_payments_than_the_others_have() -> None:
    found = known_from([0, 7, 14, 21, 28], 3, payments={21: 5}, rare={21: 5})
    assert found == [None, None, None, None, 14]


def test_as_known_a_row_of_every_day_proves_no_rhythm() -> None:
    assert known_from([0, 1, 2, 3, 4], 3) == [None] * 5


@pytest.mark.parametrize(("gap", "days"), [(7, 0), (27, 0), (28, 1), (30, 2), (91, 6)])
def test_months_may_be_longer_or_shorter_and_weeks_may_not(gap: int, days: int) -> None:
    assert slack_of(gap, 15) == days


def test_each_month_counts_from_the_one_before() -> None:
    # 32, 32 and 30 days: two more than 30 twice in a row.
    assert known_from([0, 32, 64, 94], 3) == [None, None, None, 64]
    # Weeks do not shift.
    assert known_from([0, 7, 14, 22], 3) == [None] * 4


def habit(
    moments: Sequence[int],
    *,
    limit: float = 1.0,
    begin: int = 0,
    known: dict[int, int] | None = None,
) -> list[int | None]:
    """Return from when on each payment of one payer was habit; a horizon is 10 long."""
    at = np.array(moments, dtype=np.int64)
    rhythm = np.array([(known or {}).get(one, NEVER) for one in moments], dtype=np.int64)
    payer = np.zeros(at.size, dtype=np.int32)
    kept, since = memory(1), rhythm.copy()
    for k in range(at.size):
        # One by one: what is kept of a payer is enough to go on.
        (since[k],), _ = habitual_since(
            payer[: k + 1], at[: k + 1], since[: k + 1], k, begin, 10, limit, *kept
        )
    at_once, before = habitual_since(payer, at, rhythm, 0, begin, 10, limit, *memory(1))
    assert at_once.tolist() == since.tolist()
    is_odd = (since == NEVER).tolist()
    assert before.tolist() == [sum(is_odd[:k]) for k in range(at.size)]
    return [None if one == NEVER else int(one) for one in since]


def memory(payers: int) -> "tuple[np.ndarray[tuple[int], np.dtype[np.int64]], ...]":
    """Return what is kept of payers before their first payment."""
    return np.zeros(payers, np.int64), np.zeros(payers, np.int64), np.full(payers, NEVER)


def test_a_habit_is_more_than_one_a_horizon_over_two_and_known_from_then_on() -> None:
    # On day 21 two lie a horizon back or more, where 1.1 may; the first lies two horizons back.
    assert habit([1, 11, 21, 22, 40]) == [None, None, None, 21, 21]
    assert habit([1, 11, 20, 22, 40]) == [None, None, None, None, 22]
    assert habit([2, 11, 21, 22, 40]) == [None, None, None, None, 22]


def test_one_a_horizon_is_no_habit() -> None:
    # Never more of them than horizons since the beginning.
    assert habit([10, 20, 30, 40, 50]) == [None] * 5
    assert habit([10, 20, 29, 39, 49]) == [None, None, None, None, 39]
    assert habit([10, 20, 30, 40, 50], begin=2) == [None, None, None, 30, 30]
    assert habit([1, 2, 11, 21, 22, 40], limit=2.0) == [None, None, None, None, 21, 21]


def test_a_burst_is_no_habit_of_itself() -> None:
    assert habit([1, 50, 51, 52, 53, 54, 55]) == [None] * 7


def test_what_a_rhythm_explains_adds_nothing_to_the_habit() -> None:
    assert habit([1, 11, 21, 22, 39, 45], known={11: 5}) == [None, 5, None, None, None, 39]
    assert habit([1, 11, 21, 22, 40], known={40: 5})[-1] == 5


def test_the_habit_of_one_payer_is_not_that_of_the_next() -> None:
    at = np.array([1, 11, 21, 22, 23, 24], dtype=np.int64)
    payer = np.array([0, 0, 0, 1, 1, 0], dtype=np.int32)
    since, before = habitual_since(payer, at, np.full(6, NEVER), 0, 0, 10, 1.0, *memory(2))
    assert since.tolist() == [NEVER, NEVER, NEVER, NEVER, NEVER, 21]
    assert before.tolist() == [0, 1, 2, 0, 1, 3]
