"""The words that features are declared in: whose past, how far back, what they are."""

from datetime import timedelta
from typing import Final, Literal, Protocol, get_args

import polars as pl

Entity = Literal["payer", "payee", "pair"]
ENTITIES: Final[tuple[Entity, ...]] = get_args(Entity)
ENTITY_COLUMNS: Final[dict[Entity, tuple[str, ...]]] = {
    "payer": ("payer_id",),
    "payee": ("payee_id",),
    "pair": ("payer_id", "payee_id"),
}
BALANCE_COLUMNS: Final = ("payer_balance_before", "payee_balance_before")
NUMERIC_COLUMNS: Final = ("amount", *BALANCE_COLUMNS)
NOTHING: Final = timedelta(0)
LOOKBACK: Final = timedelta(days=120)
"""How far features without a window look back, unless the feed says otherwise."""


class PastFeature(Protocol):
    """A feature of an entity's earlier transactions.

    For a transaction at time ``t`` it may use only rows with ``occurred_at < t``, none of the
    same moment, and of their labels only those with ``label_known_at < t``. A new kind of it
    comes with a `gpu_ops.past_plans.PastPlan` that computes it.
    """

    @property
    def name(self) -> str:
        """Column name; it starts with the entity and ends with the window, where it has one."""

    @property
    def entity(self) -> Entity:
        """Whose past. A row without the party has none."""

    @property
    def window(self) -> timedelta | None:
        """Length of the window; None for the look-back of the catalogue."""

    @property
    def dtype(self) -> pl.DataType:
        """What it is stored as."""

    @property
    def formula(self) -> str:
        """The definition, with ``t`` for the row's own time."""

    @property
    def source(self) -> str:
        """Where the definition was published."""

    @property
    def description(self) -> str:
        """What it tells, in plain words."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical columns that it is computed from."""

    @property
    def empty_is_zero(self) -> bool:
        """Whether it is 0 of an empty past; else it is null."""

    def reach(self, lookback: timedelta) -> timedelta:
        """How far before ``t`` the oldest row lies that it can see."""


def duration_label(duration: timedelta) -> str:
    """Write a duration in its largest whole unit: ``7d``, ``36h``, ``90m``, ``1s`` or ``5us``."""
    microseconds = duration // timedelta(microseconds=1)
    units = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}
    for unit, length in units.items():
        if microseconds % length == 0:
            return f"{microseconds // length}{unit}"
    return f"{microseconds}us"
