import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.ring_candidate import Candidate
from gpu_ops.ring_params import RingParams
from gpu_ops.rings import search_rings, without_overlaps
from tests.graph.payments import Payment, ordinary, rings_in, table

RINGS: list[Payment] = [
    *((60 + k / 10, f"p{3 * k}", "p50", 900.0 + k) for k in range(7)),
    (80, "p3", "p20", 1000.0),
    (80, "p20", "p41", 980.0),
    (80, "p41", "p11", 960.0),
    (80, "p11", "p3", 940.0),
]
MIXED = table([*ordinary(), *RINGS])


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rings = rings_in(MIXED)
    assert rings.height == 2
    assert rings_in(MIXED.sample(fraction=1.0, shuffle=True, seed=seed)).equals(rings)


def test_ties_in_all_but_the_id_are_broken_by_the_id() -> None:
    twice = pl.concat([MIXED, table(RINGS, prefix="u")])
    rings = rings_in(twice)
    assert rings.height == 2
    assert rings_in(twice.reverse()).equals(rings)


def test_later_unrelated_payments_leave_ids_and_evidence_alone() -> None:
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
    rings = rings_in(table([*ordinary(), *crowd]), params=RingParams(min_surprise=0.0))
    sets = [set(ids) for ids in rings["transaction_ids"].to_list()]
    assert len(sets) > 3
    assert rings["ring_id"].n_unique() == len(sets)
    for k, one in enumerate(sets):
        for other in sets[:k]:
            assert 2 * len(one & other) < min(len(one), len(other))


def test_a_spent_step_budget_is_counted() -> None:
    found = search_rings(MIXED.lazy(), params=RingParams(cycle_steps_total=1))
    assert found.cut["cycle_steps"] > 0
    assert search_rings(MIXED.lazy()).cut["cycle_steps"] == 0


def hand_made(edges: list[int], surprise: float) -> Candidate:
    return Candidate("cluster", np.array(edges), (0, 1), -1, surprise, 1.0, 1.0)


def test_of_overlapping_candidates_the_most_surprising_stays() -> None:
    strong, half, less = (
        hand_made([0, 1, 2, 3], 9),
        hand_made([2, 3, 4, 5], 8),
        hand_made([3, 6], 7),
    )
    assert without_overlaps([half, strong]) == [strong]
    assert without_overlaps([less, strong]) == [strong]
    far = hand_made([3, 6, 7], 7)
    assert without_overlaps([far, strong]) == [strong, far]


def test_rings_of_the_same_first_payments_cannot_both_stay() -> None:
    one, other = hand_made(list(range(8)), 9), hand_made([0, 1, 2, *range(8, 13)], 8)
    assert without_overlaps([one, other]) == [one]
