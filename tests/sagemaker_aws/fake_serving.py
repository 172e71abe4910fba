"""The serving half of the fake: models, configurations, endpoints and their invocations."""

import threading
from dataclasses import dataclass, field

from pydantic import JsonValue

from tests.sagemaker_aws.fake_containers import (
    REGION,
    Containers,
    FakeServer,
    forwarded,
    with_wrong_scores,
)
from tests.sagemaker_aws.fake_protocol import Body, RefusedError

ACCOUNT = "123456789012"


def absent(what: str) -> RefusedError:
    return RefusedError("ValidationException", f"Could not find {what} in account {ACCOUNT}.")


@dataclass
class FakeEndpoint:
    config: str
    process: FakeServer | None
    status: str
    reason: str = ""


@dataclass
class FakeServing:
    """Models and endpoints.

    Attributes:
        containers: Runs containers.
        as_processes: Whether endpoints are processes, or threads of this one.
        broken_configs: Beginnings of configurations whose containers never get healthy.
        broken_on: Endpoints on which containers never get healthy.
        wrong_on: Endpoints whose containers score otherwise than the model.
    """

    containers: Containers
    as_processes: bool = False
    broken_configs: set[str] = field(default_factory=set)
    broken_on: set[str] = field(default_factory=set)
    wrong_on: set[str] = field(default_factory=set)
    packages: dict[str, Body] = field(default_factory=dict)
    models: dict[str, Body] = field(default_factory=dict)
    configs: dict[str, Body] = field(default_factory=dict)
    endpoints: dict[str, FakeEndpoint] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def _package(self, name: JsonValue) -> Body:
        if str(name) not in self.packages:
            raise RefusedError("ValidationException", f"ModelPackage {name} does not exist.")
        return self.packages[str(name)]

    # Models and endpoints

    def _create_model(self, body: Body) -> Body:
        name = str(body["ModelName"])
        if name in self.models:
            raise RefusedError(
                "ValidationException", f"Cannot create already existing model {name}."
            )
        package = self._package(each(body["Containers"])[0]["ModelPackageName"])
        if package["ModelApprovalStatus"] != "Approved":
            raise RefusedError("ValidationException", "The model package is not approved.")
        self.models[name] = body
        return {"ModelArn": arn("model", name)}

    def _delete_model(self, body: Body) -> None:
        self.models.pop(str(body["ModelName"]))

    def _create_endpoint_config(self, body: Body) -> Body:
        name = str(body["EndpointConfigName"])
        if name in self.configs:
            raise RefusedError(
                "ValidationException",
                f"Cannot create already existing endpoint configuration {name}.",
            )
        if each(body["ProductionVariants"])[0]["ModelName"] not in self.models:
            raise absent("model")
        self.configs[name] = body
        return {"EndpointConfigArn": arn("endpoint-config", name)}

    def _delete_endpoint_config(self, body: Body) -> None:
        self.configs.pop(str(body["EndpointConfigName"]))

    def _create_endpoint(self, body: Body) -> Body:
        name, config = str(body["EndpointName"]), str(body["EndpointConfigName"])
        if name in self.endpoints:
            raise RefusedError(
                "ValidationException", f"Cannot create already existing endpoint {name}."
            )
        if config not in self.configs:
            raise absent("endpoint configuration")
        self.endpoints[name] = FakeEndpoint(config, None, "Creating")
        return {"EndpointArn": arn("endpoint", name)}

    def _update_endpoint(self, body: Body) -> Body:
        endpoint = self._endpoint(body["EndpointName"])
        if endpoint.status != "InService":
            raise RefusedError("ValidationException", "Cannot update in-progress endpoint.")
        if str(body["EndpointConfigName"]) not in self.configs:
            raise absent("endpoint configuration")
        endpoint.status = f"Updating {body['EndpointConfigName']}"
        return {"EndpointArn": arn("endpoint", str(body["EndpointName"]))}

    def _delete_endpoint(self, body: Body) -> None:
        endpoint = self._endpoint(body["EndpointName"])
        if endpoint.status not in {"InService", "Failed"}:
            raise RefusedError("ValidationException", "Cannot update in-progress endpoint.")
        endpoint.status = "Deleting"

    def _describe_endpoint(self, body: Body) -> Body:
        name = str(body["EndpointName"])
        endpoint = self._endpoint(name)
        told: Body = {
            "EndpointName": name,
            "EndpointStatus": endpoint.status.split(" ", 1)[0],
            "EndpointConfigName": endpoint.config,
            **({"FailureReason": endpoint.reason} if endpoint.reason else {}),
        }
        self._proceed(name, endpoint)
        return told

    def _proceed(self, name: str, endpoint: FakeEndpoint) -> None:
        """What has happened by the next look."""
        if endpoint.status == "Deleting":
            if endpoint.process is not None:
                endpoint.process.stop()
            del self.endpoints[name]
        elif endpoint.status == "Creating":
            server = self._serve(name, endpoint.config)
            endpoint.process = server
            endpoint.status = "Failed" if server is None else "InService"
            endpoint.reason = _UNHEALTHY if server is None else ""
        elif endpoint.status.startswith("Updating"):
            config = endpoint.status.split(" ", 1)[1]
            server = self._serve(name, config)
            endpoint.status = "InService"
            if server is None:
                endpoint.reason = _UNHEALTHY
                return
            if endpoint.process is not None:
                endpoint.process.stop()
            endpoint.config, endpoint.process, endpoint.reason = config, server, ""

    def _endpoint(self, name: JsonValue) -> FakeEndpoint:
        if str(name) not in self.endpoints:
            raise absent(f'endpoint "{name}"')
        return self.endpoints[str(name)]

    def _serve(self, endpoint: str, config: str) -> FakeServer | None:
        if endpoint in self.broken_on or config.startswith(tuple(self.broken_configs)):
            return None
        model = str(each(self.configs[config]["ProductionVariants"])[0]["ModelName"])
        return self._server(model)

    def _server(self, model: str) -> FakeServer:
        package = self._package(each(self.models[model]["Containers"])[0]["ModelPackageName"])
        (container,) = each(at(package, "InferenceSpecification", "Containers"))
        return self.containers.serve(str(container["ModelDataUrl"]), as_process=self.as_processes)

    def invoke(self, endpoint: str, body: bytes, kind: str, accept: str) -> tuple[int, bytes, str]:
        """Forwards to the container, as the runtime does."""
        with self.lock:
            found = self.endpoints.get(endpoint)
            if found is None or found.process is None:
                raise RefusedError(
                    "ValidationError", f"Endpoint {endpoint} of account {ACCOUNT} not found."
                )
            port = found.process.port
        status, answer, given = forwarded(port, body, kind, accept)
        if status >= 400:
            raise RefusedError(
                "ModelError", f"Received client error ({status}): {answer.decode()}", 424
            )
        if endpoint in self.wrong_on:
            answer = with_wrong_scores(answer)
        return status, answer, given


_UNHEALTHY = (
    "The primary container for production variant main did not pass the ping health check. "
    f"Please check CloudWatch logs of account {ACCOUNT}."
)


def arn(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def each(value: JsonValue) -> list[Body]:
    assert isinstance(value, list)
    return [one for one in value if isinstance(one, dict)]


def at(value: JsonValue, *path: str) -> JsonValue:
    for part in path:
        assert isinstance(value, dict)
        value = value[part]
    return value
