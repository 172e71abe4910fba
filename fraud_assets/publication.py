"""Write, check, publish: how every asset's new version becomes visible, or does not.

The body of an asset stages its data under `attempt=<run id>/`, evaluates its contracts on what it
staged, and hands both to `publish`. Only when every blocking check passed is the manifest written
that makes the version visible; otherwise the last good version stays.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import dagster as dg
from pydantic import JsonValue

from fraud_assets.measure import StepMeter
from resources.versions import Attempt, Manifest, OvertakenError, Versions

Metadata = Mapping[str, dg.MetadataValue | dg.TableColumnLineage | dg.TableSchema | float | str]
PublicationEvent = dg.AssetCheckResult | dg.MaterializeResult[None]

OWNERS: Final = ("team:fraud-data-engineering",)
SCIENCE: Final = ("team:fraud-data-science",)
ANALYSIS: Final = ("team:fraud-analysis",)

HEAVY_POOL: Final = "gpu"
"""The pool of the assets that use an accelerator where there is one; dagster.yaml limits it."""


@dataclass(frozen=True)
class Draft:
    """A staged version and what is to be said of it.

    Attributes:
        attempt: Where its files are staged.
        checks: What its contracts say; results of blocking checks decide over publication.
        inputs: The versions it was made of, slot by slot.
        extra: Figures kept in the manifest.
        metadata: What the UI shows beside the standard figures.
    """

    attempt: Attempt
    checks: Sequence[dg.AssetCheckResult]
    inputs: Mapping[str, str]
    extra: Mapping[str, JsonValue] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=dict)


def rejected_label(attempt: Attempt) -> str:
    """What a check result calls the version that it judged."""
    return attempt.folder


def publish(
    versions: Versions,
    draft: Draft,
    meter: StepMeter,
    *,
    guard: Callable[[], None] | None = None,
    follows: int | None = None,
) -> Iterator[PublicationEvent]:
    """Yield the check results, then publish and yield the materialization.

    Args:
        versions: Where.
        draft: What.
        meter: Of the step.
        guard: Called when the checks have passed, just before the manifest is created; what it
            raises keeps the version from being published.
        follows: As in `Versions.publish`.

    Raises:
        dagster.Failure: A blocking check failed, or another version came after `follows`.
            Nothing was published.
    """
    yield from draft.checks
    refuse_failed(draft.checks)
    if guard is not None:
        guard()
    try:
        manifest = versions.publish(
            draft.attempt, inputs=dict(draft.inputs), extra=dict(draft.extra), follows=follows
        )
    except OvertakenError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    yield materialization(manifest, meter, draft.metadata)


def refuse_failed(checks: Sequence[dg.AssetCheckResult]) -> None:
    """Raise a `dagster.Failure` that names the blocking checks that failed, if any did."""
    failed = [
        check
        for check in checks
        if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR
    ]
    if failed:
        reasons = "; ".join(f"{check.check_name}: {check.description}" for check in failed)
        raise dg.Failure(
            description=f"Not published, the last good version stays visible. {reasons}",
            allow_retries=False,
        )


def materialization(
    manifest: Manifest, meter: StepMeter, metadata: Metadata
) -> dg.MaterializeResult[None]:
    """What Dagster keeps of a published version."""
    meter.stop()
    standard: dict[str, dg.MetadataValue | float | str] = {
        "dagster/row_count": dg.MetadataValue.int(manifest.rows),
        "seconds": round(meter.seconds, 3),
        "peak_mib": round(meter.peak_mib, 1),
        "bytes": sum(entry.size for entry in manifest.files),
        "version": f"{manifest.slot}@{manifest.number}",
    }
    return dg.MaterializeResult(
        metadata={**standard, **metadata},
        data_version=dg.DataVersion(manifest.content_id),
    )
