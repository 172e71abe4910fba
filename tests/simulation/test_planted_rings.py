"""Each planted ring is what its pattern says, judged here from the transactions alone."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest

from simulator import Simulation, simulate

Hop = tuple[str, str, float, float]
"""Payer, payee, amount, seconds."""


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate(rows=60_000, days=30, rings=33, seed=11)


@pytest.fixture(scope="module")
def rings(simulation: Simulation) -> dict[str, tuple[str, list[Hop]]]:
    """Ring to its pattern and its payments in order of time."""
    joined = simulation.truth.join(
        simulation.transactions.select(
            "transaction_id", "occurred_at", "amount", "kind", payer="payer_id", payee="payee_id"
        ),
        on="transaction_id",
        how="left",
        validate="1:1",
    ).sort("occurred_at")
    assert (joined["payer"] == joined["payer_id"]).all()
    assert (joined["payee"] == joined["payee_id"]).all()
    assert set(joined["kind"]) == {"transfer"}
    found = {}
    for (ring,), rows in joined.group_by("ring_id"):
        hops = [
            (str(payer), str(payee), float(amount), at.timestamp())
            for payer, payee, amount, at in rows.select(
                "payer", "payee", "amount", "occurred_at"
            ).iter_rows()
        ]
        found[str(ring)] = (rows["pattern"][0], hops)
    return found


def _star(hops: list[Hop], centre: int) -> bool:
    """Whether all hops share one account on side `centre`, and the other sides all differ."""
    others = [hop[1 - centre] for hop in hops]
    return len({hop[centre] for hop in hops}) == 1 and len(set(others)) == len(others)


def test_patterns_are_dealt_out_evenly_the_rest_in_order(
    rings: dict[str, tuple[str, list[Hop]]],
) -> None:
    assert Counter(pattern for pattern, _ in rings.values()) == {
        "fan_in": 7,
        "fan_out": 7,
        "cycle": 7,
        "scatter_gather": 6,
        "gather_scatter": 6,
    }
    assert min(rings) == "ring-0001"
    assert max(rings) == "ring-0033"


@pytest.mark.parametrize(("pattern", "centre"), [("fan_in", 1), ("fan_out", 0)])
def test_fans(rings: dict[str, tuple[str, list[Hop]]], pattern: str, centre: int) -> None:
    for name, hops in rings.values():
        if name == pattern:
            assert _star(hops, centre)
            assert 5 <= len(hops) <= 15


def test_cycles_come_back_with_a_little_less_at_every_hop(
    rings: dict[str, tuple[str, list[Hop]]],
) -> None:
    for name, hops in rings.values():
        if name == "cycle":
            assert 3 <= len(hops) <= 8
            assert len({hop[0] for hop in hops}) == len(hops)
            for before, after in zip(hops, [*hops[1:], hops[0]], strict=True):
                assert after[0] == before[1]
            for before, after in pairwise(hops):
                assert after[3] > before[3]
                assert 0.93 * before[2] <= after[2] <= 0.991 * before[2]


def test_scatter_gather_goes_through_the_middle_once(
    rings: dict[str, tuple[str, list[Hop]]],
) -> None:
    for name, hops in rings.values():
        if name == "scatter_gather":
            scatter, gather = hops[: len(hops) // 2], hops[len(hops) // 2 :]
            assert _star(scatter, 0)
            assert _star(gather, 1)
            assert scatter[0][0] != gather[0][1]
            received = {hop[1]: hop for hop in scatter}
            assert {hop[0] for hop in gather} == set(received)
            for hop in gather:
                assert hop[3] > received[hop[0]][3]
                assert 0.93 * received[hop[0]][2] <= hop[2] <= 0.991 * received[hop[0]][2]


def test_gather_scatter_sends_out_what_came_in_less_a_cut(
    rings: dict[str, tuple[str, list[Hop]]],
) -> None:
    for name, hops in rings.values():
        if name == "gather_scatter":
            hub = Counter(account for hop in hops for account in hop[:2]).most_common(1)[0][0]
            gather = [hop for hop in hops if hop[1] == hub]
            scatter = [hop for hop in hops if hop[0] == hub]
            assert len(gather) >= 3
            assert len(scatter) >= 3
            assert len(gather) + len(scatter) == len(hops)
            assert _star(gather, 1)
            assert _star(scatter, 0)
            assert max(hop[3] for hop in gather) < min(hop[3] for hop in scatter)
            came, went = sum(hop[2] for hop in gather), sum(hop[2] for hop in scatter)
            assert 0.93 * came <= went <= 0.991 * came


def test_a_ring_lasts_hours_to_days(rings: dict[str, tuple[str, list[Hop]]]) -> None:
    lengths = [hops[-1][3] - hops[0][3] for _, hops in rings.values()]
    assert max(lengths) <= timedelta(days=5, hours=1).total_seconds()
    assert min(lengths) >= timedelta(hours=1).total_seconds()


def test_roles_follow_the_shape(simulation: Simulation) -> None:
    roles = simulation.truth.select("pattern", "role").unique().rows()
    assert set(roles) == {
        ("fan_in", "gather"),
        ("fan_out", "scatter"),
        ("cycle", "hop"),
        ("scatter_gather", "scatter"),
        ("scatter_gather", "gather"),
        ("gather_scatter", "gather"),
        ("gather_scatter", "scatter"),
    }


def test_members_are_in_one_ring_and_make_ordinary_payments_too(simulation: Simulation) -> None:
    truth = simulation.truth
    members = pl.concat(
        [truth.select("ring_id", account=column) for column in ("payer_id", "payee_id")]
    ).unique()
    assert members["account"].n_unique() == members.height
    ordinary = (
        simulation.transactions.filter(~pl.col("is_fraud"))
        .group_by(account="payer_id")
        .len("payments")
    )
    own = members.join(ordinary, on="account", how="left")
    assert own["payments"].null_count() == 0
    assert own["payments"].min() >= 3  # type: ignore[operator]


def test_every_ring_transaction_is_labelled_fraud(simulation: Simulation) -> None:
    labelled = simulation.transactions.join(simulation.truth, on="transaction_id")
    assert labelled.height == simulation.truth.height
    assert labelled["is_fraud"].all()
