"""Settings of cases. They are part of `resources.settings.Settings`."""

from datetime import timedelta
from typing import Final

from pydantic import BaseModel, Field, SecretStr, field_validator

from resources.case_location import CaseLocation
from resources.case_store import CaseStore
from resources.locations import LakeLocation

CASE_SECRETS: Final = frozenset({"cases_url"})
"""Settings of which no message may show the value."""

STORE_FILE: Final = "cases/cases.sqlite"
"""Where the store lies in a lake that is a folder."""


class CaseSettings(BaseModel):
    """Where cases are kept, how many can be worked on, and the fuse of automatic blocks."""

    cases_url: SecretStr | None = Field(
        default=None,
        description="Case store: sqlite:///folder/file or postgresql://...; unset: a file in the "
        "lake's folder. A lake in S3 has no cases without it.",
    )
    case_capacity: int = Field(
        default=50, ge=1, description="Open cases that analysts can work on at a time."
    )
    case_due_days: float = Field(
        default=5.0,
        gt=0,
        le=3650,
        description="Days after which an open case is overdue.",
    )
    blocks_per_interval: int | None = Field(
        default=None,
        ge=0,
        description="Automatic blocks recommended an interval at most, in each feed; the rest "
        "become alerts. Unset: no cap.",
    )
    block_interval_minutes: int = Field(
        default=60, ge=1, le=525_600, description="Length of that interval, in minutes."
    )

    @field_validator("cases_url")
    @classmethod
    def _cases_url_names_a_store(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            CaseLocation.parse(value.get_secret_value())
        return value

    @property
    def case_due(self) -> timedelta:
        """How long a case may stay open."""
        return timedelta(days=self.case_due_days)

    def case_location(self, lake: str) -> CaseLocation | None:
        """Where cases are kept beside a lake; None for a lake in S3 without `cases_url`."""
        if self.cases_url is not None:
            return CaseLocation.parse(self.cases_url.get_secret_value())
        folder = LakeLocation.parse(lake).folder
        return None if folder is None else CaseLocation(folder / STORE_FILE)

    def open_cases(self, lake: str) -> CaseStore | None:
        """The case store beside a lake, not contacted yet; None where there is none."""
        location = self.case_location(lake)
        return None if location is None else CaseStore.at(location)
