"""Where and as whom SageMaker works, from the project's settings."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from resources.s3 import aws_region
from resources.settings import Settings

LONGEST_NAME: Final = 63
"""Longest name of a job, model, endpoint or group: letters, digits, and `-` between them."""

_GPU: Final = re.compile(r"ml\.(g|p)\d")


@dataclass(frozen=True)
class Network:
    """The VPC that SageMaker's machines are placed in.

    Attributes:
        subnets: Ids.
        security_groups: Ids.
    """

    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]


@dataclass(frozen=True)
class SageMakerConfig:
    """What every request to SageMaker needs.

    Attributes:
        role: ARN of the role that jobs and endpoints run as.
        image: This project's container image.
        training_image: The image of training jobs; on a GPU machine, the one with CUDA.
        instance_type: Machine of training and transform jobs.
        serving_instance_type: Machine of endpoints.
        model_group: Begins the names of model package groups and of jobs.
        endpoint: Begins the names of endpoints.
        spot: Whether training may be interrupted.
        max_runtime_seconds: Longest time that a job computes.
        max_wait_seconds: Longest time of a spot job, its waits included.
        endpoint_timeout_seconds: Longest wait for an endpoint.
        kms_key: Key of disks and outputs; None: AWS's own.
        network: The VPC; None: none.
        lake_url: The lake, `s3://bucket/prefix`.
        region: AWS region; None: as boto3 finds it, such as that of a profile.
    """

    role: str
    image: str
    training_image: str
    instance_type: str
    serving_instance_type: str
    model_group: str
    endpoint: str
    spot: bool
    max_runtime_seconds: int
    max_wait_seconds: int
    endpoint_timeout_seconds: int
    kms_key: str | None
    network: Network | None
    lake_url: str
    region: str | None

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """The configuration; None where FRAUD_SAGEMAKER_ROLE is not set.

        `Settings` itself refuses a role without an image or without a lake in S3.
        """
        if settings.sagemaker_role is None or settings.sagemaker_image is None:
            return None
        network = None
        if settings.sagemaker_subnets and settings.sagemaker_security_groups:
            network = Network(
                tuple(settings.sagemaker_subnets.split(",")),
                tuple(settings.sagemaker_security_groups.split(",")),
            )
        return cls(
            role=settings.sagemaker_role,
            image=settings.sagemaker_image,
            training_image=settings.sagemaker_training_image or settings.sagemaker_image,
            instance_type=settings.sagemaker_instance_type,
            serving_instance_type=settings.sagemaker_serving_instance_type,
            model_group=settings.sagemaker_model_group,
            endpoint=settings.sagemaker_endpoint,
            spot=settings.sagemaker_spot,
            max_runtime_seconds=60 * settings.sagemaker_max_runtime_minutes,
            max_wait_seconds=60 * settings.sagemaker_max_wait_minutes,
            endpoint_timeout_seconds=60 * settings.sagemaker_endpoint_timeout_minutes,
            kms_key=settings.sagemaker_kms_key,
            network=network,
            lake_url=settings.open_lake().url,
            region=aws_region(settings.s3_region),
        )

    @property
    def trains_on_gpu(self) -> bool:
        """Whether the machine of the jobs has an NVIDIA GPU."""
        return _GPU.match(self.instance_type) is not None

    def group_of(self, feed: str) -> str:
        """The model package group of a feed: models of different feeds do not compete."""
        return safe_name(self.model_group, feed)

    def endpoint_of(self, feed: str) -> str:
        """The endpoint of a feed."""
        return safe_name(self.endpoint, feed)

    def url(self, key: str) -> str:
        """The S3 address of a key in the lake."""
        return f"{self.lake_url}/{key}"


def safe_name(*parts: str, longest: int = LONGEST_NAME) -> str:
    """A name that SageMaker accepts; one that is too long ends in a hash of what was cut."""
    joined = "-".join(parts)
    name = re.sub(r"[^a-zA-Z0-9]+", "-", joined).strip("-")
    if name == joined and len(name) <= longest:
        return name
    # Two names must not become one by what was replaced or cut.
    tail = hashlib.sha256(joined.encode()).hexdigest()[:8]
    return f"{name[: longest - len(tail) - 1].rstrip('-')}-{tail}"
