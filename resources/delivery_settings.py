"""Settings of delivery: where alerts go. They are part of `resources.settings.Settings`."""

from pathlib import Path
from typing import Final

from pydantic import AwareDatetime, BaseModel, Field, SecretStr, ValidationInfo, field_validator

from resources.delivery_target import Target
from resources.sns import TOPIC_ARN, SnsTarget
from resources.webhook import WebhookTarget, check_address

NO_TARGET: Final = "No target is set: FRAUD_SNS_TOPIC, FRAUD_WEBHOOK_URL."

LEAST_SECRET: Final = 16
"""Characters of a webhook's secret, at least."""

SECRETS: Final = frozenset({"webhook_url", "webhook_secret"})
"""Settings of which no message may show the value."""


class DeliverySettings(BaseModel):
    """Where alerts are delivered to; without any of these, nowhere."""

    sns_topic: str | None = Field(
        default=None, description="ARN of the SNS topic that alerts go to; unset: none."
    )
    webhook_allow_http: bool = Field(
        default=False, description="Whether webhook_url may be plain http to another machine."
    )
    webhook_url: SecretStr | None = Field(
        default=None, description="Address that alerts are posted to, https; unset: none."
    )
    webhook_secret: SecretStr | None = Field(
        default=None, description="Signs what the webhook gets (HMAC-SHA256); unset: not signed."
    )
    webhook_secret_file: Path | None = Field(
        default=None, description="A file with the webhook's secret, instead of webhook_secret."
    )
    delivery_since: AwareDatetime | None = Field(
        default=None,
        description="Alerts put into the outbox before are not delivered (ISO 8601 with a zone).",
    )

    @field_validator("sns_topic")
    @classmethod
    def _sns_topic_is_an_arn(cls, value: str | None) -> str | None:
        if value is not None and TOPIC_ARN.fullmatch(value) is None:
            message = "expected arn:aws:sns:<region>:<12 digits>:<topic>"
            raise ValueError(message)
        return value

    @field_validator("webhook_url")
    @classmethod
    def _webhook_is_safe(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None:
            allow_http = bool(info.data.get("webhook_allow_http"))
            check_address(value.get_secret_value(), allow_http=allow_http)
        return value

    @field_validator("webhook_secret_file")
    @classmethod
    def _webhook_has_one_secret(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("webhook_secret") is not None:
            message = "FRAUD_WEBHOOK_SECRET is set, too; keep one of both"
            raise ValueError(message)
        if value is not None and not value.is_file():
            message = "there is no such file"
            raise ValueError(message)
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _webhook_secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < LEAST_SECRET:
            message = f"it must have {LEAST_SECRET} characters at least"
            raise ValueError(message)
        return value

    def targets(self) -> list[Target]:
        """The targets that are set, ready to send; nobody is contacted yet."""
        found: list[Target] = []
        if self.sns_topic is not None:
            found.append(SnsTarget(self.sns_topic))
        if self.webhook_url is not None:
            found.append(
                WebhookTarget(self.webhook_url, self.webhook_secret, self.webhook_secret_file)
            )
        return found
