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

from resources.sagemaker import requests
from resources.sagemaker.api import AbsentError, Named, SageMaker, SageMakerError, TakenError
from resources.sagemaker.config import SageMakerConfig, safe_name
from resources.sagemaker.endpoints import (
    BROKEN,
    CHANGING,
    SERVING,
    Endpoints,
    EndpointState,
    reason_of,
)

SmokeCheck = Callable[[str], float]
"""Tries an endpoint; its largest deviation, or SmokeTestError."""


class DeploymentError(SageMakerError):
    """A model does not serve; the message says why, and what serves instead."""


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


def deploy(
    sagemaker: SageMaker, candidate: Candidate, smoke: SmokeCheck, recorded_config: str = ""
) -> Deployment:
    """Makes a model serve, or leaves what served before and says why.

    The caller makes sure that the model is approved and that nobody else deploys to the endpoint.

    Args:
        sagemaker: Configuration and calls.
        candidate: The model.
        smoke: Tries an endpoint.
        recorded_config: The configuration of the last deployment that went through; the way back
            from one that was killed after the traffic had moved. Empty: there was none.

    Raises:
        DeploymentError: The model does not serve. The former one does, unless the message says
            otherwise; what was made for the new one is removed.
        SageMakerError: A call was refused.
    """
    names = Names.of(sagemaker.config, candidate)
    rollout = _Rollout(sagemaker, candidate, names, smoke)
    before = rollout.endpoints.state(names.endpoint)
    if before is not None and before.status in CHANGING:
        raise DeploymentError(
            f"the endpoint {names.endpoint} is {before.status}; run again when that is over"
        )
    if before is not None and (before.status, before.config_name) == (SERVING, names.config):
        return Deployment(names, "", rollout.serves(recorded_config), is_new=False)
    with rollout.prepared():
        rollout.prove()
        if before is None or before.status in BROKEN:
            return Deployment(names, "", rollout.start(before), is_new=True)
        return Deployment(names, before.config_name, rollout.replace(before), is_new=True)


@dataclass(frozen=True)
class _Rollout:
    sagemaker: SageMaker
    candidate: Candidate
    names: Names
    smoke: SmokeCheck

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.sagemaker)

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
        self.endpoints.remove(names.probe)
        try:
            request = requests.endpoint(names.probe, names.config, self.candidate.feed)
            self._call("create_endpoint", request)
            self._come_up(names.probe, "nothing else was changed")
            self.smoke(names.probe)
        except BaseException as error:
            try:
                self.endpoints.remove(names.probe)
            except SageMakerError as left:
                error.add_note(f"and {names.probe} could not be removed: {left}")
            raise
        self.endpoints.remove(names.probe)

    def start(self, broken: EndpointState | None) -> float:
        """Makes the endpoint, after removing a broken one."""
        names = self.names
        if broken is not None:
            self.endpoints.remove(names.endpoint)
        self._call(
            "create_endpoint",
            requests.endpoint(names.endpoint, names.config, self.candidate.feed),
        )
        try:
            self._come_up(names.endpoint, "it was removed, and nothing serves")
            return self.smoke(names.endpoint)
        except SageMakerError:
            self.endpoints.remove(names.endpoint)
            raise

    def replace(self, before: EndpointState) -> float:
        """Moves traffic to the model; back again if it then fails the smoke test."""
        endpoint, config = self.names.endpoint, self.sagemaker.config
        self._call("update_endpoint", requests.endpoint_update(config, endpoint, self.names.config))
        seen = self.endpoints.settled(endpoint)
        if seen is None or (seen.status, seen.config_name) != (SERVING, self.names.config):
            raise DeploymentError(self._not_moved(before, seen))
        try:
            return self.smoke(endpoint)
        except SageMakerError as error:
            self._move_back(before.config_name, error)
            raise DeploymentError(f"{error}; {before.config_name} serves again") from error

    def serves(self, recorded_config: str) -> float:
        """Tries what serves already; a run that was killed moved the traffic and tried nothing."""
        try:
            return self.smoke(self.names.endpoint)
        except SageMakerError as error:
            if recorded_config in {"", self.names.config}:
                raise DeploymentError(f"{error}; it serves on: choose another version") from error
            self._move_back(recorded_config, error)
            raise DeploymentError(f"{error}; {recorded_config} serves again") from error

    def _move_back(self, former: str, cause: SageMakerError) -> None:
        """Moves traffic back; DeploymentError if that fails, too."""
        endpoint, config = self.names.endpoint, self.sagemaker.config
        self._call("update_endpoint", requests.endpoint_update(config, endpoint, former))
        back = self.endpoints.settled(endpoint)
        if back is None or (back.status, back.config_name) != (SERVING, former):
            raise DeploymentError(
                f"{cause}; and the way back to {former} failed: {reason_of(back)}. "
                f"Look after the endpoint {endpoint} now"
            ) from cause

    def _come_up(self, endpoint: str, otherwise: str) -> None:
        """Waits for a new endpoint; DeploymentError if it does not come up."""
        seen = self.endpoints.settled(endpoint)
        if seen is None or seen.status != SERVING:
            raise DeploymentError(
                f"{self._model} did not come up on {endpoint}: {reason_of(seen)}; {otherwise}"
            )

    def _not_moved(self, before: EndpointState, seen: EndpointState | None) -> str:
        told = f"{self._model} did not take over: {reason_of(seen)}"
        if seen is not None and (seen.status, seen.config_name) == (SERVING, before.config_name):
            return f"{told}. {before.config_name} serves on"
        status = "gone" if seen is None else seen.status
        return f"{told}. The endpoint {self.names.endpoint} is {status}: look after it now"

    @property
    def _model(self) -> str:
        return f"{self.candidate.feed}/{self.candidate.version}"

    def _call(self, operation: str, request: requests.Request) -> None:
        self.sagemaker.api.call(operation, request, Named)

    def _clean(self, made: list[tuple[str, str]], cause: BaseException) -> None:
        """Removes what was made, unless the endpoint uses it or may be about to."""
        try:
            seen = self.endpoints.state(self.names.endpoint)
            if seen is not None and (
                seen.status in CHANGING or seen.config_name == self.names.config
            ):
                return
            for kind, name in reversed(made):
                field = {"model": "ModelName", "endpoint_config": "EndpointConfigName"}[kind]
                with suppress(AbsentError):
                    self._call(f"delete_{kind}", {field: name})
        except SageMakerError as error:
            cause.add_note(f"and {self.names.config} could not be cleaned up: {error}")
