"""A SageMaker of this machine: requests are checked, and jobs and endpoints really run.

Control plane and runtime speak AWS's JSON protocols on the loopback. A training job is the
project's entry point as a process, with its channels fetched from S3; an endpoint is the serving
program as a process, to which invocations are forwarded. What the real service does over minutes
happens here at the next look. Docs of the real behaviour: the API reference of each operation.
"""

import json
import signal
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore import xform_name

from tests.sagemaker_aws.fake_containers import forwarded
from tests.sagemaker_aws.fake_protocol import Body, RefusedError, check_request
from tests.sagemaker_aws.fake_serving import FakeServing, absent, arn, at, each

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass
class FakeTraining:
    request: Body
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    status: str = "InProgress"
    detail: str = "Starting"
    reason: str = ""


@dataclass
class FakeSageMaker(FakeServing):
    """The state, and what tests may make it do.

    Attributes:
        fail_next: Operation to the errors that its next calls get, in order.
        hold_jobs: Jobs stay InProgress until they are stopped.
        on_describe: Called at each look at a training job.
        looks: Number of calls that only look.
        calls: Operations in the order of the calls, without looks.
        bodies: The same with their requests.
    """

    fail_next: dict[str, list[RefusedError]] = field(default_factory=dict)
    hold_jobs: bool = False
    on_describe: Callable[[], None] | None = None
    looks: int = 0
    calls: list[str] = field(default_factory=list)
    bodies: list[tuple[str, Body]] = field(default_factory=list)
    trainings: dict[str, FakeTraining] = field(default_factory=dict)
    transforms: dict[str, Body] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)

    def answer(self, operation: str, body: Body) -> Body:
        with self.lock:
            if not operation.startswith(("Describe", "List")):
                self.calls.append(operation)
                self.bodies.append((operation, body))
            else:
                self.looks += 1
            for error in self.fail_next.get(operation, [])[:1]:
                self.fail_next[operation].pop(0)
                raise error
            check_request(operation, body)
            act: Callable[[Body], Body | None] = getattr(self, f"_{xform_name(operation)}")
            return act(body) or {}

    def counted(self) -> Counter[str]:
        return Counter(self.calls)

    def close(self) -> None:
        for training in self.trainings.values():
            if training.process is not None and training.process.poll() is None:
                training.process.kill()
                training.process.wait()
        for endpoint in self.endpoints.values():
            if endpoint.process is not None:
                endpoint.process.stop()

    # Training

    def _create_training_job(self, body: Body) -> Body:
        name = str(body["TrainingJobName"])
        if name in self.trainings:
            raise RefusedError("ResourceInUse", "Training job names must be unique.")
        folder = self.containers.folder / name
        training = FakeTraining(body, folder)
        self.trainings[name] = training
        base = folder / "ml"
        for channel in each(body["InputDataConfig"]):
            source = at(channel, "DataSource", "S3DataSource", "S3Uri")
            self.containers.fetch(
                str(source), base / "input" / "data" / str(channel["ChannelName"])
            )
        config = base / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(body["HyperParameters"]))
        if "CheckpointConfig" in body:
            (base / "checkpoints").mkdir()
        if not self.hold_jobs:
            self._start(training)
        return {"TrainingJobArn": arn("training-job", name)}

    def _start(self, training: FakeTraining) -> None:
        command = at(training.request, "AlgorithmSpecification", "ContainerEntrypoint")
        assert isinstance(command, list)
        training.detail = "Training"
        training.process = self.containers.train([str(word) for word in command], training.folder)

    def interrupt(self, name: str) -> int:
        """Takes the machine away: SIGTERM, then the same job on another one; the exit code."""
        training = self.trainings[name]
        assert training.process is not None
        training.process.send_signal(signal.SIGTERM)
        code = training.process.wait(60)
        self._start(training)
        return code

    def _describe_training_job(self, body: Body) -> Body:
        name = str(body["TrainingJobName"])
        training = self.trainings.get(name)
        if training is None:
            raise RefusedError("ValidationException", "Requested resource not found.")
        if self.on_describe is not None:
            self.on_describe()
        if training.status == "InProgress" and training.process is not None:
            code = training.process.poll()
            if code is not None:
                self._finish(name, training, code)
        if training.status == "Stopping":
            training.status = training.detail = "Stopped"
        return {
            "TrainingJobName": name,
            "TrainingJobStatus": training.status,
            "SecondaryStatus": training.detail,
            "TrainingTimeInSeconds": 40,
            "BillableTimeInSeconds": 12,
            **({"FailureReason": training.reason} if training.reason else {}),
        }

    def _finish(self, name: str, training: FakeTraining, code: int) -> None:
        base = training.folder / "ml"
        if code != 0:
            failure = base / "output" / "failure"
            told = failure.read_text() if failure.exists() else ""
            training.status = training.detail = "Failed"
            training.reason = f"AlgorithmError: {told}, exit code: {code}"
            return
        packed = training.folder / "model.tar.gz"
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(base / "model", ".")
        place = str(at(training.request, "OutputDataConfig", "S3OutputPath"))
        self.containers.put(f"{place}/{name}/output/model.tar.gz", packed.read_bytes())
        training.status = training.detail = "Completed"

    def _stop_training_job(self, body: Body) -> None:
        training = self.trainings[str(body["TrainingJobName"])]
        if training.process is not None:
            training.process.kill()
            training.process.wait()
        training.status = "Stopping"

    # Packages

    def _create_model_package_group(self, body: Body) -> Body:
        name = str(body["ModelPackageGroupName"])
        if name in self.groups:
            raise RefusedError("ValidationException", "Model Package Group already exists.")
        self.groups.add(name)
        return {"ModelPackageGroupArn": arn("model-package-group", name)}

    def _create_model_package(self, body: Body) -> Body:
        group = str(body["ModelPackageGroupName"])
        if group not in self.groups:
            raise absent(f"model package group {group}")
        name = arn("model-package", f"{group}/{len(self.packages) + 1}")
        self.packages[name] = {**body, "ModelPackageStatus": "Completed"}
        return {"ModelPackageArn": name}

    def _update_model_package(self, body: Body) -> Body:
        package = self._package(body["ModelPackageArn"])
        package |= {name: body[name] for name in ("ModelApprovalStatus", "ApprovalDescription")}
        return {"ModelPackageArn": body["ModelPackageArn"]}

    def _describe_model_package(self, body: Body) -> Body:
        package = self._package(body["ModelPackageName"])
        # As the real registry may: what nobody may rely on is gone.
        return {name: one for name, one in package.items() if name != "ClientToken"}

    def _list_model_packages(self, body: Body) -> Body:
        group = body["ModelPackageGroupName"]
        if group not in self.groups:
            raise absent(f"model package group {group}")
        found: list[JsonValue] = [
            {
                "ModelPackageArn": name,
                "ModelPackageDescription": package["ModelPackageDescription"],
                "ModelPackageStatus": "Completed",
                "CreationTime": 0,
            }
            for name, package in self.packages.items()
            if package["ModelPackageGroupName"] == group
        ]
        # One a page, so that the caller must read on.
        start = int(str(body.get("NextToken", "0")))
        more: Body = {} if start + 1 >= len(found) else {"NextToken": str(start + 1)}
        return {"ModelPackageSummaryList": found[start : start + 1], **more}

    # Transform

    def _create_transform_job(self, body: Body) -> Body:
        name = str(body["TransformJobName"])
        if name in self.transforms:
            raise RefusedError("ResourceInUse", "Job name must be unique.")
        if str(body["ModelName"]) not in self.models:
            raise absent("model")
        self.transforms[name] = body
        return {"TransformJobArn": arn("transform-job", name)}

    def _describe_transform_job(self, body: Body) -> Body:
        name = str(body["TransformJobName"])
        if name not in self.transforms:
            raise RefusedError("ValidationException", "Could not find requested job.")
        job = self.transforms[name]
        if "done" not in job:
            self._transform(job)
            job["done"] = True
        return {"TransformJobName": name, "TransformJobStatus": "Completed"}

    def _transform(self, job: Body) -> None:
        server = self._server(str(job["ModelName"]))
        try:
            source = str(at(job, "TransformInput", "DataSource", "S3DataSource", "S3Uri"))
            place = str(at(job, "TransformOutput", "S3OutputPath"))
            for key, content in self.containers.objects(source):
                status, answer, _ = forwarded(
                    server.port,
                    content,
                    str(at(job, "TransformInput", "ContentType")),
                    str(at(job, "TransformOutput", "Accept")),
                )
                assert status == 200, answer
                self.containers.put(f"{place}/{key.rsplit('/', 1)[-1]}.out", answer)
        finally:
            server.stop()
