"""The terms in which features are declared: windows over an entity's past, and the row itself."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, get_args

import polars as pl

Entity = Literal["payer", "payee", "pair"]
Statistic = Literal[
    "count", "sum", "mean", "max", "distinct_counterparties", "known_frauds", "label_risk"
]
ENTITIES: Final[tuple[Entity, ...]] = get_args(Entity)
STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)
ENTITY_COLUMNS: Final[dict[Entity, tuple[str, ...]]] = {
    "payer": ("payer_id",),
    "payee": ("payee_id",),
    "pair": ("payer_id", "payee_id"),
}
COLUMN_STATISTICS: Final = frozenset({"sum", "mean", "max"})
LABEL_STATISTICS: Final = frozenset({"known_frauds", "label_risk"})
COUNTERPARTIES: Final[dict[Entity, str]] = {"payer": "payees", "payee": "payers"}
BALANCE_COLUMNS: Final = ("payer_balance_before", "payee_balance_before")
NUMERIC_COLUMNS: Final = ("amount", *BALANCE_COLUMNS)
PAYLOAD_COLUMNS: Final = ("occurred_at", "kind", "currency", *NUMERIC_COLUMNS)
NOTHING: Final = timedelta(0)

WINDOW_SOURCES: Final[dict[Statistic, str]] = {
    "count": "Whitrow et al. 2009, Data Mining and Knowledge Discovery 18; Bahnsen et al. 2016",
    "sum": "Whitrow et al. 2009, Data Mining and Knowledge Discovery 18; Bahnsen et al. 2016",
    "mean": "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3",
    "max": "Bahnsen et al. 2016, Expert Systems with Applications 51",
    "distinct_counterparties": "fan-in and fan-out: Blanusa et al. 2024, arXiv 2402.08593",
    "known_frauds": "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3, terminal risk",
    "label_risk": "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3, terminal risk",
}
"""The published definition of each statistic."""


def duration_label(duration: timedelta) -> str:
    """Write a duration in its largest whole unit: ``7d``, ``36h``, ``90m``, ``1s`` or ``5us``."""
    microseconds = duration // timedelta(microseconds=1)
    units = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000}
    for unit, length in units.items():
        if microseconds % length == 0:
            return f"{microseconds // length}{unit}"
    return f"{microseconds}us"


@dataclass(frozen=True)
class WindowFeature:
    """A statistic of an entity's earlier transactions within a window.

    For a transaction at time ``t`` the window holds the transactions of the same entity with
    ``t - delay - window <= occurred_at < t - delay``: never the row itself, and never another row
    of the same moment. Counts and sums of an empty window are 0, its mean, maximum and risk null.

    Args:
        entity: whose past: ``payer`` (rows that it paid), ``payee`` (rows that it received) or
            ``pair`` (rows from this payer to this payee). A row without the party has no past.
        statistic: ``count`` of rows; ``sum``, ``mean``, ``max`` of `column` (nulls skipped);
            ``distinct_counterparties``, the other parties met; ``known_frauds``, the rows with
            ``is_fraud`` whose ``label_known_at`` lies before ``t``; ``label_risk``, known frauds
            over all rows of the window, labelled or not.
        window: length of the window.
        column: the numeric column of ``sum``, ``mean`` and ``max``; the others ignore it.
        delay: distance of the window's end from ``t``.

    Raises:
        ValueError: a value is not one of those above, or the window is not positive.
    """

    entity: Entity
    statistic: Statistic
    window: timedelta
    column: str = "amount"
    delay: timedelta = NOTHING

    def __post_init__(self) -> None:
        if self.entity not in ENTITIES:
            raise ValueError(f"entity {self.entity!r} is unknown; choose one of {ENTITIES}")
        if self.statistic not in STATISTICS:
            raise ValueError(f"statistic {self.statistic!r} is unknown; choose one of {STATISTICS}")
        if self.column not in NUMERIC_COLUMNS:
            raise ValueError(f"column {self.column!r} has no statistics; one of {NUMERIC_COLUMNS}")
        if self.window <= NOTHING or self.delay < NOTHING:
            raise ValueError("a window must be longer than nothing and its delay not negative")
        if self.statistic == "distinct_counterparties" and self.entity not in COUNTERPARTIES:
            raise ValueError("a pair always has one counterparty; choose payer or payee")

    @property
    def name(self) -> str:
        """Column name, such as ``payee_label_risk_7d_delay_7d``."""
        subject: str = self.statistic
        if self.statistic in COLUMN_STATISTICS:
            subject = f"{self.column}_{self.statistic}"
        elif self.statistic == "distinct_counterparties":
            subject = f"distinct_{COUNTERPARTIES[self.entity]}"
        name = f"{self.entity}_{subject}_{duration_label(self.window)}"
        return name + (f"_delay_{duration_label(self.delay)}" if self.delay else "")

    @property
    def dtype(self) -> pl.DataType:
        """UInt32 for counts, else Float32."""
        counted = ("count", "distinct_counterparties", "known_frauds")
        return pl.UInt32() if self.statistic in counted else pl.Float32()

    @property
    def formula(self) -> str:
        """The definition, with ``t`` for the row's own time."""
        end = "t" if not self.delay else f"t - {duration_label(self.delay)}"
        same = ", ".join(f"same {column}" for column in ENTITY_COLUMNS[self.entity])
        rows = f"rows with {same}, {end} - {duration_label(self.window)} <= occurred_at < {end}"
        known = "is_fraud and label_known_at < t"
        return {
            "count": f"number of {rows}",
            "distinct_counterparties": f"number of different "
            f"{COUNTERPARTIES.get(self.entity, 'counterparties')} in {rows}",
            "known_frauds": f"number of {rows}, {known}",
            "label_risk": f"(number with {known}) / (number of all) {rows}",
        }.get(self.statistic, f"{self.statistic} of {self.column} over {rows}")

    @property
    def source(self) -> str:
        """Where the definition was published."""
        return WINDOW_SOURCES[self.statistic]

    @property
    def description(self) -> str:
        """What it tells, in plain words."""
        who = {"payer": "this payer", "payee": "this payee", "pair": "this payer to this payee"}
        before = f", {duration_label(self.delay)} earlier" if self.delay else ""
        within = f"in the {duration_label(self.window)} before the payment{before}"
        column = self.column.replace("_", " ")
        return {
            "count": f"How many transactions {who[self.entity]} had {within}.",
            "sum": f"Total {column} of {who[self.entity]} {within}.",
            "mean": f"Average {column} of {who[self.entity]} {within}.",
            "max": f"Largest {column} of {who[self.entity]} {within}.",
            "distinct_counterparties": f"How many different "
            f"{COUNTERPARTIES.get(self.entity, 'counterparties')} {who[self.entity]} met {within}.",
            "known_frauds": f"Frauds of {who[self.entity]} {within} that were known by then.",
            "label_risk": f"Share of known frauds among all transactions of {who[self.entity]} "
            f"{within}.",
        }[self.statistic]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical columns that it is computed from."""
        columns = ["occurred_at", *ENTITY_COLUMNS[self.entity]]
        if self.statistic == "distinct_counterparties":
            columns = ["occurred_at", *ENTITY_COLUMNS["pair"]]
        if self.statistic in COLUMN_STATISTICS:
            columns.append(self.column)
        if self.statistic in LABEL_STATISTICS:
            columns += ["is_fraud", "label_known_at"]
        return tuple(columns)


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
        windows: features of windows.
        rows: features of rows; they may read window features of this catalogue.

    Raises:
        ValueError: two features share a name, or a row feature reads what it must not: a label,
            an identifier, another row feature or an unknown column.
    """

    windows: tuple[WindowFeature, ...]
    rows: tuple[RowFeature, ...] = ()

    def __post_init__(self) -> None:
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

    def __iter__(self) -> Iterator[WindowFeature | RowFeature]:
        yield from self.windows
        yield from self.rows

    def plus(self, *features: WindowFeature | RowFeature) -> "Catalogue":
        """Return this catalogue with more features."""
        windows = tuple(one for one in features if isinstance(one, WindowFeature))
        rows = tuple(one for one in features if isinstance(one, RowFeature))
        return Catalogue((*self.windows, *windows), (*self.rows, *rows))

    def lineage(self) -> dict[str, tuple[str, ...]]:
        """Map each feature to the canonical columns that it is computed from."""
        windows = {one.name: one.inputs for one in self.windows}
        lines = dict(windows)
        for row in self.rows:
            columns = (windows.get(root, (root,)) for root in row.roots)
            lines[row.name] = tuple(dict.fromkeys(name for names in columns for name in names))
        return lines

    def without_balances(self) -> "Catalogue":
        """Return the part that needs no balance column, for feeds that send none."""
        lines = self.lineage()

        def kept(feature: WindowFeature | RowFeature) -> bool:
            return not set(lines[feature.name]) & set(BALANCE_COLUMNS)

        return Catalogue(tuple(filter(kept, self.windows)), tuple(filter(kept, self.rows)))
