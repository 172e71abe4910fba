"""Whole searches at their edges: parts of a deed, limits of evidence, and what is kept."""

from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest

from gpu_ops.pattern_deeds import DAY, Deeds, Payments
from gpu_ops.pattern_peers import PeerCounts, Traffic, hindsight_prior
from gpu_ops.pattern_state import RingState
from gpu_ops.patterns import as_known, hindsight, search_rings
from gpu_ops.ring_params import RingParams
from tests.graph.payments import START, Payment, ordinary, rings_in, table

END_OF_DAY = pl.duration(days=1) - pl.duration(microseconds=1)
# Nobody's weekly day: what a payer pays then may be held for its rhythm.
FAN: list[Payment] = [
    (60 + k / 10, f"p{payer}", "p50", 900.0) for k, payer in enumerate((0, 3, 6, 9, 12, 15, 19))
]
CYCLE: list[Payment] = [
    (60, "p3", "p20", 1000.0),
    (60.5, "p20", "p41", 1000.0),
    (61, "p41", "p11", 1000.0),
    (62, "p11", "p3", 1000.0),
]
PATH = ["p3", "p20", "p41", "p11", "p55", "p30"]
CHAIN: list[Payment] = [
    (60 + k / 5, payer, payee, (1000.0, 10.0, 5000.0, 20.0, 900.0)[k])
    for k, (payer, payee) in enumerate(pairwise(PATH))
]
SCATTER_GATHER: list[Payment] = [
    *((60 + k / 10, "p5", f"p{10 + 4 * k}", 500.0 + k) for k in range(5)),
    *((61 + k / 10, f"p{10 + 4 * k}", "p55", 480.0 + k) for k in range(5)),
]
GATHER_SCATTER: list[Payment] = [
    *((60 + k / 10, f"p{2 * k}", "p30", 700.0 + k) for k in range(5)),
    *((61 + k / 10, "p30", f"p{41 + 2 * k}", 690.0 + k) for k in range(5)),
]
ODD: list[Payment] = [
    (10.3, "p7", "p33", 3.0),
    (33.1, "p22", "p9", 9000.0),
    (77.7, "p31", "p2", 40.0),
    (99.2, "p13", "p48", 90_000.0),
]
"""Single payments between strangers, of all sizes."""


def known(*pieces: pl.DataFrame) -> tuple[RingState, pl.DataFrame]:
    state, said = RingState.empty("f"), []
    for piece in pieces:
        state, new = as_known(state, piece.lazy())
        said.append(new)
    return state, pl.concat(said)


def days(rows: pl.DataFrame, first: int, stop: int) -> pl.DataFrame:
    day = (pl.col("occurred_at") - START).dt.total_days()
    return rows.filter(day >= first, day < stop)


def test_as_known_a_ring_holds_no_part_that_was_paid_after_its_day() -> None:
    parts: list[Payment] = [
        (60.95, "p0", "p50", 10.0),
        # The first moment of the next day, and later.
        (61.0, "p3", "p50", 20.0),
        (62.0, "p6", "p50", 40.0),
    ]
    rows = table([*ordinary(), *FAN, *parts])
    _, said = known(rows)
    (ring,) = said.to_dicts()
    assert (ring["n_transactions"], ring["amount"], ring["exposure"]) == (8, 6310.0, 6310.0)
    (whole,) = rings_in(rows).to_dicts()
    assert (whole["n_transactions"], whole["amount"], whole["exposure"]) == (10, 6370.0, 6370.0)
    # Hindsight knows of it what all days told; the last payment is of day 119.
    assert rings_in(rows).select(pl.col("known_at") == START + pl.duration(days=119) + END_OF_DAY)[
        "known_at"
    ].to_list() == [True]


@pytest.mark.parametrize(("microseconds", "n"), [(0, 8), (1, 7)])
def test_as_known_what_is_paid_up_to_a_burst_later_is_of_the_deed(
    microseconds: int, n: int
) -> None:
    """The first payer of a fan over four days pays again three days later, to the microsecond."""
    fan = [(60 + 0.7 * k, *payment[1:]) for k, payment in enumerate(FAN)]
    again = table([(63, "p0", "p50", 10.0)], prefix="u").with_columns(
        pl.col("occurred_at") + pl.duration(microseconds=microseconds)
    )
    _, said = known(pl.concat([table([*ordinary(), *fan]), again]))
    assert said.filter(pattern="fan_in")["n_transactions"].to_list()[-1] == n


