import io
import zipfile

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.anomaly import Forest, column_medians, fit_forest
from gpu_ops.isolation_paths import average_path_length
from gpu_ops.matrices import FeatureMismatchError
from gpu_ops.model_files import ModelFileError, seal, unseal

COLUMNS = ("amount", "count", "constant")


def some_features(rows: int, seed: int = 0) -> pl.DataFrame:
    draws = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "transaction_id": [f"t{row}" for row in range(rows)],
            "amount": draws.lognormal(size=rows).astype(np.float32),
            "count": draws.integers(0, 9, rows),
            "constant": np.ones(rows, np.float32),
        }
    )


@pytest.fixture(scope="module")
def forest() -> Forest:
    return fit_forest(some_features(2_000), COLUMNS, seed=7, n_trees=25)


@pytest.fixture(scope="module")
def stored(forest: Forest) -> bytes:
    return forest.to_bytes()


def test_scores_are_those_of_scikit_learn(forest: Forest) -> None:
    rows = some_features(3_000, seed=1)
    expected = -forest.model.score_samples(rows.select(COLUMNS).to_numpy().astype(np.float32))
    found = forest.score(rows)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_a_tree_as_deep_as_its_samples_and_a_single_row_score_as_scikit_learn() -> None:
    for rows, samples in ((1, 256), (2, 256), (3, 256), (5_000, 4_096)):
        frame = some_features(rows)
        forest = fit_forest(frame, COLUMNS, seed=0, n_trees=5, max_samples=samples)
        expected = -forest.model.score_samples(frame.select(COLUMNS).to_numpy().astype(np.float32))
        np.testing.assert_allclose(forest.score(frame), expected, rtol=1e-6)


def test_neither_chunks_nor_threads_change_a_score(forest: Forest) -> None:
    rows = some_features(140_000, seed=2)
    together = forest.score(rows, threads=3)
    alone = np.concatenate([forest.score(rows.slice(at, 7_000)) for at in range(0, 140_000, 7_000)])
    np.testing.assert_array_equal(together, alone)


def test_an_outlier_is_odder_than_ordinary_rows(forest: Forest) -> None:
    rows = pl.DataFrame({"amount": [1.0, 500.0], "count": [4, 4], "constant": [1.0, 1.0]})
    ordinary, outlier = forest.score(rows)
    assert 0.3 < ordinary < 0.55 < outlier <= 1.0


def test_average_path_lengths_are_those_of_the_paper() -> None:
    # c(4) = 2 (ln 3 + 0.5772156649) - 2 * 3 / 4
    found = average_path_length(np.array([1, 2, 4]))
    np.testing.assert_allclose(found, [0.0, 1.0, 1.8516559070], atol=1e-9)


def test_nulls_are_filled_with_the_medians_of_the_fit() -> None:
    fitted = pl.DataFrame({"a": [1.0, 2.0, None, 9.0, float("nan")], "b": [None] * 5})
    assert column_medians(fitted, ["a", "b"]) == (2.0, 0.0)
    forest = fit_forest(fitted, ["a", "b"], seed=0, n_trees=10)
    with_nulls = pl.DataFrame(
        {"a": [None, 9.0], "b": [None, None]}, schema_overrides={"b": pl.Int8}
    )
    filled = pl.DataFrame({"a": [2.0, 9.0], "b": [0.0, 0.0]})
    np.testing.assert_array_equal(forest.score(with_nulls), forest.score(filled))


def test_no_rows_give_no_scores(forest: Forest) -> None:
    assert forest.score(some_features(3).clear()).shape == (0,)


def test_a_missing_column_is_named(forest: Forest) -> None:
    with pytest.raises(FeatureMismatchError, match="missing count") as caught:
        forest.score(some_features(3).drop("count"))
    assert caught.value.missing == ("count",)


def test_an_infinite_feature_is_refused_by_name(forest: Forest) -> None:
    rows = some_features(3).with_columns(pl.lit(float("inf")).alias("amount"))
    with pytest.raises(ValueError, match="infinite values in the features amount"):
        forest.score(rows)


