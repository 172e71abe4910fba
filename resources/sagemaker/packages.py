"""Model packages: each model of the lake is registered once, with the gate's verdict."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field

from gpu_ops.gate import Status
from resources.model_store import EVALUATION_FILE, ModelVersion
from resources.registry import RegistryEntry
from resources.sagemaker import requests
from resources.sagemaker.api import (
    AbsentError,
    Answer,
    Named,
    SageMaker,
    SageMakerApi,
    SageMakerError,
    TakenError,
    masked_accounts,
)
from resources.sagemaker.approval import describe
from resources.sagemaker.records import (
    ARCHIVE_FILE,
    RECORD_FILE,
    PackageRecord,
    inputs_of,
    record_of,
    record_slot,
)
from resources.sagemaker.waiting import Patience, wait_for
from resources.versions import Manifest, Versions

_APPROVAL: Final = {
    Status.APPROVED: "Approved",
    Status.PENDING: "PendingManualApproval",
    Status.REJECTED: "Rejected",
}
_STRICTNESS: Final = ("Approved", "PendingManualApproval", "Rejected")
_LONGEST_TEXT: Final = 1_024
_UNFINISHED: Final = frozenset({"Pending", "InProgress"})
_READY_SECONDS: Final = 300.0


class _Summary(Answer):
    arn: str = Field(alias="ModelPackageArn")
    description: str = Field(default="", alias="ModelPackageDescription")


class _Page(Answer):
    summaries: list[_Summary] = Field(alias="ModelPackageSummaryList")


class _Created(Answer):
    arn: str = Field(alias="ModelPackageArn")


@dataclass(frozen=True)
class Registered:
    """What registering did.

    Attributes:
        record: The package.
        manifest: The record's version in the lake.
        is_new: Whether the package was made now.
        stricter: A stricter status that somebody gave it in SageMaker, and that stands; or empty.
    """

    record: PackageRecord
    manifest: Manifest
    is_new: bool
    stricter: str


def register(
    sagemaker: SageMaker,
    versions: Versions,
    model: ModelVersion,
    verdict: RegistryEntry,
    archive: Manifest,
    run_id: str,
) -> Registered:
    """Registers a model in its feed's group and gives it the gate's verdict.

    The package is found again by the record in the lake, else by its description, which holds the
    model's content id; CustomerMetadataProperties are not used, since not every registry keeps
    them. A status that somebody changed in SageMaker stands if it is stricter than the verdict;
    a laxer one is set back.

    Raises:
        SageMakerError: A call was refused, the package is no good, or the verdict is on other
            files.
    """
    if verdict.content_id != model.manifest.content_id:
        raise SageMakerError(f"the verdict on {model.name} is about other files; judge it again")
    record = record_of(versions, model)
    arn = _still_there(sagemaker.api, record) or _found(sagemaker, model)
    is_new = arn is None
    if arn is None:
        arn = _created(sagemaker, model, archive)
    state = wait_for(
        lambda: describe(sagemaker.api, arn),
        lambda seen: seen.status not in _UNFINISHED,
        Patience(sagemaker.first_poll_seconds, _READY_SECONDS),
        f"the package of {model.name}",
    )
    if state.status == "Failed":
        raise SageMakerError(f"SageMaker could not make the package of {model.name}")
    wanted = _APPROVAL[verdict.status]
    given = wanted if record is None else record.approval
    is_stricter = _STRICTNESS.index(state.approval) > _STRICTNESS.index(wanted)
    was_changed = not is_new and record is not None and state.approval != given
    stands = is_stricter and was_changed
    if state.approval != wanted and not stands:
        _approve(sagemaker.api, arn, wanted, verdict)
    record = PackageRecord(
        arn=arn,
        feed=model.feed,
        version=model.version,
        content_id=model.manifest.content_id,
        approval=wanted,
    )
    attempt = versions.begin(record_slot(model.feed), run_id)
    attempt.write_bytes(RECORD_FILE, record.model_dump_json(indent=1).encode())
    manifest = versions.publish(attempt, inputs=inputs_of(model))
    return Registered(record, manifest, is_new, state.approval if stands else "")


def _described_as(model: ModelVersion) -> str:
    return f"fraud-assets model {model.name}, content {model.manifest.content_id}"


def _still_there(api: SageMakerApi, record: PackageRecord | None) -> str | None:
    if record is None:
        return None
    try:
        describe(api, record.arn)
    except AbsentError:
        return None
    return record.arn


def _found(sagemaker: SageMaker, model: ModelVersion) -> str | None:
    """A package that a run made and was killed before it could record it."""
    request: requests.Request = {"ModelPackageGroupName": sagemaker.config.group_of(model.feed)}
    with suppress(AbsentError):
        for page in sagemaker.api.pages("list_model_packages", request, _Page):
            for summary in page.summaries:
                if summary.description == _described_as(model):
                    return summary.arn
    return None


def _created(sagemaker: SageMaker, model: ModelVersion, archive: Manifest) -> str:
    config = sagemaker.config
    group = config.group_of(model.feed)
    with suppress(TakenError):
        sagemaker.api.call(
            "create_model_package_group",
            {
                "ModelPackageGroupName": group,
                "ModelPackageGroupDescription": f"Fraud models of the feed {model.feed}",
                "Tags": requests.tags({"feed": model.feed}),
            },
            Named,
        )
    request = requests.model_package(
        config,
        group=group,
        description=_described_as(model),
        model_url=config.url(archive.key_of(ARCHIVE_FILE)),
        evaluation_url=config.url(archive.key_of(EVALUATION_FILE)),
        token=str(uuid5(NAMESPACE_URL, f"{config.lake_url} {_described_as(model)}")),
    )
    return sagemaker.api.call("create_model_package", request, _Created).arn


def _approve(api: SageMakerApi, arn: str, approval: str, verdict: RegistryEntry) -> None:
    reasons = " ".join("; ".join(verdict.reasons).split())
    told = masked_accounts(f"{verdict.by}: {reasons}")
    api.call(
        "update_model_package",
        {
            "ModelPackageArn": arn,
            "ModelApprovalStatus": approval,
            "ApprovalDescription": told[:_LONGEST_TEXT],
        },
        Named,
    )
