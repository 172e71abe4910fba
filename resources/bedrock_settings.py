"""Settings of the Bedrock explainer. They are part of `resources.settings.Settings`."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator


class BedrockSettings(BaseModel):
    """Which model explains alerts and what it may cost; without a model, a template does."""

    bedrock_model: str | None = Field(
        default=None,
        min_length=1,
        description="Bedrock model or inference profile that explains alerts; unset: a template.",
    )
    bedrock_region: str | None = Field(
        default=None, description="AWS region of that model; unset: AWS_REGION."
    )
    bedrock_daily_tokens: int = Field(
        default=500_000,
        ge=0,
        description="Tokens a UTC day, in and out, after which the template explains.",
    )
    bedrock_timeout_seconds: float = Field(
        default=20.0, gt=0, le=300, description="How long one answer of Bedrock may take."
    )
    bedrock_input_price: float | None = Field(
        default=None,
        ge=0,
        description="Your price of a million input tokens; unset: no costs are reckoned.",
    )
    bedrock_output_price: float | None = Field(
        default=None,
        ge=0,
        validate_default=True,
        description="Your price of a million output tokens; both or neither.",
    )

    @field_validator("bedrock_output_price")
    @classmethod
    def _both_prices(cls, value: float | None, info: ValidationInfo) -> float | None:
        if (value is None) != (info.data.get("bedrock_input_price") is None):
            message = "set FRAUD_BEDROCK_INPUT_PRICE and FRAUD_BEDROCK_OUTPUT_PRICE, or neither"
            raise ValueError(message)
        return value
