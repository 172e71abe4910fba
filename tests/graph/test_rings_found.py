from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest

from gpu_ops.patterns import search_rings
from gpu_ops.ring_params import RING_SCHEMA, RingParams
from tests.graph.payments import START, Payment, ordinary, rings_in, table

IRREGULAR = [0, 3, 4, 9, 11, 17, 18, 20, 27, 29, 31, 38, 40, 41, 47, 52, 55, 57, 64, 66, 73, 74]
IRREGULAR += [79, 83, 86, 93, 95, 97, 104, 106, 110, 117]
FAN: list[Payment] = [(60 + k / 10, f"p{3 * k}", "p50", 900.0 + k) for k in range(7)]
CYCLE: list[Payment] = [
    (60, "p3", "p20", 1000.0),
    (60.5, "p20", "p41", 980.0),
    (61, "p41", "p11", 960.0),
    (62, "p11", "p3", 940.0),
]
SCATTER_GATHER: list[Payment] = [
    *((60 + k / 10, "p5", f"p{10 + 4 * k}", 500.0 + k) for k in range(5)),
    *((61 + k / 10, f"p{10 + 4 * k}", "p55", 480.0 + k) for k in range(5)),
]
GATHER_SCATTER: list[Payment] = [
    *((60 + k / 10, f"p{2 * k}", "p30", 700.0 + k) for k in range(5)),
    *((61 + k / 10, "p30", f"p{41 + 2 * k}", 690.0 + k) for k in range(5)),
]


def rings_of(payments: list[Payment], params: RingParams | None = None) -> pl.DataFrame:
    return rings_in(table(payments), params=params)


def planted(ring: Sequence[Payment]) -> tuple[pl.DataFrame, set[str]]:
    """Rings among ordinary traffic that holds `ring` as its last payments, and that ring's ids."""
    payments = table([*ordinary(), *ring])
    return rings_in(payments), set(payments["transaction_id"].tail(len(ring)))


@pytest.mark.parametrize(
    ("ring", "pattern"),
    [
        (FAN, "fan_in"),
        ([(day, payee, payer, amount) for day, payer, payee, amount in FAN], "fan_out"),
        (CYCLE, "cycle"),
        (SCATTER_GATHER, "scatter_gather"),
        (GATHER_SCATTER, "gather_scatter"),
    ],
)
def test_a_planted_ring_is_the_only_one_and_complete(ring: list[Payment], pattern: str) -> None:
    rings, identifiers = planted(ring)
    assert dict(rings.schema) == RING_SCHEMA
    assert rings["pattern"].to_list() == [pattern]
    row = rings.row(0, named=True)
    assert set(row["transaction_ids"]) == identifiers
    assert set(row["accounts"]) == {f"f:account:{who}" for _, p, q, _ in ring for who in (p, q)}
    assert row["amount"] == pytest.approx(sum(amount for *_, amount in ring))
    assert row["first_at"] == START + timedelta(days=min(day for day, *_ in ring))
    assert row["last_at"] == START + timedelta(days=max(day for day, *_ in ring))
    assert 0.5 < row["score"] <= 1.0


def test_ordinary_traffic_alone_has_no_ring() -> None:
    assert rings_of(ordinary()).is_empty()


def test_accounts_stand_in_the_order_of_their_roles() -> None:
    fan = planted(FAN)[0].row(0, named=True)
    assert fan["centre"] == fan["accounts"][0] == "f:account:p50"
    scattered = planted(SCATTER_GATHER)[0].row(0, named=True)
    assert scattered["accounts"][:2] == ["f:account:p5", "f:account:p55"]
    cycle = planted(CYCLE)[0].row(0, named=True)
    assert cycle["accounts"] == [f"f:account:{who}" for who in ("p3", "p20", "p41", "p11")]


def test_a_shop_that_strangers_pay_all_the_time_is_no_ring() -> None:
    customers: list[Payment] = [(0.4 * k, f"c{k}", "shop", 20.0 + (7 * k) % 31) for k in range(300)]
    assert rings_of([*ordinary(), *customers]).is_empty()


