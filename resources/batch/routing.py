"""Where a step runs: small ones here, large ones on Batch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Place: TypeAlias = Literal["in process", "batch"]
Compute: TypeAlias = Literal["gpu", "cpu"]

COMPUTE: Final = "fraud/compute"
"""The tag by which an asset (its `op_tags`) names what its step computes on; without, the GPU."""

_COMPUTES: Final[Mapping[str, Compute]] = {"gpu": "gpu", "cpu": "cpu"}

PLACE: Final = "placement"
REASON: Final = "placement_reason"


@dataclass(frozen=True)
class Decision:
    """Where a step runs, and why.

    Attributes:
        place: Here, or on Batch.
        reason: In words, for the run's events and the materialization.
        rows: What was counted; None if unknown.
    """

    place: Place
    reason: str
    rows: int | None

    def metadata(self) -> dict[str, str | int]:
        """The decision as Dagster shows it."""
        rows = {} if self.rows is None else {"placement_rows": self.rows}
        return {PLACE: self.place, REASON: self.reason, **rows}


def compute_of(tags: Mapping[str, str]) -> Compute:
    """What a step computes on, from the tags of its asset.

    Raises:
        ValueError: The tag has another value.
    """
    named = tags.get(COMPUTE, "gpu")
    if named not in _COMPUTES:
        raise ValueError(f"the tag {COMPUTE} must be gpu or cpu, not {named!r}")
    return _COMPUTES[named]


def in_a_job() -> bool:
    """Whether this process is a job's container, where every second is paid for."""
    return "AWS_BATCH_JOB_ID" in os.environ


def route(rows: int | None, limit: int, *, batch_available: bool) -> Decision:
    """Where a step of so many input rows runs.

    A container costs several seconds to start, which a small step does not take in all.

    Args:
        rows: Rows of the step's inputs; None if unknown.
        limit: Rows from which on a step goes to Batch.
        batch_available: Whether there is a Batch to go to.
    """
    if not batch_available:
        return Decision("in process", "no Batch is at hand", rows)
    if rows is None:
        return Decision("batch", "the number of input rows is unknown", rows)
    if rows < limit:
        return Decision("in process", f"{rows:,} input rows are below the limit of {limit:,}", rows)
    return Decision("batch", f"{rows:,} input rows reach the limit of {limit:,}", rows)
