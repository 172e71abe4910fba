"""Rings at their edges: what repeats is no further account, and what is kept tells the same."""

import itertools
from datetime import timedelta

import polars as pl

from gpu_ops.pattern_fans import fans_in
from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known, hindsight, search_rings
from gpu_ops.ring_building import Ring, built
from gpu_ops.ring_log import RingLog
from gpu_ops.ring_params import RingParams
from tests.graph.known_views import view_of_day
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


def test_a_merge_keeps_the_oldest_id_whichever_is_strongest() -> None:
    strongest = ring("X", 30, 5, "12345678")
    oldest, between = ring("Y", 20, 1, "1234"), ring("Z", 10, 3, "5678")
    told = [(one.ring_id, one.merged_into) for one in built([strongest, oldest, between])]
    assert told == [("Y", None), ("X", "Y"), ("Z", "Y")]


def test_the_oldest_id_is_kept_day_by_day_also_after_a_merge() -> None:
    log = RingLog([])
    log.add([ring("A", 20, 1, "1234"), ring("E", 10, 2, "90ab")])
    log.add([ring("D", 30, 3, "123456")])
    assert [one.ring_id for one in log.standing] == ["A", "E"]
    said = RingLog(log.standing).add([ring("F", 40, 3, "12345690ab")])
    assert [(one.ring_id, one.merged_into) for one in said] == [("A", None), ("E", "A")]


def test_what_closes_a_window_but_is_ordinary_does_not_tell_it_again() -> None:
    habitual = [(float(day), "h", f"x{day}", 200.0) for day in range(0, 100, 2)]
    fan = [(100 + k / 10, f"p{3 * k}", "p50", 900.0 + k) for k in range(7)]
    rows = table([*ordinary(120, 60), *habitual, *fan, (101.0, "h", "p50", 900.0)])
    for last in (100, 101):
        day = (pl.col("occurred_at") - START).dt.total_days()
        view, begin = view_of_day(rows.filter(day <= last), START + timedelta(days=last))
        told = [one for one in fans_in(view, RingParams(), begin).candidates if one.deeds.size == 7]
        assert bool(told) == (last == 100)


def test_amounts_that_are_no_numbers_are_left_out() -> None:
    fan: list[Payment] = [(60 + k / 10, f"p{3 * k}", "p50", 900.0 + k) for k in range(7)]
    (ring,) = rings_in(table([*ordinary(), *fan])).to_dicts()
    no_number: list[Payment] = [
        (60.9, "p33", "p50", float("nan")),
        (60.9, "p36", "p50", float("inf")),
    ]
    assert rings_in(table([*ordinary(), *fan, *no_number])).to_dicts() == [ring]


def test_payments_in_that_a_chain_does_not_follow_are_counted() -> None:
    collected: list[Payment] = [(60 + k / 10, f"p{3 * k}", "p50", 900.0) for k in range(9)]
    rows = table([*ordinary(), *collected, (62, "p50", "p5", 900.0)]).lazy()
    assert search_rings(rows).cut["chain_hubs"] == 0
    assert search_rings(rows, params=RingParams(hub_counterparties=7)).cut["chain_hubs"] == 1
    state, _ = as_known(RingState.empty("f"), rows, params=RingParams(hub_counterparties=7))
    assert state.cut["chain_hubs"] == 1


def test_a_fan_in_step_may_miss_a_beat_that_went_to_somebody_usual() -> None:
    days = [30 + 23 * k for k in range(8)]
    beats: list[Payment] = [(day, "p7", f"n{day}", 500.0) for day in days if day != 122]
    usual: list[Payment] = [(122, "p7", "p8", 500.0)]
    # Near a beat, and near enough for a beat that may be early or late.
    near: list[Payment] = [(169, "p7", "m169", 41.0)]
    rows = table([*ordinary(240), *beats, *usual, *near])
    (ring,) = rings_in(rows).filter(pattern="fan_out", centre="f:account:p7").to_dicts()
    assert ring["accounts"] == [
        "f:account:p7",
        *(f"f:account:n{day}" for day in days if day != 122),
    ]
    assert ring["surprise_of_order"] > 0
    twice: list[Payment] = [(99, "p7", "p8", 500.0)]
    fewer = [beat for beat in beats if beat[0] != 99]
    (ring,) = (
        rings_in(table([*ordinary(240), *fewer, *usual, *twice]))
        .filter(pattern="fan_out", centre="f:account:p7")
        .to_dicts()
    )
    assert ring["surprise_of_order"] == 0


def test_an_old_payment_does_not_take_the_place_of_a_chains_end() -> None:
    passed_on: list[Payment] = [
        (60, "p3", "p20", 1000.0),
        (60.5, "p20", "p41", 999.0),
        (61, "p41", "p11", 998.0),
        (61.5, "p11", "p55", 997.0),
    ]
    before: list[Payment] = [(31.2, "p30", "p3", 40.0)]
    whole = [f"f:account:{name}" for name in ("p3", "p20", "p41", "p11", "p55")]
    for rows in (passed_on, [*before, *passed_on]):
        (ring,) = rings_in(table([*ordinary(), *rows])).filter(pattern="chain").to_dicts()
        assert ring["accounts"] == whole


def test_amounts_that_are_all_the_same_prove_nothing() -> None:
    names = ("p3", "p20", "p41", "p11", "p55")
    passed_on = [
        (60 + k / 2, payer, payee, 1000.0)
        for k, (payer, payee) in enumerate(itertools.pairwise(names))
    ]
    rows = table([*ordinary(), *passed_on])
    (ring,) = rings_in(rows).filter(pattern="chain").to_dicts()
    assert ring["surprise_of_amounts"] == 0
    fan: list[Payment] = [(60 + k / 10, f"p{3 * k}", "p50", 900.0) for k in range(7)]
    state, _ = as_known(RingState.empty("f"), table([*ordinary(), *fan]).lazy())
    (ring,) = state.rings.filter(pattern="fan_in").to_dicts()
    assert ring["surprise_of_amounts"] == 0


def test_payees_that_an_account_begins_with_are_no_part_of_its_fan() -> None:
    began: list[Payment] = [(31.1, "new", "w2", 500.0), (31.2, "new", "w3", 500.0)]
    after: list[Payment] = [
        (29.1, "new", "w0", 500.0),
        (30.1, "new", "w1", 500.0),
        (32.1, "new", "w4", 500.0),
        (32.2, "new", "w5", 500.0),
        (32.3, "new", "w6", 500.0),
    ]
    state, _ = as_known(
        RingState.empty("f"), table([*ordinary(60), *after[:2], *began, *after[2:]]).lazy()
    )
    (ring,) = state.rings.filter(pattern="fan_out").to_dicts()
    assert ring["accounts"] == [
        f"f:account:{name}" for name in ("new", "w0", "w1", "w4", "w5", "w6")
    ]


def test_a_fan_soon_after_learning_is_as_surprising_as_a_little_later() -> None:
    strangers = [
        (day + 0.95, f"s{day}x{k}", f"z{day}x{k}", 5.0 + k) for day in range(40) for k in range(3)
    ]
    surprise = {}
    for day in (22, 26):
        fan = [(day + k / 10, f"p{7 * k}", "hub", 500.0 + 90 * k) for k in range(5)]
        rows = table([*ordinary(40), *strangers, *fan]).lazy()
        state, _ = as_known(RingState.empty("f"), rows)
        ((surprise[day],),) = state.rings.filter(centre="f:account:hub").select("surprise").rows()
    assert surprise[22] > surprise[26] - 1
