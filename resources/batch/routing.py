"""Where a step runs: small ones here, large ones on Batch."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Place: TypeAlias = Literal["in process", "batch"]

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
