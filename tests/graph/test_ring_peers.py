"""What peers let expect: hand-made numbers, and graphs of pure chance that hold no rings."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from gpu_ops.pattern_peers import Tally, Told, shapes
from gpu_ops.patterns import search_rings
from tests.graph.payments import START


def fresh_of(*deeds: tuple[int, int]) -> list[float]:
    """The share after each deed (day and account) of a feed of ten payments a day."""
    day, account = np.array(deeds).T
    through = (day + 1) * 10.0
    size = len(deeds)
    told, _ = Tally.empty(200).add(
        account.astype(np.int32), np.arange(size), size, through - 10.0, through
    )
    so_far = Told(np.cumsum(told.at_least, axis=0), np.cumsum(told.gaps))
    return [round(float(share), 4) for share in so_far.fresh(through)]


def shape_of(none: float, one: float, two: float, three: float) -> float:
    return float(shapes(*(np.array([count]) for count in (none, one, two, three)))[0])


def test_two_deeds_a_third_of_the_time_apart_are_no_cluster() -> None:
    # After both: 33 of 43.33 days, as the feed's clock goes, is far more than a third.
    assert fresh_of((0, 7), (33, 7)) == [1.0, 1.0]


def test_two_deeds_close_together_tell_of_clusters_as_time_goes_on() -> None:
    # Account 7: 5 days apart, 50 of the feed's payments. Another's first deed on day 59 makes it
    # 600 payments so far: 3 * 50 / 600. The third deed of 7 leaves nobody with just two.
    assert fresh_of((0, 7), (5, 7), (59, 8), (70, 7)) == [1.0, 1.0, 0.25, 1.0]


def test_two_deeds_of_one_day_lie_a_third_of_its_width_apart() -> None:
    # 10 / 3 payments apart: 3 * 3.333 / 100 of ten days, but no less than a tenth.
    assert fresh_of((0, 7), (0, 7), (9, 8)) == [1.0, 1.0, 0.1]


def test_where_hardly_anybody_has_two_deeds_nothing_is_told_of_clusters() -> None:
    ones = [(40, account) for account in range(100, 111)]
    assert fresh_of((0, 7), (1, 7), *ones)[-1] == 1.0
    # Ten others with one deed, and the one with two counts.
    assert fresh_of((0, 7), (1, 7), *ones[1:])[-1] == pytest.approx(3 * 10 / 410, abs=0.05)


@pytest.mark.parametrize(
    ("counts", "shape"),
    [
        # 2 * 150 * 400 / 200^2 = 3 = 1 + 1 / shape; held at 1, the least.
        ((400.0, 200.0, 150.0, 0.0), 1.0),
        # 2 * 60 * 400 / 200^2 = 1.2: shape 5.
        ((400.0, 200.0, 60.0, 9.0), 5.0),
        # Poisson numbers: 2 * 50 * 400 / 200^2 = 1.
        ((400.0, 200.0, 50.0, 9.0), 20.0),
        # Nobody has none: 3 * 90 * 200 / (2 * 150^2) = 1.2, so shape + 1 is 5.
        ((0.0, 200.0, 150.0, 90.0), 4.0),
        ((0.0, 200.0, 150.0, 50.0), 20.0),
        ((400.0, 0.0, 3.0, 0.0), 1.0),
        ((0.0, 200.0, 0.0, 0.0), 1.0),
    ],
)
def test_the_shape_comes_from_the_smallest_numbers(
    counts: tuple[float, float, float, float], shape: float
) -> None:
    assert shape_of(*counts) == pytest.approx(shape)


def clusters(*, payees: int, mean: float, follows: float, seed: int) -> pl.DataFrame:
    """Strangers pay payees once; some payments follow within a day or so of the one before."""
    random = np.random.default_rng(seed)
    # Geometric numbers: many payees have one or two payers, few have ten.
    n = random.geometric(1.0 / mean, payees)
    payee = np.repeat(np.arange(payees), n)
    at = random.uniform(0.0, 30.0 * 24, payee.size)
    for k in range(1, payee.size):
        if payee[k] == payee[k - 1] and random.random() < follows:
            at[k] = at[k - 1] + random.exponential(24.0)
    return pl.DataFrame(
        {
            "transaction_id": [f"{k:06d}" for k in range(payee.size)],
            "occurred_at": [START + timedelta(hours=float(hour)) for hour in at],
            "feed": ["f"] * payee.size,
            "kind": ["transfer"] * payee.size,
            "amount": random.lognormal(5.0, 1.0, payee.size),
            "payer": [f"payer{k}" for k in range(payee.size)],
            "payee": [f"payee{k}" for k in payee],
            "fraud_probability": pl.Series([None] * payee.size, dtype=pl.Float32),
        },
        schema_overrides={"occurred_at": pl.Datetime("us", "UTC")},
    )


def test_stars_of_chance_are_no_rings_even_where_payments_come_in_clusters() -> None:
    """Payers pay once, payees are paid by strangers: many stars, hardly a ring.

    A search that knows of no clusters finds 22 in the second of these tables.
    """
    for seed in (1, 2):
        for follows in (0.0, 0.5):
            table = clusters(payees=1_500, mean=4.0, follows=follows, seed=seed)
            found = search_rings(table.lazy()).rings
            assert found.height <= 3, (seed, follows, found.height)
