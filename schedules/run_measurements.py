"""What a run's own figures come to as measurements."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from resources.measurements import Measurement, Metric, Unit, drift_measurements

_MEBIBYTE: Final = 1024**2

# Metadata of a materialization, the metric that it is, its unit, and the factor between both.
_FIGURES: Final[dict[str, tuple[str, Unit, float]]] = {
    "dagster/row_count": ("Rows", "Count", 1),
    "seconds": ("StepSeconds", "Seconds", 1),
    "peak_mib": ("PeakMemory", "Bytes", _MEBIBYTE),
    "bytes": ("PublishedBytes", "Bytes", 1),
    "received": ("RowsReceived", "Count", 1),
    "duplicate": ("RowsDuplicate", "Count", 1),
    "quarantined": ("RowsQuarantined", "Count", 1),
    "may_alert": ("RowsThatMayAlert", "Count", 1),
    "mean_anomaly": ("AnomalyScoreMean", "None", 1),
    "mean_probability": ("FraudProbabilityMean", "None", 1),
    "candidates": ("AlertCandidates", "Count", 1),
}
# Names that mean this in one asset only.
_FIGURES_OF: Final[dict[str, dict[str, tuple[str, Unit, float]]]] = {
    "published_alerts": {"new": ("AlertsPublished", "Count", 1)},
}
PSI_PREFIX: Final = "psi_"
"""Metadata `psi_<column>` is the population stability index of that column."""


@dataclass(frozen=True)
class Made:
    """A materialization of a run.

    Attributes:
        asset: The asset's name.
        at: When it was recorded.
        figures: Its numeric metadata.
    """

    asset: str
    at: datetime
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Ended:
    """A run that ended.

    Attributes:
        run_id: The run.
        job: Its job.
        feed: The feed that it worked on, if on one.
        succeeded: Whether it did.
        at: When it ended.
        seconds: How long it ran; None if it never started.
    """

    run_id: str
    job: str
    feed: str | None
    succeeded: bool
    at: datetime
    seconds: float | None


def run_measurements(run: Ended, made: Iterable[Made]) -> list[Measurement]:
    """One measurement of the run by job, one of each materialization by asset and feed, and drift.

    Only figures known here are measured; whatever else the metadata holds stays inside.
    """
    metrics = [
        Metric("RunsSucceeded", int(run.succeeded), "Count"),
        Metric("RunsFailed", int(not run.succeeded), "Count"),
    ]
    if run.seconds is not None:
        metrics.append(Metric("RunSeconds", run.seconds, "Seconds"))
    found = [Measurement(tuple(metrics), {"Job": run.job}, run.at, run.run_id)]
    feed = {} if run.feed is None else {"Feed": run.feed}
    for one in made:
        metrics = _metrics(one)
        if metrics:
            dimensions = {"Asset": one.asset, **feed}
            found.append(Measurement(tuple(metrics), dimensions, one.at, run.run_id))
        index_of = {
            name.removeprefix(PSI_PREFIX): value
            for name, value in one.figures.items()
            if name.startswith(PSI_PREFIX)
        }
        found += drift_measurements(run.feed or "all", index_of, one.at, run.run_id)
    return found


def _metrics(made: Made) -> list[Metric]:
    known = _FIGURES | _FIGURES_OF.get(made.asset, {})
    return [
        Metric(name, made.figures[key] * factor, unit)
        for key, (name, unit, factor) in known.items()
        if key in made.figures and math.isfinite(made.figures[key])
    ]