def test_two_payers_who_come_twice_are_no_fan() -> None:
    twice = [
        (60.0, "p2", "p30", 700.0),
        (60.1, "p4", "p30", 701.0),
        (64.0, "p2", "p30", 702.0),
        (64.1, "p4", "p30", 703.0),
    ]
    assert rings_in(table([*ordinary(), *twice])).is_empty()
    four = [(day, f"p{2 + 2 * k}", "p30", amount) for k, (day, *_, amount) in enumerate(twice)]
    assert rings_in(table([*ordinary(), *four]))["pattern"].to_list() == ["fan_in"]


def test_as_known_who_pays_strangers_in_a_rhythm_is_no_part_of_a_fan() -> None:
    weekly = [(22.3 + 7 * k, "p44", f"new{k}", 300.0) for k in range(5)]
    payers = [3, 6, 9, 12, 16, 18]
    fan = [(57 + k / 10, f"p{payer}", "p50", 900.0) for k, payer in enumerate(payers)]
    # On day 43 the rhythm of p44 was known, on day 57 it pays just as many.
    _, said = known(table([*ordinary(), *weekly, (57.35, "p44", "p50", 900.0), *fan]))
    (ring,) = said.filter(pattern="fan_in").to_dicts()
    assert ring["accounts"] == [f"f:account:p{k}" for k in (50, *payers)]


@pytest.mark.parametrize(
    ("ring", "pattern"),
    [
        (FAN, "fan_in"),
        (CYCLE, "cycle"),
        (CHAIN, "chain"),
        (SCATTER_GATHER, "scatter_gather"),
        (GATHER_SCATTER, "gather_scatter"),
    ],
)
def test_a_ring_needs_as_much_surprise_as_is_asked(ring: list[Payment], pattern: str) -> None:
    rows = table([*ordinary(), *ring])
    (found,) = rings_in(rows).to_dicts()
    assert found["pattern"] == pattern
    assert found["surprise"] > 3.0
    parts = [found[f"surprise_of_{part}"] for part in ("habit", "order", "amounts")]
    assert sum(parts) == pytest.approx(found["surprise"])
    for more, patterns in ((-0.01, [pattern]), (0.01, [])):
        asked = RingParams(min_surprise=found["surprise"] + more)
        # No fan that is over within a burst's time passes for a slow one, either.
        left = rings_in(rows, params=asked).filter(pl.col("pattern") == pattern)
        assert left["pattern"].to_list() == patterns


@pytest.mark.parametrize("back_to", ["p45", "p33"], ids=["cycle", "chain"])
def test_as_known_money_that_goes_in_a_rhythm_is_not_passed_on(back_to: str) -> None:
    """The rhythm of p45 was known on day 43; on day 57 it pays in step, on day 58 not."""
    weekly = [(22.3 + 7 * k, "p45", f"new{k}", 300.0) for k in range(5)]
    for day, is_passed_on in ((57.0, False), (58.0, True)):
        path = [
            (day + 0.1 * k, payer, payee, 700.0 + 90 * k)
            for k, (payer, payee) in enumerate(pairwise(["p45", "p48", "p20", "p7", back_to]))
        ]
        rows = table([*ordinary(), *weekly, *path])
        first = rows["transaction_id"][-len(path)]
        said = known(rows)[1].filter(pl.col("pattern").is_in(["cycle", "chain"]))
        assert said["transaction_ids"].list.contains(first).any() is is_passed_on


def test_equal_amounts_among_unequal_ones_are_evidence_for_a_cycle() -> None:
    (ring,) = rings_in(table([*ordinary(), *CYCLE, *ODD])).to_dicts()
    # Three differences, held at a fifth of the usual deviation: 3 / 2 * (0.04 - 1 - ln 0.04).
    assert ring["surprise_of_amounts"] == pytest.approx(3.3883, abs=1e-4)
    assert ring["coherence"] == 1.0


