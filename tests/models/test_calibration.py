import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_ops.calibration import Calibration, fit_calibration
from gpu_ops.logistic import fit_line, sigmoid
from gpu_ops.model_files import ModelFileError


def margins_with_true_line(
    slope: float, intercept: float, rows: int = 200_000
) -> tuple[
    np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]
]:
    draws = np.random.default_rng(3)
    margin = draws.normal(size=rows)
    return margin, draws.random(rows) < 1 / (1 + np.exp(-(slope * margin + intercept)))


def test_it_finds_the_line_that_made_the_labels() -> None:
    found = fit_calibration(*margins_with_true_line(1.7, -2.0))
    assert found.method == "platt"
    assert found.slope == pytest.approx(1.7, abs=0.03)
    assert found.intercept == pytest.approx(-2.0, abs=0.03)


def test_mean_probability_is_the_fraud_rate_of_the_window() -> None:
    margin, labels = margins_with_true_line(0.6, -3.0)
    found = fit_calibration(margin, labels).probability(margin)
    assert found.mean() == pytest.approx(labels.mean(), rel=1e-3)


def test_it_is_the_fit_of_scikit_learn() -> None:
    from sklearn.calibration import _SigmoidCalibration

    margin, labels = margins_with_true_line(1.2, -2.5, rows=2_000)
    reference = _SigmoidCalibration().fit(margin, labels)
    found = fit_calibration(margin, labels)
    assert (found.slope, found.intercept) == pytest.approx((-reference.a_, -reference.b_), rel=1e-4)


def test_a_weight_counts_as_that_many_rows() -> None:
    margin, labels = margins_with_true_line(1.0, -1.0, rows=400)
    weights = np.where(labels, 1.0, 3.0).astype(np.float32)
    three_times = np.repeat(np.arange(400), weights.astype(int))
    weighted = fit_calibration(margin, labels, weights)
    repeated = fit_calibration(margin[three_times], labels[three_times])
    assert weighted.slope == pytest.approx(repeated.slope, rel=1e-6)
    assert weighted.intercept == pytest.approx(repeated.intercept, rel=1e-6)


def test_a_margin_that_separates_the_classes_gets_a_finite_slope() -> None:
    margin = np.array([-2.0, -1.0, 1.0, 2.0])
    found = fit_calibration(margin, margin > 0)
    assert found.method == "platt"
    assert 0 < found.slope < 10
    # Symmetric rows with targets 3/4 and 1/4: log-odds 0 in the middle.
    assert found.intercept == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([False, False, False], "the validation window has no fraud"),
        ([True, True, True], "the validation window has no legitimate row"),
        ([True, False, False], "does not rise with fraud"),
    ],
)
def test_the_stated_fallback_leaves_the_boosters_own_probability(
    labels: list[bool], reason: str
) -> None:
    found = fit_calibration(np.array([-1.0, 0.0, 1.0]), np.array(labels))
    assert (found.method, found.slope, found.intercept) == ("identity", 1.0, 0.0)
    assert reason in found.reason
    assert found.probability(np.array([0.0])).tolist() == [0.5]


def test_a_constant_margin_falls_back() -> None:
    found = fit_calibration(np.zeros(4), np.array([True, False, False, False]))
    assert found.method == "identity"


def test_no_rows_fall_back() -> None:
    assert fit_calibration(np.zeros(0), np.zeros(0, np.bool_)).method == "identity"


def test_a_margin_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        fit_calibration(np.array([0.0, np.nan]), np.array([True, False]))


@settings(deadline=None, max_examples=50)
@given(
    margin=st.lists(st.floats(-8, 8, width=32), min_size=4, max_size=40, unique=True),
    labels=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_calibration_never_changes_the_order(margin: list[float], labels: list[bool]) -> None:
    values = np.array(margin, np.float32)
    found = fit_calibration(values, np.array(labels[: len(margin)]))
    ordered = np.linspace(-15.0 / found.slope, 15.0 / found.slope, 100)
    ordered -= found.intercept / found.slope
    assert (np.diff(found.probability(ordered)) > 0).all()


def test_a_stored_calibration_is_equal() -> None:
    found = fit_calibration(*margins_with_true_line(0.9, -4.0, rows=500))
    assert Calibration.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"method": "platt", "slope": 1.0}',
        b'{"method": "platt", "slope": -1.0, "intercept": 0.0, "reason": ""}',
        b'{"method": "magic", "slope": 1.0, "intercept": 0.0, "reason": ""}',
        b'{"method": "platt", "slope": NaN, "intercept": 0.0, "reason": ""}',
    ],
)
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError, match="calibration file cannot be read"):
        Calibration.from_json(data)


def test_the_logistic_function_does_not_overflow() -> None:
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]


def test_no_line_fits_separated_targets() -> None:
    x = np.array([-1.0, 1.0])
    assert fit_line(x, np.array([0.0, 1.0]), np.ones(2)) is None
