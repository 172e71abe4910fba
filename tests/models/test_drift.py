import math

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.drift import LEAST_ROWS, population_stability_index


def numbers(*groups: tuple[float, int]) -> pl.Series:
    return pl.Series([value for value, count in groups for _ in range(count)], dtype=pl.Float64)


def test_the_index_of_two_bins_is_the_formula() -> None:
    reference, current = numbers((1.0, 300), (2.0, 100)), numbers((1.0, 100), (2.0, 300))
    # Half a row in each bin: shares 300.5/401 and 100.5/401, the other way round later.
    p, q = 300.5 / 401, 100.5 / 401
    expected = (q - p) * math.log(q / p) + (p - q) * math.log(p / q)
    assert expected > 1.0
    found = population_stability_index(reference, current, bins=2)
    assert found is not None
    assert math.isclose(found, expected, rel_tol=1e-12)


def test_equal_samples_have_not_moved() -> None:
    sample = pl.Series([math.sin(k) for k in range(1_000)])
    assert population_stability_index(sample, sample) == 0.0


def test_a_shift_counts_and_two_gaps_hardly_do() -> None:
    sample = pl.Series([float(k % 100) for k in range(2_000)])
    moved = population_stability_index(sample, sample + 30.0)
    assert moved is not None
    assert moved > 0.25
    gaps = pl.concat([sample, pl.Series([None, float("nan")], dtype=pl.Float64)])
    found = population_stability_index(sample, gaps)
    assert found is not None
    assert 0.0 < found < 0.002


def test_few_rows_tell_nothing() -> None:
    few, enough = numbers((1.0, LEAST_ROWS - 1)), numbers((1.0, LEAST_ROWS))
    assert population_stability_index(few, enough) is None
    assert population_stability_index(enough, few) is None
    assert population_stability_index(enough, enough) == 0.0


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(0, 2**20))
def test_it_is_never_negative_and_sees_no_order(values: list[float], seed: int) -> None:
    reference = pl.Series(values * LEAST_ROWS)
    current = pl.Series([value * 1.01 + 1 for value in values] * LEAST_ROWS)
    found = population_stability_index(reference, current)
    assert found is not None
    assert found >= 0.0
    assert found == population_stability_index(reference, current.shuffle(seed=seed))
