"""Measurements as lines of CloudWatch's embedded metric format.

CloudWatch Logs makes metrics of such lines by itself, so no agent and no call is needed.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from resources.measurements import Measurement, Metric

MOST_METRICS: Final = 100
"""Metrics in one document at most, by the specification."""


def emf_lines(measurements: Iterable[Measurement], namespace: str) -> list[str]:
    """One JSON document a line, without line ends, none above 256 KiB.

    The bound follows from those of measurements: 100 metrics and 30 dimensions with names and
    values of 255 ASCII characters each.

    Args:
        measurements: What was measured.
        namespace: CloudWatch's namespace for all of them.
    """
    return [
        json.dumps(_document(one, some, namespace), separators=(",", ":"), allow_nan=False)
        for one in measurements
        for some in _hundreds(one.metrics)
    ]


def _document(measurement: Measurement, metrics: list[Metric], namespace: str) -> dict[str, object]:
    directive = {
        "Namespace": namespace,
        "Dimensions": [list(measurement.dimensions)],
        "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric in metrics],
    }
    metadata = {
        "Timestamp": round(measurement.at.timestamp() * 1000),
        "CloudWatchMetrics": [directive],
    }
    run = {} if measurement.run_id is None else {"run_id": measurement.run_id}
    values = {metric.name: metric.value for metric in metrics}
    if len({*run, *values, *measurement.dimensions}) < len(run) + len(values) + len(
        measurement.dimensions
    ):
        raise ValueError("a metric has the name of a dimension")
    return {"_aws": metadata, **measurement.dimensions, **run, **values}


def _hundreds(metrics: Iterable[Metric]) -> Iterator[list[Metric]]:
    remaining = iter(metrics)
    while some := list(islice(remaining, MOST_METRICS)):
        yield some
