"""Deployment: a new model is proven on an endpoint of its own before traffic moves to it.

Why not a second variant of weight 0 on the endpoint that serves? To add and to remove it are two
updates of that endpoint, each of which may fail; and rolling updates are not offered with two
variants (docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html). An
endpoint beside it costs one machine for some minutes and touches nothing. The update that follows
is blue/green: a second fleet comes up, and only then all traffic moves.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from pydantic import Field

from resources.sagemaker import requests
from resources.sagemaker.api import (
    AbsentError,
    Answer,
    Named,
    SageMaker,
    SageMakerError,
    TakenError,
    masked_accounts,
)
from resources.sagemaker.config import SageMakerConfig, safe_name
from resources.sagemaker.waiting import Patience, wait_for

_CHANGING: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_SERVING: Final = "InService"
# An endpoint in one of these can only be deleted.
_BROKEN: Final = frozenset({"Failed", "OutOfService"})

SmokeCheck = Callable[[str], float]
"""Tries an endpoint; its largest deviation, or SmokeTestError."""


class DeploymentError(SageMakerError):
    """A model does not serve; the message says why, and what serves instead."""


class EndpointState(Answer):
    """What DescribeEndpoint says."""

    status: str = Field(alias="EndpointStatus")
    config_name: str = Field(default="", alias="EndpointConfigName")
    reason: str = Field(default="", alias="FailureReason")


@dataclass(frozen=True)
class Candidate:
    """An approved model that is to serve.

    Attributes:
        feed: Whose transactions.
        version: Its number in the lake.
        package_arn: Its package.
    """

    feed: str
    version: int
    package_arn: str


@dataclass(frozen=True)
class Names:
    """The names of a deployment; the same inputs give the same ones.

    Attributes:
        endpoint: What serves.
        probe: The endpoint that proves a model first.
        config: The endpoint configuration of this model.
        model: The model in SageMaker.
    """

    endpoint: str
    probe: str
    config: str
    model: str

    @classmethod
    def of(cls, config: SageMakerConfig, candidate: Candidate) -> "Names":
        """The names for a candidate; another machine, role or network gives others."""
        inputs = [candidate.package_arn, config.role, config.serving_instance_type, config.network]
        digest = hashlib.sha256(repr((inputs, config.kms_key)).encode()).hexdigest()[:8]
        endpoint = config.endpoint_of(candidate.feed)
        served = safe_name(endpoint, f"v{candidate.version}", digest)
        return cls(endpoint, safe_name(endpoint, "probe"), served, served)


@dataclass(frozen=True)
class Deployment:
    """What serves now.

    Attributes:
        names: Its names.
        previous_config: The configuration that served before; empty if none did.
        deviation: Largest difference of a score in the smoke test of the endpoint that serves.
        is_new: Whether anything was changed.
    """

    names: Names
    previous_config: str
    deviation: float
    is_new: bool


def deploy(sagemaker: SageMaker, candidate: Candidate, smoke: SmokeCheck) -> Deployment:
    """Makes a model serve, or leaves what served before and says why.

    The caller makes sure that the model is approved and that nobody else deploys to the endpoint.

    Raises:
        DeploymentError: The model does not serve. The former one does, unless the message says
            otherwise; what was made for the new one is removed.
        SageMakerError: A call was refused.
    """
    names = Names.of(sagemaker.config, candidate)
    rollout = _Rollout(sagemaker, candidate, names, smoke)
    before = rollout.state(names.endpoint)
    if before is not None and before.status in _CHANGING:
        raise DeploymentError(
            f"the endpoint {names.endpoint} is {before.status}; run again when that is over"
        )
    if before is not None and (before.status, before.config_name) == (_SERVING, names.config):
        return Deployment(names, "", smoke(names.endpoint), is_new=False)
    with rollout.prepared():
        rollout.prove()
        if before is None or before.status in _BROKEN:
            return Deployment(names, "", rollout.start(before), is_new=True)
        return Deployment(names, before.config_name, rollout.replace(before), is_new=True)


@dataclass(frozen=True)
class _Rollout:
    sagemaker: SageMaker
    candidate: Candidate
    names: Names
    smoke: SmokeCheck

    def state(self, endpoint: str) -> EndpointState | None:
        try:
            return self.sagemaker.api.call(
                "describe_endpoint", {"EndpointName": endpoint}, EndpointState
            )
        except AbsentError:
            return None

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The model and its configuration; removed if the block fails and nothing uses them."""
        config, names, feed = self.sagemaker.config, self.names, self.candidate.feed
        made = []
        model = requests.model(config, names.model, self.candidate.package_arn)
        served = requests.endpoint_config(config, names.config, names.model, feed)
        try:
            for kind, name, request in (
                ("model", names.model, model),
                ("endpoint_config", names.config, served),
            ):
                # Left by a run that was killed: named after the same inputs, so it is the same.
                with suppress(TakenError):
                    self._call(f"create_{kind}", request)
                made.append((kind, name))
            yield
        except BaseException as error:
            self._clean(made, error)
            raise

    def prove(self) -> None:
        """Brings the model up beside what serves, tries it, and takes it down again."""
        names = self.names
        # Whoever deploys holds a lease, so one that is there is left by a killed run.
        self._remove(names.probe)
        try:
            request = requests.endpoint(names.probe, names.config, self.candidate.feed)
            self._call("create_endpoint", request)
            self._come_up(names.probe, "nothing else was changed")
            self.smoke(names.probe)
        except BaseException as error:
            try:
                self._remove(names.probe)
            except SageMakerError as left:
                error.add_note(f"and {names.probe} could not be removed: {left}")
            raise
        self._remove(names.probe)

    def start(self, broken: EndpointState | None) -> float:
        """Makes the endpoint, after removing a broken one."""
        names = self.names
        if broken is not None:
            self._remove(names.endpoint)
        self._call(
            "create_endpoint",
            requests.endpoint(names.endpoint, names.config, self.candidate.feed),
        )
        try:
            self._come_up(names.endpoint, "it was removed, and nothing serves")
            return self.smoke(names.endpoint)
        except SageMakerError:
            self._remove(names.endpoint)
            raise

    def replace(self, before: EndpointState) -> float:
        """Moves traffic to the model; back again if it then fails the smoke test."""
        endpoint, config = self.names.endpoint, self.sagemaker.config
        self._call("update_endpoint", requests.endpoint_update(config, endpoint, self.names.config))
        seen = self._settled(endpoint)
        if seen is None or (seen.status, seen.config_name) != (_SERVING, self.names.config):
            raise DeploymentError(self._not_moved(before, seen))
        try:
            return self.smoke(endpoint)
        except SageMakerError as error:
            self._call(
                "update_endpoint", requests.endpoint_update(config, endpoint, before.config_name)
            )
            back = self._settled(endpoint)
            if back is None or (back.status, back.config_name) != (_SERVING, before.config_name):
                raise DeploymentError(
                    f"{error}; and the way back to {before.config_name} failed: {_reason(back)}. "
                    f"Look after the endpoint {endpoint} now"
                ) from error
            raise DeploymentError(f"{error}; {before.config_name} serves again") from error

    def _come_up(self, endpoint: str, otherwise: str) -> None:
        """Waits for a new endpoint; DeploymentError if it does not come up."""
        seen = self._settled(endpoint)
        if seen is None or seen.status != _SERVING:
            raise DeploymentError(
                f"{self._model} did not come up on {endpoint}: {_reason(seen)}; {otherwise}"
            )

    def _not_moved(self, before: EndpointState, seen: EndpointState | None) -> str:
        told = f"{self._model} did not take over: {_reason(seen)}"
        if seen is not None and (seen.status, seen.config_name) == (_SERVING, before.config_name):
            return f"{told}. {before.config_name} serves on"
        status = "gone" if seen is None else seen.status
        return f"{told}. The endpoint {self.names.endpoint} is {status}: look after it now"

    @property
    def _model(self) -> str:
        return f"{self.candidate.feed}/{self.candidate.version}"

    def _call(self, operation: str, request: requests.Request) -> None:
        self.sagemaker.api.call(operation, request, Named)

    def _settled(self, endpoint: str) -> EndpointState | None:
        return wait_for(
            lambda: self.state(endpoint),
            lambda seen: seen is None or seen.status not in _CHANGING,
            self._patience,
            f"the endpoint {endpoint}",
        )

    @property
    def _patience(self) -> Patience:
        return Patience(
            self.sagemaker.first_poll_seconds, self.sagemaker.config.endpoint_timeout_seconds
        )

    def _remove(self, endpoint: str) -> None:
        """Deletes an endpoint, if there is one, and waits until it is gone."""
        if self.state(endpoint) is None:
            return
        with suppress(AbsentError):
            self._call("delete_endpoint", {"EndpointName": endpoint})
        wait_for(
            lambda: self.state(endpoint),
            lambda seen: seen is None,
            self._patience,
            f"the removal of the endpoint {endpoint}",
        )

    def _clean(self, made: list[tuple[str, str]], cause: BaseException) -> None:
        """Removes what was made, unless the endpoint uses it or may be about to."""
        try:
            seen = self.state(self.names.endpoint)
            if seen is not None and (
                seen.status in _CHANGING or seen.config_name == self.names.config
            ):
                return
            for kind, name in reversed(made):
                field = {"model": "ModelName", "endpoint_config": "EndpointConfigName"}[kind]
                with suppress(AbsentError):
                    self._call(f"delete_{kind}", {field: name})
        except SageMakerError as error:
            cause.add_note(f"and {self.names.config} could not be cleaned up: {error}")


def _reason(seen: EndpointState | None) -> str:
    if seen is None:
        return "somebody deleted it"
    return masked_accounts(seen.reason) or f"it is {seen.status}, and no reason was given"
