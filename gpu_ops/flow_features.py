"""Features of pass-through: what an account received before it pays, and sent after it was paid."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

import polars as pl

from gpu_ops.feature_terms import NOTHING, duration_label

FlowEntity = Literal["payer", "payee"]
FlowStatistic = Literal["sum", "count", "time_since_last"]
FLOW_ENTITIES: Final[tuple[FlowEntity, ...]] = get_args(FlowEntity)
FLOW_STATISTICS: Final[tuple[FlowStatistic, ...]] = get_args(FlowStatistic)

OPPOSITE: Final[dict[FlowEntity, str]] = {"payer": "payee_id", "payee": "payer_id"}
VERBS: Final[dict[FlowEntity, str]] = {"payer": "received", "payee": "sent"}

THROUGH: Final = (
    "rapid dispersal of what was received: FCA 2024, review of money mule detection; "
    "two payments in a row: Blanusa et al. 2024, arXiv 2402.08593"
)
"""Where money passing through an account is described as a sign of a mule."""


@dataclass(frozen=True)
class FlowFeature:
    """A statistic of an account's earlier transactions in its other role.

    For a transaction at ``t`` these are the rows with ``t - window <= occurred_at < t`` in which
    its payer was the payee (what the payer received), or its payee the payer (what the payee
    sent). A payment from an account to itself is both. Where payers and payees are of different
    kinds, cards and terminals, nobody has two roles, and the feature is null.

    Args:
        entity: ``payer`` or ``payee``.
        statistic: ``sum`` of amounts; ``count`` of rows; ``time_since_last``, seconds since the
            newest of them, null without any.
        window: how far it looks back; None for the look-back of the catalogue.

    Raises:
        ValueError: a value is not one of those above, or the window is not positive.
    """

    entity: FlowEntity
    statistic: FlowStatistic
    window: timedelta | None = None

    def __post_init__(self) -> None:
        if self.entity not in FLOW_ENTITIES:
            raise ValueError(f"entity {self.entity!r} is unknown; choose one of {FLOW_ENTITIES}")
        if self.statistic not in FLOW_STATISTICS:
            raise ValueError(
                f"statistic {self.statistic!r} is unknown; choose one of {FLOW_STATISTICS}"
            )
        if self.window is not None and self.window <= NOTHING:
            raise ValueError("a window must be longer than nothing")

    def within(self, lookback: timedelta) -> timedelta:
        """Tell how far it looks back in a catalogue of this look-back."""
        return lookback if self.window is None else self.window

    def reach(self, lookback: timedelta) -> timedelta:
        """Tell how much history it needs."""
        return self.within(lookback)

    @property
    def name(self) -> str:
        """Column name, such as ``payer_received_sum_1d`` or ``payer_time_since_received``."""
        suffix = "" if self.window is None else f"_{duration_label(self.window)}"
        verb = VERBS[self.entity]
        if self.statistic == "time_since_last":
            return f"{self.entity}_time_since_{verb}{suffix}"
        return f"{self.entity}_{verb}_{self.statistic}{suffix}"

    @property
    def dtype(self) -> pl.DataType:
        """UInt32 for counts, else Float32."""
        return pl.UInt32() if self.statistic == "count" else pl.Float32()

    @property
    def empty_is_zero(self) -> bool:
        """Whether it is 0 where nothing was received or sent; a time is null."""
        return self.statistic != "time_since_last"

    @property
    def formula(self) -> str:
        """The definition, with ``t`` for the row's own time."""
        back = "lookback" if self.window is None else duration_label(self.window)
        own = f"{self.entity}_id"
        rows = f"rows whose {OPPOSITE[self.entity]} is this {own}, t - {back} <= occurred_at < t"
        return {
            "sum": f"sum of amount over {rows}",
            "count": f"number of {rows}",
            "time_since_last": f"seconds from the newest of {rows} to t",
        }[self.statistic]

    @property
    def source(self) -> str:
        """Where the definition was published."""
        return THROUGH

    @property
    def description(self) -> str:
        """What it tells, in plain words."""
        verb = VERBS[self.entity]
        back = "the look-back" if self.window is None else f"the {duration_label(self.window)}"
        within = f"within {back} before the payment"
        return {
            "sum": f"Total amount that this {self.entity} {verb} {within}.",
            "count": f"How many payments this {self.entity} {verb} {within}.",
            "time_since_last": f"Seconds since this {self.entity} last {verb} money {within}.",
        }[self.statistic]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical columns that it is computed from."""
        amount = ("amount",) if self.statistic == "sum" else ()
        return ("occurred_at", "payer_id", "payee_id", *amount)


FLOW_FEATURES: Final = (
    FlowFeature("payer", "sum", timedelta(hours=1)),
    FlowFeature("payer", "sum", timedelta(days=1)),
    FlowFeature("payer", "sum", timedelta(days=7)),
    FlowFeature("payee", "sum", timedelta(days=1)),
    FlowFeature("payee", "sum", timedelta(days=7)),
    FlowFeature("payer", "time_since_last"),
    FlowFeature("payee", "time_since_last"),
)
"""What went through an account in the project's catalogue; `gpu_ops.flow_rows` goes on with it."""
