"""What is kept from day to day is enough, however the days are split, and old deeds are not."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl
import pytest

from gpu_ops.pattern_state import STATE_TABLES, RingState
from gpu_ops.patterns import as_known
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from tests.graph.payments import START, Payment, ordinary, table

CHAIN: list[Payment] = [
    (60.2, "p3", "p20", 1000.0),
    (61.4, "p20", "p41", 990.0),
    (63.1, "p41", "p11", 980.0),
    (66.6, "p11", "p55", 970.0),
    (71.0, "p55", "p30", 960.0),
]
GATHER_SCATTER: list[Payment] = [
    *((80 + k, f"p{2 * k}", "p30", 700.0 + k) for k in range(5)),
    *((86 + k, "p30", f"p{41 + 2 * k}", 690.0 + k) for k in range(5)),
]
SCATTER_GATHER: list[Payment] = [
    *((95 + k / 3, "p5", f"p{10 + 4 * k}", 50.0 * 3**k) for k in range(5)),
    *((97 + k / 3, f"p{10 + 4 * k}", "p55", 49.0 * 3**k) for k in range(5)),
]
CYCLE: list[Payment] = [
    (40.1, "p8", "p25", 300.0),
    (44.2, "p25", "p48", 300.0),
    (49.3, "p48", "p17", 300.0),
    (55.4, "p17", "p8", 300.0),
]
LONG_BEFORE: list[Payment] = [
    (22.1 + 1.7 * k, payer, f"o{k}", 60.0 + k)
    for k, payer in enumerate(["p5", "p20", "p30", "p41", "p11", "p48", "p17"])
]
"""Payments to strangers by accounts of the rings below, most too early for a burst."""

HABIT: list[Payment] = [
    (float(day), "p33", f"x{day}", 80.0) for day in (22, 23, 27, 36, 41, 58, 66, 81, 84, 97)
]
MIXED = table([*ordinary(), *LONG_BEFORE, *HABIT, *CYCLE, *CHAIN, *GATHER_SCATTER, *SCATTER_GATHER])


def known_in(
    rows: pl.DataFrame, cuts: Sequence[int], params: RingParams | None = None
) -> tuple[RingState, pl.DataFrame]:
    state, said = RingState.empty("f"), [pl.DataFrame(schema=RING_SCHEMA)]
    day = (pl.col("occurred_at") - START).dt.total_days()
    for first, stop in zip([0, *cuts], [*cuts, 10_000], strict=True):
        state, new = as_known(state, rows.filter(day >= first, day < stop).lazy(), params=params)
        said.append(new)
    return state, pl.concat(said)


def tables(state: RingState) -> dict[str, pl.DataFrame]:
    unordered = ("pairs", "payments")
    return {
        name: getattr(state, name).sort(pl.all()) if name in unordered else getattr(state, name)
        for name in STATE_TABLES
    }


@pytest.mark.parametrize(
    "cuts", [list(range(30, 110)), [45, 64, 86, 96, 97], [119]], ids=["daily", "inside", "last"]
)
def test_days_taken_in_one_by_one_keep_what_all_at_once_do(cuts: list[int]) -> None:
    at_once, told = known_in(MIXED, [])
    state, said = known_in(MIXED, cuts)
    patterns = {"cycle", "chain", "gather_scatter", "scatter_gather"}
    assert patterns <= set(told["pattern"])
    assert said.equals(told)
    expected = tables(at_once)
    for name, kept in tables(state).items():
        assert kept.equals(expected[name]), name


def test_the_order_of_rows_within_the_days_does_not_matter() -> None:
    at_once, told = known_in(MIXED, [])
    state, said = known_in(MIXED.reverse(), [64])
    assert state.through == at_once.through
    assert said.equals(told)


def test_who_pays_a_sink_later_changes_nothing_of_what_was_known_before() -> None:
    """Six strangers pay the sink five days after four accounts passed money on to it."""
    over = ("p10", "p20", "p40", "p33")
    paths = [
        *((60 + k, "p5", middle, 500.0) for k, middle in enumerate(over)),
        *((65 + k / 8, middle, "p55", 480.0) for k, middle in enumerate(over)),
    ]
    later = [(70 + k / 16, f"w{k}", "p55", 33.0 * (k + 1)) for k in range(6)]
    rows = table(sorted([*ordinary(90), *paths, *later]))
    _, told = known_in(rows, [])
    (ring,) = told.filter(pattern="scatter_gather").to_dicts()
    assert ring["known_at"].date() == (START + timedelta(days=65)).date()
    assert ring["surprise"] == pytest.approx(49.43, abs=0.01)
    _, said = known_in(rows, [70])
    assert said.equals(told)


@pytest.mark.parametrize("hub", [4, 5, 9])
def test_a_hub_is_told_for_one_by_what_is_kept_of_it(hub: int) -> None:
    """Of what lies before the horizon, no more of an account is read than makes it a hub."""
    crowd = [(20 + 6.1 * k, f"w{k}", "p30", 600.0 + k) for k in range(12)]
    rows = table([*ordinary(), *crowd, *GATHER_SCATTER])
    params = RingParams(hub_counterparties=hub)
    at_once, told = known_in(rows, [], params)
    state, said = known_in(rows, list(range(30, 110, 2)), params)
    assert said.equals(told)
    assert state.rings.equals(at_once.rings)
    assert state.cut == at_once.cut
    assert state.cut["slow_hubs"] > 0


@pytest.mark.parametrize("outward", [False, True], ids=["in", "out"])
def test_a_slow_fan_is_known_of_what_was_kept_for_its_whole_time(*, outward: bool) -> None:
    """Six strangers in 530 days pay one account, or are paid by it, among yearly traffic."""
    yearly = [
        (day + k / 60, f"p{k}", f"p{(k + 1) % 30}", 50.0)
        for k in range(30)
        for day in (0, 300, 600)
    ]
    # In no rhythm; the first five and a half hundred days lie between the first and the last.
    days = (0, 97, 210, 288, 401, 530)
    slow = [(30.1 + day, f"s{day}", "fund", 700.0 + day) for day in days]
    if outward:
        slow = [(day, payee, payer, amount) for day, payer, payee, amount in slow]
    rows = table(sorted([*yearly, *slow]))
    params = RingParams(min_slow_surprise=-9.0)
    cuts = [100, 250, 320, 433, 500, 560]
    at_once, told = known_in(rows, [], params)
    (ring,) = at_once.rings.filter(centre="f:account:fund").to_dicts()
    assert ring["n_transactions"] == 6
    state, said = known_in(rows, cuts, params)
    assert said.equals(told)
    # The last payments are of day 600: what is older than day 61 can be part of nothing more.
    kept = state.deeds.select((pl.col("first_at") - START).dt.total_days()).to_series()
    assert kept.min() == 127
    assert (START + timedelta(days=601)) - timedelta(days=540) > START + timedelta(days=30.1)


def test_accounts_are_numbered_by_day_and_name_however_days_are_split() -> None:
    rows = table([(0.9, "z", "b", 1.0), (0.1, "y", "z", 1.0), (1.0, "a", "y", 1.0)])
    names = ["f:account:b", "f:account:y", "f:account:z", "f:account:a"]
    for cuts in ([], [1]):
        assert known_in(rows, cuts)[0].accounts["account"].to_list() == names


def test_a_named_payment_has_the_names_of_its_accounts() -> None:
    rows = table([(0.0, "b", "a", 7.0), (1.0, "c", "a", 8.0)])
    state, _ = known_in(rows, [1])
    named = state.named(state.payments).sort("occurred_at")
    assert named.select("payer", "payee", "amount").rows() == [
        ("f:account:b", "f:account:a", 7.0),
        ("f:account:c", "f:account:a", 8.0),
    ]
