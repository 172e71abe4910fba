"""Every line obeys the embedded metric format; the rules are written out here anew."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.emf import emf_lines
from resources.measurements import Measurement, Metric, drift_measurements

AT = datetime(2026, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)
UNITS = ("Seconds", "Milliseconds", "Bytes", "Count", "Percent", "None")
NAME = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255)


def check(line: str, namespace: str) -> dict[str, object]:
    """The rules of the specification's JSON schema and limits, by hand."""
    assert len(line.encode()) < 256 * 1024
    assert "\n" not in line
    document = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    metadata = document.pop("_aws")
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int)
    (directive,) = metadata["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert directive["Namespace"] == namespace
    assert 1 <= len(directive["Metrics"]) <= 100
    assert len({one["Name"] for one in directive["Metrics"]}) == len(directive["Metrics"])
    for one in directive["Metrics"]:
        assert set(one) == {"Name", "Unit"}
        assert one["Unit"] in UNITS
        value = document[one["Name"]]
        assert isinstance(value, int | float)
        assert math.isfinite(value)
    assert isinstance(directive["Dimensions"], list)
    for dimensions in directive["Dimensions"]:
        assert len(dimensions) <= 30
        for name in dimensions:
            assert isinstance(document[name], str)
            assert 1 <= len(document[name]) <= 1024
    assert isinstance(document, dict)
    return document


def test_a_line_is_what_cloudwatch_expects() -> None:
    measurement = Measurement(
        (Metric("RunSeconds", 12.5, "Seconds"), Metric("RunsFailed", 0, "Count")),
        {"Job": "ingest_upload"},
        AT,
        "5f7c",
    )
    (line,) = emf_lines([measurement], "FraudAssets")
    assert json.loads(line) == {
        "_aws": {
            "Timestamp": 1_769_853_600_500,
            "CloudWatchMetrics": [
                {
                    "Namespace": "FraudAssets",
                    "Dimensions": [["Job"]],
                    "Metrics": [
                        {"Name": "RunSeconds", "Unit": "Seconds"},
                        {"Name": "RunsFailed", "Unit": "Count"},
                    ],
                }
            ],
        },
        "Job": "ingest_upload",
        "run_id": "5f7c",
        "RunSeconds": 12.5,
        "RunsFailed": 0,
    }
    check(line, "FraudAssets")


def test_more_than_a_hundred_metrics_become_several_documents() -> None:
    metrics = tuple(Metric(f"M{number}", number, "Count") for number in range(201))
    lines = emf_lines([Measurement(metrics, {}, AT)], "N")
    documents = [check(line, "N") for line in lines]
    assert [len(one) for one in documents] == [100, 100, 1]
    assert {name: value for one in documents for name, value in one.items()} == {
        f"M{number}": number for number in range(201)
    }


def test_the_largest_document_stays_below_the_limit() -> None:
    metrics = tuple(
        Metric(f"{number:03d}" + '"' * 252, -1.7976931348623157e308, "Milliseconds")
        for number in range(100)
    )
    dimensions = {f"{number:02d}" + '"' * 253: '"' * 255 for number in range(30)}
    (line,) = emf_lines([Measurement(metrics, dimensions, AT)], "N" * 255)
    check(line, "N" * 255)


@given(
    metrics=st.dictionaries(
        NAME, st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(UNITS))
    ),
    values=st.lists(NAME, max_size=30),
    hours=st.integers(-12, 12),
)
@settings(deadline=None, max_examples=50)
def test_every_measurement_becomes_valid_lines(
    metrics: dict[str, tuple[float, str]], values: list[str], hours: int
) -> None:
    dimensions = {f" {number}": value for number, value in enumerate(values)}
    made = tuple(Metric(name, value, unit) for name, (value, unit) in metrics.items())  # type: ignore[arg-type]
    at = AT.astimezone(timezone(timedelta(hours=hours)))
    found: dict[str, object] = {}
    for line in emf_lines([Measurement(made, dimensions, at)], "N"):
        assert json.loads(line)["_aws"]["Timestamp"] == 1_769_853_600_500
        found |= check(line, "N")
    assert found == (
        {**dimensions, **{name: one[0] for name, one in metrics.items()}} if made else {}
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="which CloudWatch refuses"):
        Metric("M", value, "None")


@pytest.mark.parametrize(
    ("dimensions", "words"),
    [
        ({str(number): "x" for number in range(31)}, "31 dimensions; 30 at most"),
        ({":a": "x"}, "begins with a colon"),
        ({"a": ""}, "cannot be part of a dimension"),
        ({"a": "ü"}, "cannot be part of a dimension"),
        ({"a": "x" * 256}, "cannot be part of a dimension"),
    ],
)
def test_dimensions_that_cloudwatch_refuses_are_refused(
    dimensions: dict[str, str], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Measurement((Metric("M", 1, "None"),), dimensions, AT)


def test_names_do_not_collide() -> None:
    with pytest.raises(ValueError, match="a metric twice"):
        Measurement((Metric("M", 1, "None"), Metric("M", 2, "None")), {}, AT)
    clash = Measurement((Metric("Job", 1, "None"),), {"Job": "x"}, AT)
    with pytest.raises(ValueError, match="the name of a dimension"):
        emf_lines([clash], "N")


def test_a_moment_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        Measurement((Metric("M", 1, "None"),), {}, AT.replace(tzinfo=None))


def test_drift_is_one_metric_for_each_column() -> None:
    found = drift_measurements("card", {"amount": 0.25, "kind": math.nan}, AT, "5f7c")
    assert found == [
        Measurement(
            (Metric("PopulationStabilityIndex", 0.25, "None"),),
            {"Feed": "card", "Column": "amount"},
            AT,
            "5f7c",
        )
    ]
