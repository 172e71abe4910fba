"""What is measured: named numbers with a unit, a moment and a few dimensions."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

Unit: TypeAlias = Literal["Seconds", "Milliseconds", "Bytes", "Count", "Percent", "None"]

DRIFT: Final = "PopulationStabilityIndex"
"""The metric of drift; one value for each column of a feed."""

# Of API_MetricDatum and API_Dimension in
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/.
_LONGEST_NAME: Final = 255
_LONGEST_DIMENSION: Final = 255
_MOST_DIMENSIONS: Final = 30


@dataclass(frozen=True)
class Metric:
    """One number.

    Attributes:
        name: What it is, such as `RunSeconds`.
        value: Finite.
        unit: CloudWatch's word for the unit.
    """

    name: str
    value: float
    unit: Unit

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"the metric {self.name} is {self.value}, which CloudWatch refuses")
        if not self.name.isascii() or not 0 < len(self.name) <= _LONGEST_NAME:
            raise ValueError(f"{self.name!r} cannot name a metric")


@dataclass(frozen=True)
class Measurement:
    """Numbers of one moment under the same dimensions.

    Every combination of dimension values is a metric of its own, and is paid for; so they are
    names of jobs, assets and feeds, never of runs, files or accounts.

    Attributes:
        metrics: The numbers, each name once.
        dimensions: Name to value, 30 at most.
        at: When, with time zone.
        run_id: The run that they tell of; to be searched for, no dimension.
    """

    metrics: tuple[Metric, ...]
    dimensions: Mapping[str, str]
    at: datetime
    run_id: str | None = field(default=None)

    def __post_init__(self) -> None:
        if len({metric.name for metric in self.metrics}) != len(self.metrics):
            raise ValueError("a measurement has a metric twice")
        if len(self.dimensions) > _MOST_DIMENSIONS:
            raise ValueError(f"{len(self.dimensions)} dimensions; {_MOST_DIMENSIONS} at most")
        for name, value in self.dimensions.items():
            for text in (name, value):
                if not text.strip() or not text.isascii() or len(text) > _LONGEST_DIMENSION:
                    raise ValueError(f"{text!r} cannot be part of a dimension")
            if name.startswith(":"):
                raise ValueError(f"the dimension {name!r} begins with a colon")
        if self.at.utcoffset() is None:
            raise ValueError("the moment of a measurement needs a time zone")


class MetricSink(Protocol):
    """Whoever takes measurements."""

    def emit(self, measurements: Iterable[Measurement]) -> None:
        """Takes measurements; MetricsError where they cannot be handed on."""
        ...


class MetricsError(Exception):
    """Measurements could not be handed on; the message says where and what to do."""


def drift_measurements(
    feed: str, index_of: Mapping[str, float], at: datetime, run_id: str | None = None
) -> list[Measurement]:
    """The population stability index of each column of a feed, as measurements.

    Args:
        feed: The feed.
        index_of: Column to index; those that are not finite are left out.
        at: When the drift was measured.
        run_id: The run that measured it.
    """
    return [
        Measurement((Metric(DRIFT, index, "None"),), {"Feed": feed, "Column": column}, at, run_id)
        for column, index in index_of.items()
        if math.isfinite(index)
    ]
