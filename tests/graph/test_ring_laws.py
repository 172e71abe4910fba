from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known, hindsight, search_rings
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from tests.graph.payments import START, Payment, ordinary, rings_in, table

RINGS: list[Payment] = [
    *((60 + k / 10, f"p{3 * k}", "p50", 900.0 + k) for k in range(7)),
    (80, "p3", "p20", 1000.0),
    (80.5, "p20", "p41", 980.0),
    (81, "p41", "p11", 960.0),
    (83, "p11", "p3", 940.0),
]
MIXED = table([*ordinary(), *RINGS])
DAYS = 120


def known_in(transactions: pl.DataFrame, cuts: list[int]) -> tuple[RingState, pl.DataFrame]:
    """Return the last state and all that became known, the days taken in piece by piece."""
    state, said = RingState.empty("f"), [pl.DataFrame(schema=RING_SCHEMA)]
    day = (pl.col("occurred_at") - START).dt.total_days()
    for first, stop in zip([0, *cuts], [*cuts, DAYS + 1], strict=True):
        piece = transactions.filter(day >= first, day < stop)
        state, new = as_known(state, piece.lazy())
        said.append(new)
    return state, pl.concat(said)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rings = rings_in(MIXED)
    assert sorted(rings["pattern"]) == ["cycle", "fan_in"]
    assert rings_in(MIXED.sample(fraction=1.0, shuffle=True, seed=seed)).equals(rings)


def test_ties_in_all_but_the_id_are_broken_by_the_id() -> None:
    twice = pl.concat([MIXED, table(RINGS, prefix="u")])
    assert rings_in(twice).height == 2
    assert rings_in(twice.reverse()).equals(rings_in(twice))


@pytest.fixture(scope="module")
def in_one_piece() -> tuple[RingState, pl.DataFrame]:
    return known_in(MIXED, [])


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, DAYS - 1), max_size=3, unique=True).map(sorted))
def test_any_split_of_whole_days_gives_the_same_rings_as_known(
    in_one_piece: tuple[RingState, pl.DataFrame], cuts: list[int]
) -> None:
    state, said = known_in(MIXED, cuts)
    assert said.equals(in_one_piece[1])
    assert state.rings.equals(in_one_piece[0].rings)


@settings(deadline=None, max_examples=8)
@given(st.lists(st.integers(1, DAYS - 1), max_size=3, unique=True).map(sorted))
def test_hindsight_of_a_kept_state_is_that_of_a_fresh_run(cuts: list[int]) -> None:
    state, _ = known_in(MIXED, cuts)
    kept, fresh = hindsight(state), search_rings(MIXED.lazy())
    assert kept.rings.equals(fresh.rings)
    assert kept.merged.equals(fresh.merged)
    assert kept.rings.height == 2


def test_rings_are_known_at_the_end_of_the_day_that_completes_them(
    in_one_piece: tuple[RingState, pl.DataFrame],
) -> None:
    state, said = in_one_piece
    final = dict(state.rings.select("pattern", "known_at").iter_rows())
    assert final == {
        "fan_in": datetime(2026, 3, 2, 23, 59, 59, 999999, UTC),
        "cycle": datetime(2026, 3, 25, 23, 59, 59, 999999, UTC),
    }
    assert (said["last_at"] <= said["known_at"]).all()
    # The cycle was known as a chain before it closed, and keeps its id.
    cycle = state.rings.filter(pl.col("pattern") == "cycle")["ring_id"][0]
    assert said.filter(ring_id=cycle)["pattern"].to_list()[-1] == "cycle"


@settings(deadline=None, max_examples=8)
@given(st.integers(61, DAYS - 1))
def test_what_is_known_does_not_change_with_what_follows(last: int) -> None:
    day = (pl.col("occurred_at") - START).dt.total_days()
    _, until_then = known_in(MIXED.filter(day < last), [])
    _, everything = known_in(MIXED, [])
    assert everything.filter(pl.col("known_at") < START + timedelta(days=last)).equals(until_then)


def test_days_out_of_their_order_are_refused() -> None:
    state, _ = known_in(MIXED, [])
    with pytest.raises(ValueError, match="whole UTC days in their order"):
        as_known(state, MIXED.head(1).lazy())
    with pytest.raises(ValueError, match="feed f, transactions are of g"):
        as_known(state, MIXED.with_columns(feed=pl.lit("g")).lazy())


def test_later_unrelated_payments_leave_ids_alone() -> None:
    later = table(
        [(120 + day, payer, payee, amount) for day, payer, payee, amount in ordinary(30)],
        prefix="v",
    )
    columns = ["ring_id", "pattern", "transaction_ids", "accounts"]
    before = rings_in(MIXED).sort("ring_id").select(columns)
    after = rings_in(pl.concat([MIXED, later])).sort("ring_id").select(columns)
    assert after.equals(before)


def test_a_ring_that_grows_keeps_its_id() -> None:
    more = table([(61, "p44", "p50", 905.0), (61.2, "p47", "p50", 906.0)], prefix="w")
    before = rings_in(MIXED).filter(pl.col("pattern") == "fan_in")
    after = rings_in(pl.concat([MIXED, more])).filter(pl.col("pattern") == "fan_in")
    assert after["n_transactions"].to_list() == [9]
    assert after["ring_id"].to_list() == before["ring_id"].to_list()


def test_no_two_rings_share_half_of_the_smaller_ones_payments() -> None:
    rng = np.random.default_rng(5)
    crowd: list[Payment] = [
        (float(day), f"q{a}", f"q{b}", float(amount))
        for day, a, b, amount in zip(
            rng.uniform(50, 56, 150),
            rng.integers(0, 25, 150),
            rng.integers(0, 25, 150),
            rng.uniform(10, 90, 150),
            strict=True,
        )
    ]
    found = search_rings(table([*ordinary(), *crowd]).lazy(), params=RingParams(min_surprise=-9.0))
    sets = [set(ids) for ids in found.rings["transaction_ids"].to_list()]
    assert len(sets) > 3
    assert found.rings["ring_id"].n_unique() == len(sets)
    assert set(found.merged["merged_into"]) <= set(found.rings["ring_id"])
    for k, one in enumerate(sets):
        for other in sets[:k]:
            assert 2 * len(one & other) < min(len(one), len(other))


@pytest.mark.parametrize("n", [50_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_one_account_of_a_million_payments_is_left_out(n: int) -> None:
    crowd = _crowd(n)
    found = search_rings(pl.concat([crowd, MIXED.select(crowd.columns)]).lazy())
    assert found.cut["burst_hubs"] == 1
    assert sorted(found.rings["pattern"]) == ["cycle", "fan_in"]


def _crowd(n: int) -> pl.DataFrame:
    number = pl.int_range(n)
    return pl.select(
        transaction_id=number.cast(pl.String),
        occurred_at=pl.lit(START) + pl.duration(seconds=number * 100),
        kind=pl.lit("transfer"),
        amount=pl.lit(10.0),
        feed=pl.lit("f"),
        payer="f:account:q" + number.cast(pl.String),
        payee=pl.lit("f:account:exchange"),
        fraud_probability=pl.lit(None, pl.Float32),
    ).cast({"occurred_at": MIXED.schema["occurred_at"]})