def test_a_hub_beyond_the_cap_is_left_out_and_counted() -> None:
    crowd: list[Payment] = [(60 + k / 200, f"c{k}", "p50", 900.0) for k in range(120)]
    found = search_rings(table([*ordinary(), *crowd]).lazy())
    assert found.rings.is_empty()
    assert found.cut["burst_hubs"] == 1
    higher = search_rings(
        table([*ordinary(), *crowd]).lazy(), params=RingParams(hub_counterparties=200)
    )
    assert higher.rings["n_transactions"].to_list() == [120]
    assert higher.cut["burst_hubs"] == 0


def test_a_payer_of_new_people_all_the_time_makes_no_fan_out() -> None:
    habit: list[Payment] = [(day, "payroll", f"w{day}", 300.0) for day in IRREGULAR]
    burst: list[Payment] = [(60 + k / 10, "payroll", f"x{k}", 300.0) for k in range(5)]
    assert rings_of([*ordinary(), *habit, *burst]).is_empty()


def test_payers_of_new_people_all_the_time_make_no_fan_in() -> None:
    habits: list[Payment] = [
        (day + k / 10, f"rota{k}", f"w{day}x{k}", 300.0) for k in range(7) for day in IRREGULAR
    ]
    burst: list[Payment] = [(60 + k / 10, f"rota{k}", "p50", 300.0 + k) for k in range(7)]
    assert "f:account:p50" not in rings_of([*ordinary(), *habits, *burst])["centre"].to_list()


def test_a_cycle_survives_one_habitual_payer() -> None:
    habit: list[Payment] = [(day, "p20", f"w{day}", 300.0) for day in range(0, 120, 6)]
    rings = rings_of([*ordinary(), *habit, *CYCLE])
    assert rings.filter(pl.col("pattern") == "cycle")["n_transactions"].to_list() == [4]


def test_cycle_steps_out_of_order_lower_its_shape() -> None:
    days = [60, 62, 61, 63]
    shuffled = [(day, p, q, amount) for day, (_, p, q, amount) in zip(days, CYCLE, strict=True)]
    assert planted(CYCLE)[0]["shape"].to_list() == [1.0]
    # From the earliest payment on: later, earlier, later.
    assert planted(shuffled)[0]["shape"].to_list() == [pytest.approx(2 / 3)]


@pytest.mark.parametrize(
    ("days", "back", "patterns"),
    [(1.0, 990.0, ["cycle"]), (1.0, 500.0, []), (3.0, 990.0, [])],
    ids=["soon and all", "soon and half", "late and all"],
)
def test_two_accounts_are_a_cycle_when_the_money_soon_comes_back(
    days: float, back: float, patterns: list[str]
) -> None:
    payments = [(60, "p3", "p20", 1000.0), (60 + days, "p20", "p3", back)]
    assert planted(payments)[0]["pattern"].to_list() == patterns


def test_no_cycle_is_longer_than_the_horizon() -> None:
    slow = [(60 + 12.0 * k, p, q, amount) for k, (_, p, q, amount) in enumerate(CYCLE)]
    assert "cycle" not in planted(slow)[0]["pattern"].to_list()


def test_money_passed_on_at_once_is_a_chain() -> None:
    path = ["p3", "p20", "p41", "p11", "p55"]
    chain = [(60 + k / 5, p, q, 1000.0 - k) for k, (p, q) in enumerate(pairwise(path))]
    rings, identifiers = planted(chain)
    row = rings.row(0, named=True)
    assert (row["pattern"], row["accounts"]) == ("chain", [f"f:account:{p}" for p in path])
    assert set(row["transaction_ids"]) == identifiers
    assert row["exposure"] == 1000.0


def test_months_of_strangers_at_one_interval_are_a_slow_fan() -> None:
    fan = [(30 + 8.0 * k, f"p{7 * k}", "p50", 100.0 * (k + 1)) for k in range(7)]
    rings, identifiers = planted(fan)
    row = rings.row(0, named=True)
    assert (row["pattern"], row["horizon"]) == ("fan_in", "slow")
    assert set(row["transaction_ids"]) == identifiers
    assert row["surprise_of_order"] > 5.0


