"""Distances of two samples, worked out by hand."""

import math

import polars as pl
import pytest

from gpu_ops.drift import (
    LEAST_ROWS,
    categorical_index,
    distances,
    has_become_constant,
    kolmogorov_smirnov_distance,
    population_stability_index,
    wasserstein_distance,
)


def repeated(*groups: tuple[float | str | None, int]) -> pl.Series:
    return pl.Series([value for value, count in groups for _ in range(count)], strict=False)


def index(p: list[float], q: list[float]) -> float:
    return sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))


def test_absent_values_are_a_bin_of_their_own() -> None:
    reference = repeated((1.0, 200), (2.0, 200))
    current = repeated((1.0, 100), (2.0, 100), (None, 200))
    # The 9 quantiles are 1 (four of them), 1.5 and 2 (four), so 4 bins: up to 1, up to 1.5, up to
    # 2 and above; then the gaps. Half a row in each of the five makes 402.5.
    before = [one / 402.5 for one in (200.5, 0.5, 200.5, 0.5, 0.5)]
    after = [one / 402.5 for one in (100.5, 0.5, 100.5, 0.5, 200.5)]
    expected = index(before, after)
    found = population_stability_index(reference, current)
    assert found == pytest.approx(expected, rel=1e-12)
    assert expected > 2.0


def test_shares_of_categories_with_one_that_is_new_and_one_that_is_absent() -> None:
    reference = repeated(("card", 300), ("transfer", 100))
    current = repeated(("card", 100), ("cash_out", 200), (None, 100))
    # Card, cash out, transfer, none; half a row each makes 402.
    before = [one / 402 for one in (300.5, 0.5, 100.5, 0.5)]
    after = [one / 402 for one in (100.5, 200.5, 0.5, 100.5)]
    expected = index(before, after)
    assert categorical_index(reference, current) == pytest.approx(expected, rel=1e-12)
    found = distances(reference, current)
    assert found is not None
    assert (found.ks, found.wasserstein) == (None, None)
    assert (found.reference_null_share, found.null_share) == (0.0, 0.25)


def test_kolmogorov_and_smirnov_take_the_widest_gap() -> None:
    # Up to 2 lie all of the first and a quarter of the second; up to 1 half and none.
    first, second = pl.Series([1.0, 1.0, 2.0, 2.0, None]), pl.Series([2.0, 3.0, 3.0, float("nan")])
    assert kolmogorov_smirnov_distance(first, second) == pytest.approx(2 / 3)
    assert kolmogorov_smirnov_distance(first, pl.Series([None], dtype=pl.Float64)) is None


@pytest.mark.parametrize(
    ("reference", "current", "expected"),
    [
        # Quartiles 25 and 75; each quantile moves by 10: 10 / 50.
        (range(101), range(10, 111), 0.2),
        # Twice as wide: quantile u moves by 100 u, 50 on average, over 50.
        (range(101), range(0, 201, 2), 1.0),
        # The quartiles are equal: over the standard deviation, sqrt(0.1 * 0.9) = 0.3.
        ([0] * 90 + [1] * 10, [1] * 90 + [2] * 10, 1 / 0.3),
        ([5] * 10, [6] * 10, None),
    ],
)
def test_wasserstein_is_the_mean_move_in_spreads(
    reference: range | list[int], current: range | list[int], expected: float | None
) -> None:
    found = wasserstein_distance(pl.Series(reference), pl.Series(current))
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_two_halves_of_one_distribution_have_not_moved_and_a_shift_has() -> None:
    whole = pl.Series([(k * 7919) % 10_007 / 10_007 for k in range(4_000)])
    same = distances(whole[:2_000], whole[2_000:])
    shifted = distances(whole[:2_000], whole[2_000:] + 0.5)
    assert same is not None
    assert shifted is not None
    assert same.psi < 0.02
    assert same.ks is not None
    assert same.ks < 0.05
    assert shifted.psi > 1.0
    assert shifted.ks == pytest.approx(0.5, abs=0.03)
    # Half of a uniform distribution lies between its quartiles, so the shift is one spread.
    assert shifted.wasserstein == pytest.approx(1.0, abs=0.05)
    assert distances(whole.head(LEAST_ROWS - 1), whole) is None


def test_a_rare_flag_may_be_absent_and_a_common_one_may_not() -> None:
    rare = repeated((0.0, 999), (1.0, 1))
    common = repeated((0.0, 900), (1.0, 100))
    none = repeated((0.0, 200))
    assert not has_become_constant(rare, none)
    # Of 200 rows 20 were due, and of 199 fewer than 20.
    assert has_become_constant(common, none)
    assert not has_become_constant(common, none.head(199))
    assert not has_become_constant(none, none)
    assert not has_become_constant(common, common)
