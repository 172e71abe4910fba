"""Settings of metrics: whether and where. They are part of `resources.settings.Settings`."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from resources.cloudwatch import CloudWatchMetrics, EmfFile, EmfLogGroup, EmfOutput
from resources.measurements import MetricSink


class MetricsSettings(BaseModel):
    """Where measurements of runs, alerts, scores and drift go; by default nowhere."""

    metrics: Literal["off", "emf", "cloudwatch"] = Field(
        default="off",
        description="emf: lines of the embedded metric format; cloudwatch: calls of its API.",
    )
    metrics_namespace: str = Field(
        default="FraudAssets", description="The namespace of all metrics in CloudWatch."
    )
    metrics_file: Path | None = Field(
        default=None, description="With emf: a file for the lines; unset: standard output."
    )
    metrics_log_group: str | None = Field(
        default=None, description="With emf: a group of CloudWatch Logs for the lines."
    )

    @field_validator("metrics_namespace")
    @classmethod
    def _namespace_is_allowed(cls, value: str) -> str:
        if re.fullmatch(r"[\w.\-/#:]{1,255}", value, re.ASCII) is None or value.startswith("AWS/"):
            message = "expected 1 to 255 of letters, digits and ._-/#:, not beginning with AWS/"
            raise ValueError(message)
        return value

    @field_validator("metrics_file", "metrics_log_group")
    @classmethod
    def _place_belongs_to_emf(
        cls, value: Path | str | None, info: ValidationInfo
    ) -> Path | str | None:
        if value is not None and info.data.get("metrics", "emf") != "emf":
            message = "it takes effect with FRAUD_METRICS=emf only"
            raise ValueError(message)
        if value is not None and info.data.get("metrics_file") is not None:
            message = "lines go either to a file or to a log group; unset FRAUD_METRICS_FILE"
            raise ValueError(message)
        return value

    def open_metrics(self) -> MetricSink | None:
        """Where measurements go, not contacted yet; None: nowhere."""
        if self.metrics == "off":
            return None
        if self.metrics == "cloudwatch":
            return CloudWatchMetrics(self.metrics_namespace)
        if self.metrics_log_group is not None:
            return EmfLogGroup(self.metrics_namespace, self.metrics_log_group)
        if self.metrics_file is not None:
            return EmfFile(self.metrics_namespace, self.metrics_file)
        return EmfOutput(self.metrics_namespace)
