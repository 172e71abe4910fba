"""The terms in which features are declared: an entity's past, the row itself, and all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import polars as pl

from gpu_ops.feature_terms import (
    BALANCE_COLUMNS,
    ENTITIES,
    ENTITY_COLUMNS,
    LOOKBACK,
    NOTHING,
    NUMERIC_COLUMNS,
    Entity,
    PastFeature,
    duration_label,
)
from gpu_ops.ring_features import RingFeature
from gpu_ops.window_features import (
    COLUMN_STATISTICS,
    LABEL_STATISTICS,
    STATISTICS,
    Statistic,
    WindowFeature,
)

__all__ = [
    "BALANCE_COLUMNS",
    "COLUMN_STATISTICS",
    "ENTITIES",
    "ENTITY_COLUMNS",
    "LABEL_STATISTICS",
    "LOOKBACK",
    "NOTHING",
    "NUMERIC_COLUMNS",
    "PAYLOAD_COLUMNS",
    "STATISTICS",
    "Catalogue",
    "Entity",
    "PastFeature",
    "RingFeature",
    "RowFeature",
    "Statistic",
    "WindowFeature",
    "duration_label",
]

PAYLOAD_COLUMNS: Final = ("occurred_at", "kind", "currency", *NUMERIC_COLUMNS)


@dataclass(frozen=True)
class RowFeature:
    """A feature of the row itself, or of the row against its window features.

    Args:
        name: column name.
        expression: over the canonical columns and the window features of the same catalogue;
            computed in Float64. Never a label, never a balance after the event.
        dtype: what it is stored as.
        formula: the definition.
        source: where it was published.
        description: what it tells, in plain words.
    """

    name: str
    expression: pl.Expr = field(compare=False, repr=False)
    formula: str
    source: str
    description: str
    dtype: pl.DataType = field(default_factory=pl.Float32)

    @property
    def roots(self) -> tuple[str, ...]:
        """Columns and window features that the expression reads."""
        return tuple(dict.fromkeys(self.expression.meta.root_names()))


@dataclass(frozen=True)
class Catalogue:
    """All features of a feature table, in its column order.

    Args:
        windows: features of an entity's past.
        rows: features of rows; they may read past features of this catalogue.
        lookback: how far past features without a window look back.
        same_entities: whether payers and payees are accounts of one kind, of which one may be
            both. Else features of what went through an account are null.
        rings: features of the rings that were known before the day.

    Raises:
        ValueError: two features share a name, the look-back is not positive, or a row feature
            reads what it must not: a label, an identifier, another row feature or an unknown
            column.
    """

    windows: tuple[PastFeature, ...]
    rows: tuple[RowFeature, ...] = ()
    lookback: timedelta = LOOKBACK
    same_entities: bool = True
    rings: tuple[RingFeature, ...] = ()

    def __post_init__(self) -> None:
        if self.lookback <= NOTHING:
            raise ValueError("a look-back must be longer than nothing")
        names = [feature.name for feature in self]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"features are declared twice: {', '.join(doubled)}")
        readable = {*PAYLOAD_COLUMNS, *(one.name for one in self.windows)}
        for row in self.rows:
            refused = sorted(set(row.roots) - readable)
            if refused:
                raise ValueError(
                    f"row feature {row.name!r} reads {', '.join(refused)}; it may read "
                    f"{', '.join(PAYLOAD_COLUMNS)} and the window features of its catalogue"
                )

    def __iter__(self) -> Iterator[PastFeature | RowFeature | RingFeature]:
        yield from self.windows
        yield from self.rows
        yield from self.rings

    def plus(self, *features: PastFeature | RowFeature | RingFeature) -> "Catalogue":
        """Return this catalogue with more features."""
        rows = tuple(one for one in features if isinstance(one, RowFeature))
        rings = tuple(one for one in features if isinstance(one, RingFeature))
        windows = tuple(one for one in features if not isinstance(one, RowFeature | RingFeature))
        return replace(
            self,
            windows=(*self.windows, *windows),
            rows=(*self.rows, *rows),
            rings=(*self.rings, *rings),
        )

    def with_lookback(self, lookback: timedelta) -> "Catalogue":
        """Return this catalogue for a feed with its own look-back."""
        return replace(self, lookback=lookback)

    def with_same_entities(self, *, same: bool) -> "Catalogue":
        """Return this catalogue for a feed whose payers and payees are, or are not, of one kind."""
        return replace(self, same_entities=same)

    @property
    def exact(self) -> frozenset[str]:
        """Names of past features that stay Float64, since row features go on with them."""
        return frozenset(root for row in self.rows for root in row.roots)

    @property
    def reach(self) -> timedelta:
        """How far before a row its features look."""
        return max((one.reach(self.lookback) for one in self.windows), default=NOTHING)

    def lineage(self) -> dict[str, tuple[str, ...]]:
        """Map each feature to the canonical columns that it is computed from."""
        windows = {one.name: one.inputs for one in self.windows}
        lines = dict(windows)
        for row in self.rows:
            columns = (windows.get(root, (root,)) for root in row.roots)
            lines[row.name] = tuple(dict.fromkeys(name for names in columns for name in names))
        return lines | {one.name: one.inputs for one in self.rings}

    def without_balances(self) -> "Catalogue":
        """Return the part that needs no balance column, for feeds that send none."""
        lines = self.lineage()

        def kept(feature: PastFeature | RowFeature | RingFeature) -> bool:
            return not set(lines[feature.name]) & set(BALANCE_COLUMNS)

        return replace(
            self, windows=tuple(filter(kept, self.windows)), rows=tuple(filter(kept, self.rows))
        )
