"""Settings of the gate: what a model must reach. They are part of `resources.settings.Settings`."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from gpu_ops.gate import GateBounds

_DEFAULTS = GateBounds()


class GateSettings(BaseModel):
    """What a model must reach to score without a person's approval."""

    gate_min_roc_auc: float = Field(
        default=_DEFAULTS.min_roc_auc,
        ge=0,
        le=1,
        description="Area under the ROC curve below which a model is rejected.",
    )
    gate_max_average_precision_loss: float = Field(
        default=_DEFAULTS.max_average_precision_loss,
        ge=0,
        le=1,
        description="How far below 0 the lower 95 % bound of the difference in average precision "
        "to the champion may lie.",
    )
    gate_min_positives: int = Field(
        default=_DEFAULTS.min_positives,
        ge=1,
        description="Frauds in the test below which the gate does not decide: Pending.",
    )
    gate_calibration_slope_low: float = Field(
        default=_DEFAULTS.calibration_slope[0], ge=0, description="Lowest calibration slope."
    )
    gate_calibration_slope_high: float = Field(
        default=_DEFAULTS.calibration_slope[1],
        gt=0,
        allow_inf_nan=False,
        description="Highest calibration slope.",
    )
    gate_mean_score_ratio_low: float = Field(
        default=_DEFAULTS.mean_score_ratio[0], ge=0, description="Lowest mean score / fraud rate."
    )
    gate_mean_score_ratio_high: float = Field(
        default=_DEFAULTS.mean_score_ratio[1],
        gt=0,
        allow_inf_nan=False,
        description="Highest mean score / fraud rate.",
    )
    gate_p99_latency_ms: float = Field(
        default=_DEFAULTS.p99_latency_ms,
        gt=0,
        description="Budget for scoring one transaction, 99th percentile; above it: rejected.",
    )
    gate_resamples: int = Field(
        default=_DEFAULTS.resamples,
        ge=100,
        le=100_000,
        description="Resamples of payers that the bounds of the difference rest on.",
    )

    @field_validator("gate_calibration_slope_high", "gate_mean_score_ratio_high")
    @classmethod
    def _is_above_its_low(cls, value: float, info: ValidationInfo) -> float:
        low_name = str(info.field_name).replace("_high", "_low")
        low = info.data.get(low_name)
        if low is not None and value <= low:
            message = f"it must be above FRAUD_{low_name.upper()}={low:g}"
            raise ValueError(message)
        return value

    @property
    def gate_bounds(self) -> GateBounds:
        """The bounds as the gate reads them."""
        return GateBounds(
            min_roc_auc=self.gate_min_roc_auc,
            max_average_precision_loss=self.gate_max_average_precision_loss,
            min_positives=self.gate_min_positives,
            calibration_slope=(self.gate_calibration_slope_low, self.gate_calibration_slope_high),
            mean_score_ratio=(self.gate_mean_score_ratio_low, self.gate_mean_score_ratio_high),
            p99_latency_ms=self.gate_p99_latency_ms,
            resamples=self.gate_resamples,
        )
