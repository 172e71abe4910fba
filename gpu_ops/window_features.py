"""A statistic of an entity's earlier transactions within a window."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

import polars as pl

from gpu_ops.feature_terms import (
    ENTITIES,
    ENTITY_COLUMNS,
    NOTHING,
    NUMERIC_COLUMNS,
    Entity,
    duration_label,
)

Statistic = Literal[
    "count",
    "sum",
    "mean",
    "std",
    "min",
    "max",
    "rank",
    "distinct_counterparties",
    "round_share",
    "night_share",
    "weekend_share",
    "time_since_last",
    "account_age",
    "known_frauds",
    "label_risk",
]
STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)
COLUMN_STATISTICS: Final = frozenset({"sum", "mean", "std", "min", "max", "rank"})
LABEL_STATISTICS: Final = frozenset({"known_frauds", "label_risk"})
FLAGS: Final[dict[str, str]] = {
    "round_share": "is_round_amount",
    "night_share": "is_night",
    "weekend_share": "is_weekend",
}
"""The flag of the row that each share counts; see `gpu_ops.row_flags`."""

TIME_STATISTICS: Final = frozenset({"time_since_last", "account_age"})
COUNTED: Final = frozenset({"count", "distinct_counterparties", "known_frauds"})
COUNTERPARTIES: Final[dict[Entity, str]] = {"payer": "payees", "payee": "payers"}

_WHITROW: Final = "Whitrow et al. 2009, Data Mining and Knowledge Discovery 18"
_BAHNSEN: Final = "Bahnsen et al. 2016, Expert Systems with Applications 51"
_HANDBOOK: Final = "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3"
WINDOW_SOURCES: Final[dict[Statistic, str]] = {
    "count": f"{_WHITROW}; {_BAHNSEN}",
    "sum": f"{_WHITROW}; {_BAHNSEN}",
    "mean": _HANDBOOK,
    "std": "Bolton and Hand 2001, Unsupervised profiling methods for fraud detection",
    "min": "own definition, the counterpart of the maximum",
    "max": _BAHNSEN,
    "rank": "mid-ranks: Lehmann 1975, Nonparametrics; outliers against one's own past: "
    "Bolton and Hand 2001, Unsupervised profiling methods for fraud detection",
    "distinct_counterparties": "fan-in and fan-out: Blanusa et al. 2024, arXiv 2402.08593",
    "round_share": "FFIEC BSA/AML Examination Manual, appendix F: large, round amounts",
    "night_share": f"{_HANDBOOK}, night; {_BAHNSEN}, usual hours",
    "weekend_share": f"{_HANDBOOK}, weekend",
    "time_since_last": f"{_WHITROW}; {_BAHNSEN}",
    "account_age": "own definition, the age of the account as far as the window shows it",
    "known_frauds": f"{_HANDBOOK}, terminal risk",
    "label_risk": f"{_HANDBOOK}, terminal risk",
}
"""The published definition of each statistic."""


@dataclass(frozen=True)
class WindowFeature:
    """A statistic of an entity's earlier transactions within a window.

    For a transaction at time ``t`` the window holds the transactions of the same entity with
    ``t - delay - window <= occurred_at < t - delay``: never the row itself, and never another row
    of the same moment. Counts and sums of an empty window are 0; all else is null.

    Args:
        entity: whose past: ``payer`` (rows that it paid), ``payee`` (rows that it received) or
            ``pair`` (rows from this payer to this payee). A row without the party has no past.
        statistic: ``count`` of rows; of `column`, nulls skipped: ``sum``, ``mean``, ``min``,
            ``max``, ``std`` (n - 1; null below two values, and 0 where it is below 1e-5 units or
            1e-5 of their root mean square, see `gpu_ops.spreads`) and ``rank``, the share of them
            below the row's own, equal ones half; ``distinct_counterparties``, the other parties;
            ``round_share``, ``night_share`` and ``weekend_share`` of the rows;
            ``time_since_last`` and ``account_age``, seconds since the last and the first row;
            ``known_frauds``, the rows with ``is_fraud`` whose ``label_known_at`` lies before
            ``t``; ``label_risk``, known frauds over all rows of the window, labelled or not.
        window: length of the window; None for the look-back of the catalogue.
        column: the numeric column of those above; the others ignore it.
        delay: distance of the window's end from ``t``.

    Raises:
        ValueError: a value is not one of those above, the window is not positive, or a time since
            the last or first row is asked for with a delay.
    """

    entity: Entity
    statistic: Statistic
    window: timedelta | None
    column: str = "amount"
    delay: timedelta = NOTHING

    def __post_init__(self) -> None:
        if self.entity not in ENTITIES:
            raise ValueError(f"entity {self.entity!r} is unknown; choose one of {ENTITIES}")
        if self.statistic not in STATISTICS:
            raise ValueError(f"statistic {self.statistic!r} is unknown; choose one of {STATISTICS}")
        if self.column not in NUMERIC_COLUMNS:
            raise ValueError(f"column {self.column!r} has no statistics; one of {NUMERIC_COLUMNS}")
        if (self.window is not None and self.window <= NOTHING) or self.delay < NOTHING:
            raise ValueError("a window must be longer than nothing and its delay not negative")
        if self.statistic == "distinct_counterparties" and self.entity not in COUNTERPARTIES:
            raise ValueError("a pair always has one counterparty; choose payer or payee")
        if self.statistic in TIME_STATISTICS and self.delay:
            raise ValueError(f"{self.statistic} is measured from the row itself: give no delay")

    @property
    def name(self) -> str:
        """Column name, such as ``payee_label_risk_7d_delay_7d`` or ``payer_time_since_last``."""
        subject: str = self.statistic
        if self.statistic in COLUMN_STATISTICS:
            subject = f"{self.column}_{self.statistic}"
        elif self.statistic == "distinct_counterparties":
            subject = f"distinct_{COUNTERPARTIES[self.entity]}"
        name = f"{self.entity}_{subject}"
        if self.window is not None:
            name += f"_{duration_label(self.window)}"
        return name + (f"_delay_{duration_label(self.delay)}" if self.delay else "")

    @property
    def dtype(self) -> pl.DataType:
        """UInt32 for counts, else Float32."""
        return pl.UInt32() if self.statistic in COUNTED else pl.Float32()

    @property
    def formula(self) -> str:
        """The definition, with ``t`` for the row's own time."""
        end = "t" if not self.delay else f"t - {duration_label(self.delay)}"
        same = ", ".join(f"same {column}" for column in ENTITY_COLUMNS[self.entity])
        rows = f"rows with {same}, {end} - {self._length} <= occurred_at < {end}"
        known = "is_fraud and label_known_at < t"
        return {
            "count": f"number of {rows}",
            "rank": f"share of {rows} with less {self.column}, with equal {self.column} half",
            "distinct_counterparties": f"number of different "
            f"{COUNTERPARTIES.get(self.entity, 'counterparties')} in {rows}",
            "round_share": f"share with an amount that is a multiple of 100 among {rows}",
            "night_share": f"share with hour_of_day < 7 among {rows}",
            "weekend_share": f"share with day_of_week 6 or 7 among {rows}",
            "time_since_last": f"seconds since the last of {rows}; null if none",
            "account_age": f"seconds since the first of {rows}; null if none",
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
        whose = {"payer": "this payer", "payee": "this payee", "pair": "this payer to this payee"}
        who, column = whose[self.entity], self.column.replace("_", " ")
        length = "look-back" if self.window is None else self._length
        before = f", {duration_label(self.delay)} earlier" if self.delay else ""
        within = f"in the {length} before the payment{before}"
        return {
            "count": f"How many transactions {who} had {within}.",
            "sum": f"Total {column} of {who} {within}.",
            "mean": f"Average {column} of {who} {within}.",
            "std": f"How much the {column} of {who} varied {within}.",
            "min": f"Smallest {column} of {who} {within}.",
            "max": f"Largest {column} of {who} {within}.",
            "rank": f"Share of the {column} values of {who} {within} that lie below this one.",
            "distinct_counterparties": f"How many different "
            f"{COUNTERPARTIES.get(self.entity, 'counterparties')} {who} met {within}.",
            "round_share": f"Share of round hundreds among the amounts of {who} {within}.",
            "night_share": f"Share of the transactions of {who} {within} that came at night.",
            "weekend_share": f"Share of the transactions of {who} {within} on weekends.",
            "time_since_last": f"Seconds since the last transaction of {who} {within}.",
            "account_age": f"Seconds since the first transaction of {who} {within}.",
            "known_frauds": f"Frauds of {who} {within} that were known by then.",
            "label_risk": f"Share of known frauds among all transactions of {who} {within}.",
        }[self.statistic]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical columns that it is computed from."""
        columns = ["occurred_at", *ENTITY_COLUMNS[self.entity]]
        if self.statistic == "distinct_counterparties":
            columns = ["occurred_at", *ENTITY_COLUMNS["pair"]]
        if self.statistic in COLUMN_STATISTICS:
            columns.append(self.column)
        if self.statistic == "round_share":
            columns.append("amount")
        if self.statistic in LABEL_STATISTICS:
            columns += ["is_fraud", "label_known_at"]
        return tuple(columns)

    @property
    def empty_is_zero(self) -> bool:
        """True of counts and sums."""
        return self.statistic in COUNTED or self.statistic == "sum"

    def reach(self, lookback: timedelta) -> timedelta:
        """Length of the window and its delay."""
        return (lookback if self.window is None else self.window) + self.delay

    @property
    def _length(self) -> str:
        return "lookback" if self.window is None else duration_label(self.window)
