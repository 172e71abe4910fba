"""Every setting of the project, read once from the environment (prefix FRAUD_)."""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from resources.lake import Lake, LakeLocation

GIBIBYTE = 1024**3
PREFIX = "FRAUD_"


class SettingsError(ValueError):
    """One or more settings are wrong; the message has a line for each."""


class Settings(BaseSettings):
    """The project's settings; each field is read from FRAUD_<NAME>.

    Credentials are no settings: those of AWS come from AWS's own variables, profiles and
    roles, so nothing secret is ever held, shown or logged here. Use `Settings.load()` where
    a person reads the errors.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    lake: str = Field(default="./lake", description="A folder, file:// or s3://bucket/prefix.")
    engine: Literal["cpu", "cpu-streaming", "gpu"] = Field(
        default="cpu",
        description="cpu: in memory; cpu-streaming: larger than memory; gpu: RAPIDS, no fallback.",
    )
    feeds_dir: Path | None = Field(
        default=None, description="A folder with feed definitions of your own."
    )
    daily_capacity: int = Field(
        default=100, ge=1, description="Transaction alerts that analysts can review in a day (UTC)."
    )
    ring_capacity: int = Field(
        default=20, ge=1, description="Ring alerts that analysts can review in a refresh."
    )
    review_cost: float = Field(
        default=5.0,
        ge=0,
        description="Cost of reviewing one alert, in the currency of the amounts.",
    )
    graph_window_days: int = Field(
        default=120,
        ge=1,
        description="Days of event time that the graph and the rings look back on.",
    )
    alert_window_days: int = Field(
        default=180,
        ge=1,
        description="Days of scored transactions, back from the latest, that can become alerts.",
    )
    training_days: int = Field(
        default=365,
        ge=1,
        description="Days, back from a feed's latest event, that a model is trained and tested on.",
    )
    min_fraud_labels: int = Field(
        default=20, ge=1, description="Known frauds below which no model is trained."
    )
    forest_rows: int = Field(
        default=50_000, ge=256, description="Earliest rows that fit the first isolation forest."
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything random.")
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Threads of the numeric libraries; unset: one for each core.",
    )
    uploads_per_tick: int = Field(
        default=100, ge=1, description="New uploads that one look at landing/ registers at most."
    )
    upload_hash_bytes_per_tick: int = Field(
        default=2 * GIBIBYTE, ge=1, description="Bytes that one look at landing/ hashes at most."
    )
    s3_endpoint: str | None = Field(
        default=None, description="Address of an S3-compatible store; unset: AWS."
    )
    s3_allow_http: bool = Field(
        default=False, description="Whether s3_endpoint may be plain http (tests, own networks)."
    )
    s3_region: str | None = Field(default=None, description="AWS region; unset: AWS_REGION.")

    @field_validator("lake")
    @classmethod
    def _lake_is_a_known_place(cls, value: str) -> str:
        LakeLocation.parse(value)
        return value

    @field_validator("feeds_dir")
    @classmethod
    def _feeds_dir_is_a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            message = f"{value} is not a folder"
            raise ValueError(message)
        return value

    @classmethod
    def load(cls) -> Self:
        """The settings of this environment.

        Raises:
            SettingsError: A value is wrong, or a FRAUD_ variable looks like a misspelt one;
                one line for each, with the variable, its value and what is accepted.
        """
        problems = _misspelt(cls.model_fields)
        try:
            settings = cls()
        except ValidationError as error:
            problems += [
                f"{PREFIX}{'_'.join(map(str, one['loc'])).upper()}={one['input']!r}: "
                f"{one['msg'].removeprefix('Value error, ')}"
                for one in error.errors()
            ]
        if problems:
            raise SettingsError("\n".join(["wrong settings:", *problems]))
        return settings

    def open_lake(self) -> Lake:
        """The lake that these settings name; nothing is created or contacted yet."""
        return Lake.open(
            self.lake,
            endpoint=self.s3_endpoint,
            allow_http=self.s3_allow_http,
            region=self.s3_region,
        )


def _misspelt(fields: Iterable[str]) -> list[str]:
    """A line for each FRAUD_ variable that is no setting but is spelt almost like one.

    A variable that resembles no setting is left alone: other programs may use the prefix.
    """
    known = [PREFIX + name.upper() for name in fields]
    lines = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            lines += [f"{name}: no such setting; did you mean {near[0]}?"] if near else []
    return lines
