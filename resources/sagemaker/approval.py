"""Who may be deployed: a model that the gate approved, in the very package that was registered."""

from pydantic import Field

from gpu_ops.gate import Status
from resources.model_store import ModelVersion
from resources.registry import ModelRegistry
from resources.sagemaker.api import Answer, SageMaker, SageMakerApi, SageMakerError
from resources.sagemaker.records import (
    ARCHIVE_FILE,
    PackageRecord,
    archive_slot,
    inputs_of,
    made_of,
    record_of,
    verdict_on,
)
from resources.versions import Manifest, Versions


class NotApprovedError(SageMakerError):
    """Somebody tried to deploy what the gate did not approve."""


class _Container(Answer):
    image: str = ""
    model_url: str = Field(default="", alias="ModelDataUrl")


class _Inference(Answer):
    containers: tuple[_Container, ...] = ()


class PackageState(Answer):
    """What DescribeModelPackage says."""

    status: str = Field(default="Completed", alias="ModelPackageStatus")
    approval: str = Field(alias="ModelApprovalStatus")
    inference: _Inference = Field(alias="InferenceSpecification")


def deployable(
    sagemaker: SageMaker, versions: Versions, model: ModelVersion
) -> tuple[PackageRecord, Manifest]:
    """The package and archive of a model, if both registries approve exactly this model.

    The lake's registry is asked first, so what the gate did not approve is refused before any
    call, whatever SageMaker says of it.

    Raises:
        NotApprovedError: The gate or SageMaker does not approve, or the package or the archive is
            not what was judged.
    """
    verdict = verdict_on(ModelRegistry(versions), model)
    if verdict is None:
        raise NotApprovedError(f"{model.name} is not deployed: nobody has judged it yet")
    if verdict.status is not Status.APPROVED:
        reasons = "; ".join(verdict.reasons)
        raise NotApprovedError(
            f"{model.name} is not deployed: the gate says {verdict.status}: {reasons}"
        )
    record = record_of(versions, model)
    archive = made_of(versions, archive_slot(model.feed), inputs_of(model))
    if record is None or archive is None:
        raise NotApprovedError(
            f"{model.name} is not deployed: it has no package; materialize sagemaker_model_package"
        )
    if verdict.content_id != model.manifest.content_id or versions.damage(archive, hashes=True):
        raise NotApprovedError(
            f"{model.name} is not deployed: its files are not those that were judged; judge and "
            "register it again"
        )
    state = describe(sagemaker.api, record.arn)
    if state.approval != "Approved":
        raise NotApprovedError(
            f"{model.name} is not deployed: its package is {state.approval} in SageMaker, though "
            "our gate approved it; approve it there, or deploy another version"
        )
    served = [container.model_url for container in state.inference.containers]
    if served != [sagemaker.config.url(archive.key_of(ARCHIVE_FILE))]:
        raise NotApprovedError(
            f"{model.name} is not deployed: its package serves {', '.join(served) or 'nothing'}, "
            "which is not the archive that was registered"
        )
    return record, archive


def describe(api: SageMakerApi, arn: str) -> PackageState:
    """A package's state; AbsentError if there is none."""
    return api.call("describe_model_package", {"ModelPackageName": arn}, PackageState)