def test_too_little_to_fit_on_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row and one column"):
        fit_forest(some_features(3).clear(), COLUMNS, seed=0)
    with pytest.raises(ValueError, match="at least one row and one column"):
        fit_forest(some_features(3), [], seed=0)


def test_a_stored_forest_scores_equally(forest: Forest, stored: bytes) -> None:
    again = Forest.from_bytes(stored)
    rows = some_features(500, seed=3)
    np.testing.assert_array_equal(again.score(rows), forest.score(rows))
    assert (again.columns, again.medians) == (forest.columns, forest.medians)


def test_equal_forests_store_equal_bytes() -> None:
    # skops numbers objects by their addresses, which differ between these two.
    one, other = (fit_forest(some_features(500), COLUMNS, seed=7, n_trees=9) for _ in range(2))
    assert one.to_bytes() == other.to_bytes()


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_a_truncated_or_altered_file_is_refused(stored: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(stored) - 1))
    flip = data.draw(st.integers(0, 255))
    altered = (
        stored[:at] if flip == 0 else stored[:at] + bytes([stored[at] ^ flip]) + stored[at + 1 :]
    )
    with pytest.raises(ModelFileError, match="truncated or altered"):
        Forest.from_bytes(altered)


def npy(array: npt.NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def repacked(stored: bytes, name: str, data: bytes) -> bytes:
    """The container with one member replaced and a checksum that fits."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(unseal(stored, "forest"))) as old,
        zipfile.ZipFile(buffer, "w") as new,
    ):
        for member in old.namelist():
            new.writestr(member, data if member == name else old.read(member))
    return seal(buffer.getvalue())


def test_a_sealed_file_with_wrong_content_is_refused(stored: bytes) -> None:
    for name, data in (
        ("columns.json", b'{"columns": ["amount"], "medians": [1.0], "scale": 1.0}'),
        ("columns.json", b'{"columns": ["a", "b", "c"], "medians": [1.0], "scale": 1.0}'),
        ("columns.json", b"[]"),
        ("features.npy", b"no array"),
        ("thresholds.npy", npy(np.zeros((25, 256), np.float64))),
        ("path_lengths.npy", npy(np.zeros((25, 100)))),
        ("path_lengths.npy", npy(np.full((25, 256), np.nan))),
    ):
        with pytest.raises(ModelFileError):
            Forest.from_bytes(repacked(stored, name, data))
    with pytest.raises(ModelFileError):
        Forest.from_bytes(seal(b""))
    with pytest.raises(ModelFileError, match="cannot be read"):
        _ = Forest.from_bytes(repacked(stored, "forest.skops", b"no zip")).model


def test_a_file_with_another_kind_of_model_is_refused(stored: bytes) -> None:
    import skops.io
    from sklearn.linear_model import LinearRegression

    other = repacked(stored, "forest.skops", skops.io.dumps(LinearRegression()))
    with pytest.raises(ModelFileError, match="LinearRegression"):
        _ = Forest.from_bytes(other).model
    untrusted = repacked(stored, "forest.skops", skops.io.dumps(io.StringIO))
    with pytest.raises(ModelFileError, match="cannot be read"):
        _ = Forest.from_bytes(untrusted).model


def test_trees_that_point_out_of_the_forest_are_refused(forest: Forest, stored: bytes) -> None:
    # A checksum that fits proves nothing about who wrote the file.
    beyond = npy(np.full((25, 256), 3, np.uint32))
    with pytest.raises(ModelFileError, match="test more than 3 columns"):
        Forest.from_bytes(repacked(stored, "features.npy", beyond))
    broken = Forest.from_bytes(forest.to_bytes()).model
    broken.estimators_[0].tree_.children_left[0] = 10**6
    with pytest.raises(ModelFileError, match="do not form a tree"):
        Forest.of(broken, COLUMNS, (0.0, 0.0, 0.0))
