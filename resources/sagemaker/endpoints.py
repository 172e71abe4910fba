"""Endpoints one by one: what state each is in, waiting for it, and removing it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from resources.sagemaker.api import (
    AbsentError,
    Answer,
    Named,
    PassingError,
    SageMaker,
    SageMakerError,
    masked_accounts,
)
from resources.sagemaker.waiting import Patience, wait_for

CHANGING: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
SERVING: Final = "InService"
BROKEN: Final = frozenset({"Failed", "OutOfService"})
"""An endpoint in one of these can only be deleted."""


class EndpointState(Answer):
    """What DescribeEndpoint says."""

    status: str = Field(alias="EndpointStatus")
    config_name: str = Field(default="", alias="EndpointConfigName")
    reason: str = Field(default="", alias="FailureReason")


@dataclass(frozen=True)
class Endpoints:
    """The endpoints of an account; errors as `SageMakerApi.call`."""

    sagemaker: SageMaker

    def state(self, name: str) -> EndpointState | None:
        """The state of an endpoint; None if there is none."""
        try:
            return self.sagemaker.api.call(
                "describe_endpoint", {"EndpointName": name}, EndpointState
            )
        except AbsentError:
            return None

    def settled(self, name: str) -> EndpointState | None:
        """The state once nothing is under way any more; WaitedTooLongError."""
        return wait_for(
            lambda: self.state(name),
            lambda seen: seen is None or seen.status not in CHANGING,
            self._patience,
            f"the endpoint {name}",
        )

    def remove(self, name: str) -> None:
        """Deletes an endpoint, if there is one, and waits until it is gone."""
        seen = self.state(name)
        if seen is None:
            return
        if seen.status != "Deleting":
            with suppress(AbsentError):
                self._delete(name, seen)
        wait_for(
            lambda: self.state(name),
            lambda seen: seen is None,
            self._patience,
            f"the removal of the endpoint {name}",
        )

    def _delete(self, name: str, seen: EndpointState) -> None:
        try:
            self._call_delete(name)
        except (AbsentError, PassingError):
            raise
        except SageMakerError:
            if seen.status not in CHANGING:
                raise
            # SageMaker may refuse to delete what is still coming up or changing.
            if self.settled(name) is not None:
                self._call_delete(name)

    def _call_delete(self, name: str) -> None:
        self.sagemaker.api.call("delete_endpoint", {"EndpointName": name}, Named)

    @property
    def _patience(self) -> Patience:
        return Patience(
            self.sagemaker.first_poll_seconds, self.sagemaker.config.endpoint_timeout_seconds
        )


def reason_of(seen: EndpointState | None) -> str:
    """Why an endpoint does not serve, without account numbers."""
    if seen is None:
        return "somebody deleted it"
    return masked_accounts(seen.reason) or f"it is {seen.status}, and no reason was given"
