"""Settings of thresholds and costs. They are part of `resources.settings.Settings`."""

from pydantic import BaseModel, Field

from gpu_ops.thresholds import Policy


class ThresholdSettings(BaseModel):
    """What the two levels, alert and block, are chosen by; the price of a review is `review_cost`.

    Levels are chosen when a model is trained and kept in its card.
    """

    wrong_block_share: float = Field(
        default=0.1,
        ge=0,
        allow_inf_nan=False,
        description="Cost of blocking a legitimate payment, as a share of its amount.",
    )
    decide_by: Policy = Field(
        default="cost",
        description="Levels that decisions follow. cost: those that cost least; capacity: those "
        "that fill FRAUD_DAILY_CAPACITY.",
    )
    release_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of payments to be blocked that are released by lot, so that their "
        "outcome is seen.",
    )
