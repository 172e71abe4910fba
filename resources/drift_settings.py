"""Settings of drift: from where on it counts. They are part of `resources.settings.Settings`."""

from pydantic import BaseModel, Field

from gpu_ops.drift_windows import IN_A_ROW, DriftBounds

_DEFAULTS = DriftBounds()


class DriftSettings(BaseModel):
    """How drift is looked for, and whether it may ask for retraining."""

    drift_window_days: int = Field(
        default=7, ge=1, le=366, description="Days of event time in a window of drift."
    )
    drift_windows: int = Field(
        default=4,
        ge=IN_A_ROW,
        le=52,
        description="Latest whole windows that are looked at, besides those that wait for labels.",
    )
    drift_psi: float = Field(
        default=_DEFAULTS.psi,
        gt=0,
        allow_inf_nan=False,
        description="Stability index from which a column, or the score, counts as moved.",
    )
    drift_feature_share: float = Field(
        default=_DEFAULTS.feature_share,
        gt=0,
        le=1,
        description="Share of the features, moved, from which a window is bad; a moved score alone "
        "makes it bad.",
    )
    drift_metric_loss: float = Field(
        default=_DEFAULTS.metric_loss,
        ge=0,
        le=1,
        description="How far average precision, and precision and recall at capacity, may fall.",
    )
    drift_null_jump: float = Field(
        default=_DEFAULTS.null_jump,
        gt=0,
        le=1,
        description="Rise of a column's share of absent values that is a data fault, not drift.",
    )
    drift_volume_share: float = Field(
        default=_DEFAULTS.volume_share,
        ge=0,
        le=1,
        description="Rows a day, as a share of those in training, below which data are at fault.",
    )
    drift_rejected_rise: float = Field(
        default=_DEFAULTS.rejected_rise,
        gt=0,
        le=1,
        description="Rise of the share of duplicate and quarantined rows that is a data fault.",
    )
    drift_retraining: bool = Field(
        default=True,
        description="Whether two bad windows in a row start a training; the gate decides as ever.",
    )