def test_exposure_counts_no_money_twice() -> None:
    exposed = {
        ring["pattern"]: ring["exposure"]
        for some in (FAN, CYCLE, SCATTER_GATHER, GATHER_SCATTER)
        for ring in planted(some)[0].iter_rows(named=True)
    }
    assert exposed == {
        "fan_in": 6321.0,
        "cycle": 1000.0,
        "scatter_gather": 2510.0,
        "gather_scatter": 3510.0,
    }


def test_a_regular_payer_of_new_people_makes_no_fan() -> None:
    weekly: list[Payment] = [(day, "p20", f"w{day}", 300.0) for day in range(4, 120, 7)]
    assert rings_of([*ordinary(), *weekly]).is_empty()


def test_a_component_that_needs_too_many_steps_is_reported_as_dense() -> None:
    found = search_rings(table([*ordinary(), *CYCLE]).lazy(), params=RingParams(component_steps=2))
    assert found.cut["dense_components"] == 1
    assert found.dense["n_accounts"].to_list() == [4]
    assert search_rings(table([*ordinary(), *CYCLE]).lazy()).dense.is_empty()


def test_gathering_after_the_scattering_is_no_scatter_gather() -> None:
    backwards = [(122 - day, p, q, amount) for day, p, q, amount in SCATTER_GATHER]
    assert "scatter_gather" not in planted(backwards)[0]["pattern"].to_list()


def test_only_transfers_make_rings() -> None:
    payments = table([*ordinary(), *FAN]).with_columns(kind=pl.lit("payment"))
    assert rings_in(payments).is_empty()


def test_fraud_probabilities_weigh_a_quarter() -> None:
    payments = table([*ordinary(), *FAN])
    without = rings_in(payments).row(0, named=True)
    scored = payments.with_columns(fraud_probability=pl.lit(0.8, pl.Float32))
    with_model = rings_in(scored).row(0, named=True)
    assert without["probability"] is None
    assert with_model["probability"] == pytest.approx(0.8, abs=1e-6)
    assert with_model["score"] == pytest.approx(0.75 * without["score"] + 0.25 * 0.8, abs=1e-6)


def test_community_share_counts_the_accounts_of_the_commonest_community() -> None:
    payments = table([*ordinary(), *CYCLE])
    accounts = pl.DataFrame(
        {
            "account": [f"f:account:{who}" for who in ("p3", "p20", "p41", "p11")],
            "community": pl.Series([4, 4, 4, 9], dtype=pl.UInt32),
        }
    )
    rings = rings_in(payments, accounts)
    assert rings["community_share"].to_list() == [0.75]


def test_each_feed_has_rings_of_its_own() -> None:
    both = pl.concat([table([*ordinary(), *FAN], feed) for feed in ("one", "two")])
    rings = rings_in(both)
    assert sorted(rings["feed"]) == ["one", "two"]
    assert rings["ring_id"].n_unique() == 2


@pytest.mark.parametrize(
    "payments",
    [
        [],
        [(0, "a", "b", 5.0)],
        [(0, "a", "a", 5.0)],
        [(0, f"p{k}", "p50", 5.0) for k in range(20)],
        [(0, f"p{k}", f"p{(k + 1) % 5}", 3.0 + k) for k in range(5)],
        [*ordinary(), *((day, p, q, 0.0) for day, p, q, _ in FAN)],
        [*ordinary(), *((day, p, q, -amount) for day, p, q, amount in FAN)],
    ],
    ids=["none", "one", "to oneself", "one instant", "a cycle at once", "nothing", "reversed"],
)
def test_what_proves_nothing_gives_an_empty_table(payments: list[Payment]) -> None:
    rings = rings_of(payments)
    assert rings.is_empty()
    assert dict(rings.schema) == RING_SCHEMA