def test_a_cycle_at_one_instant_runs_in_the_order_of_time() -> None:
    at_once: list[Payment] = [(60.0, payer, payee, amount) for _, payer, payee, amount in CYCLE]
    (ring,) = rings_in(table([*ordinary(), *at_once])).to_dicts()
    assert (ring["pattern"], ring["shape"]) == ("cycle", 1.0)


def test_two_payments_passed_on_are_no_chain_and_three_are() -> None:
    for n, patterns in ((2, []), (3, ["chain"])):
        rows = table([*ordinary(), *CHAIN[:n]])
        assert rings_in(rows, params=RingParams(min_surprise=1.0))["pattern"].to_list() == patterns


def test_a_chain_has_no_more_accounts_than_allowed() -> None:
    (ring,) = rings_in(table([*ordinary(), *CHAIN])).to_dicts()
    assert ring["n_accounts"] == 6
    short = rings_in(table([*ordinary(), *CHAIN]), params=RingParams(chain_accounts=(4, 5)))
    assert short["n_accounts"].to_list() == [5]


def test_a_chain_visits_no_account_twice() -> None:
    there = ["p3", "p20", "p41", "p11", "p20", "p55"]
    loop = [(60 + k / 5, p, q, 1000.0) for k, (p, q) in enumerate(pairwise(there))]
    (ring,) = rings_in(table([*ordinary(), *loop])).to_dicts()
    assert ring["pattern"] == "cycle"
    assert sorted(ring["accounts"]) == [f"f:account:{name}" for name in ("p11", "p20", "p41")]


def test_what_is_kept_tells_of_sums_in_many_parts() -> None:
    """Four pay a hub in four parts each, over just three days, and one pays often."""
    parts: list[Payment] = [
        (60.0 + day, f"s{k}", "hub", 100.0 + k) for k in range(4) for day in (0, 1, 2, 3)
    ]
    often: list[Payment] = [(day, "s9", "hub", 50.0) for day in (60.0, 62.0, 64.0)]
    rows = table([*ordinary(), *parts, *often])
    fresh = search_rings(rows.lazy())
    assert fresh.rings["n_transactions"].to_list() == [16]
    for cut in (61, 62, 64, 70):
        kept = hindsight(known(days(rows, 0, cut), days(rows, cut, 200))[0])
        assert kept.rings.equals(fresh.rings)
        assert kept.cut == fresh.cut


def test_of_a_pair_that_pays_often_only_the_first_burst_is_kept() -> None:
    rows = table([(day, "a", "b", 1.0) for day in (60.0, 61.0, 63.0, 63.5, 70.0)])
    for cut in (0, 61, 63, 70):
        state, _ = known(days(rows, 0, cut), days(rows, cut, 200))
        told = state.pairs.select("n", *(pl.col(c) - START for c in ("first_at", "last_at")))
        assert told.rows() == [(5, timedelta(60), timedelta(70))]
        kept = (state.payments["occurred_at"] - START).sort().to_list()
        assert kept == [timedelta(60), timedelta(61), timedelta(63)]
        assert state.days.sort("day")["n"].to_list() == [1, 1, 2, 1]


def test_more_of_a_day_that_was_taken_in_is_refused() -> None:
    rows = table([(0.25, "a", "b", 1.0), (0.5, "a", "c", 1.0)])
    state, _ = known(rows.head(1))
    with pytest.raises(ValueError, match="payments of 2026-01-01 come after those of 2026-01-01"):
        as_known(state, rows.tail(1).lazy())


def test_peers_of_payers_are_payers() -> None:
    rows = [(10.0 * k, f"a{k}", f"b{k}", 1.0) for k in range(4)]
    payments = Payments.of(table(rows))
    deeds = Deeds.of_rare_pairs(payments, payments.by_payer(), 2, RingParams().burst)
    first = int(payments.at[0]) // DAY
    traffic = Traffic.of(pl.int_range(first, first + 100, eager=True).to_numpy())
    prior = hindsight_prior(deeds, traffic, PeerCounts(payers=10, payees=20, accounts=25))
    # Four of ten have one deed and nobody two: as even as may be, a shape of 20.
    assert prior.shape[:, 0].tolist() == [20.0, 20.0]
    # The ten have four deeds in 100 payments: one each in 250.
    assert prior.weight[:, 0].tolist() == [20 * 250.0, 20 * 500.0]
    assert prior.accounts.tolist() == [25.0] * 4
