"""What the lake keeps of a model in SageMaker: its archive and the record of its package."""

from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict

from resources.model_store import EVALUATION_FILE, ModelVersion, read_checked
from resources.registry import ModelRegistry, RegistryEntry
from resources.sagemaker.archive import MODEL_FILES, pack
from resources.versions import Manifest, Slot, Versions

if TYPE_CHECKING:
    import polars as pl

ARCHIVE_FILE: Final = "model.tar.gz"
SAMPLE: Final = "part-sample"
RECORD_FILE: Final = "package.json"


class PackageRecord(BaseModel):
    """What we know of a package of ours; kept in the lake, since SageMaker's copy may change.

    Attributes:
        arn: The package.
        feed: Whose model.
        version: Its number in the lake.
        content_id: Hash over its files.
        approval: The status that we gave it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arn: str
    feed: str
    version: int
    content_id: str
    approval: str


def archive_slot(feed: str) -> Slot:
    """Where the archives of a feed's models lie; below `models`, whose versions are all kept."""
    return Slot.snapshot(f"models/{feed}/sagemaker/archive")


def record_slot(feed: str) -> Slot:
    """Where the records of a feed's packages lie."""
    return Slot.snapshot(f"models/{feed}/sagemaker/package")


def archived(
    versions: Versions, model: ModelVersion, sample: "pl.DataFrame", run_id: str
) -> Manifest:
    """The model as `model.tar.gz`, its evaluation, and rows to try it with; made once a model.

    It is packed from the files that were judged, not taken from the training job's output.

    Args:
        versions: The lake.
        model: The model.
        sample: Rows with the model's features and no identifiers.
        run_id: The run that asks.
    """
    slot, inputs = archive_slot(model.feed), inputs_of(model)
    found = made_of(versions, slot, inputs)
    if found is not None and not versions.damage(found, hashes=True):
        return found
    attempt = versions.begin(slot, run_id)
    files = {name: read_checked(versions, model.manifest, name) for name in MODEL_FILES}
    attempt.write_bytes(ARCHIVE_FILE, pack(files))
    attempt.write_bytes(EVALUATION_FILE, files[EVALUATION_FILE])
    attempt.write_table(sample, part=SAMPLE)
    return versions.publish(attempt, inputs=inputs)


def record_of(versions: Versions, model: ModelVersion) -> PackageRecord | None:
    """The record of a model's package; None if it was never registered."""
    manifest = made_of(versions, record_slot(model.feed), inputs_of(model))
    if manifest is None:
        return None
    return PackageRecord.model_validate_json(read_checked(versions, manifest, RECORD_FILE))


def verdict_on(registry: ModelRegistry, model: ModelVersion) -> RegistryEntry | None:
    """The latest verdict on a model; None if it was never judged."""
    log = registry.list(model.feed)
    return next((entry for entry in reversed(log) if entry.version == model.version), None)


def inputs_of(model: ModelVersion) -> dict[str, str]:
    """How everything that is made of a model names it."""
    return {model.manifest.slot: model.manifest.content_id}


def made_of(versions: Versions, slot: Slot, inputs: dict[str, str]) -> Manifest | None:
    """The newest version in a slot that was made of the inputs."""
    for number in reversed(versions.all_numbers(slot)):
        manifest = versions.get(slot, number)
        if manifest.inputs == inputs:
            return manifest
    return None
