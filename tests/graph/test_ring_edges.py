"""Rings at their edges: what repeats is no further account, and what is kept tells the same."""

from datetime import timedelta

from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known, hindsight, search_rings
from gpu_ops.ring_building import Ring
from gpu_ops.ring_log import RingLog
from tests.graph.payments import START, Payment, ordinary, rings_in, table


def test_two_intermediaries_that_are_used_twice_are_not_four() -> None:
    over_two: list[Payment] = [
        (60.0, "p5", "p10", 500.0),
        (60.1, "p5", "p20", 500.0),
        (61.0, "p10", "p55", 490.0),
        (62.0, "p20", "p55", 490.0),
        (65.0, "p10", "p55", 490.0),
        (66.0, "p20", "p55", 490.0),
    ]
    assert "scatter_gather" not in rings_in(table([*ordinary(), *over_two]))["pattern"].to_list()
    third: list[Payment] = [(60.2, "p5", "p33", 500.0), (63.0, "p33", "p55", 490.0)]
    found = rings_in(table([*ordinary(), *over_two, *third]))
    (ring,) = found.filter(found["pattern"] == "scatter_gather").to_dicts()
    assert ring["accounts"] == [f"f:account:{name}" for name in ("p5", "p55", "p10", "p20", "p33")]


def test_two_payers_and_two_payees_who_pay_twice_are_no_gathering() -> None:
    twice: list[Payment] = [
        (60.0, "p2", "p30", 700.0),
        (60.1, "p4", "p30", 701.0),
        (64.0, "p2", "p30", 702.0),
        (64.1, "p4", "p30", 703.0),
        (65.0, "p30", "p41", 700.0),
        (65.1, "p30", "p45", 701.0),
        (69.0, "p30", "p41", 702.0),
        (69.1, "p30", "p45", 703.0),
    ]
    assert "gather_scatter" not in rings_in(table([*ordinary(), *twice]))["pattern"].to_list()


def test_what_is_kept_knows_the_median_payer_though_it_keeps_few_of_its_days() -> None:
    """Nine payers pay strangers all the time: more often than the others, who never do."""
    # Squares modulo a prime: days in no rhythm.
    odd = [
        (i * i * (k + 2) % 113 + k / 10, f"r{k}", f"w{k}x{i}", 300.0 + k)
        for k in range(9)
        for i in range(40)
    ]
    rows = table([*ordinary(120, 60), *odd])
    fresh = search_rings(rows.lazy())
    state, _ = as_known(RingState.empty("f"), rows.lazy())
    kept = hindsight(state)
    assert fresh.cut["unusual"] < len(odd) / 10
    assert kept.cut == fresh.cut
    assert kept.rings.equals(fresh.rings)


def ring(name: str, surprise: float, day: float, transactions: str) -> Ring:
    return Ring(
        ring_id=name,
        feed="f",
        pattern="fan_in",
        horizon="burst",
        score=0.5,
        accounts=("a",),
        transaction_ids=tuple(transactions),
        first_at=START + timedelta(days=day),
        last_at=START + timedelta(days=20),
        known_at=START + timedelta(days=21),
        amount=1.0,
        exposure=1.0,
        n_accounts=1,
        n_transactions=len(transactions),
        centre=None,
        surprise=surprise,
        surprise_of_habit=surprise,
        surprise_of_order=0.0,
        surprise_of_amounts=0.0,
        shape=1.0,
        coherence=1.0,
        probability=None,
    )


def test_a_weak_candidate_between_two_rings_does_not_make_them_one() -> None:
    log = RingLog([])
    said = log.add([ring("A", 30, 1, "1234"), ring("B", 20, 2, "5678"), ring("C", 10, 1.5, "3456")])
    assert [(one.ring_id, one.merged_into) for one in said] == [("A", None), ("B", None)]
    # A stronger one takes both in.
    said = log.add([ring("D", 40, 3, "12345678")])
    told = [(one.ring_id, one.merged_into, "".join(one.transaction_ids)) for one in said]
    assert told == [("A", None, "12345678"), ("B", "A", "5678")]
