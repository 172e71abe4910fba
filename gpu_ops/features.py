"""The catalogue of features: declared once, compiled to plans, documented from the same values."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import (
    Catalogue,
    Entity,
    PastFeature,
    RowFeature,
    Statistic,
    WindowFeature,
    duration_label,
)
from gpu_ops.feature_plan import (
    needed_columns,
    reach_back,
    table_in_memory,
    table_through_files,
)
from gpu_ops.flow_features import FLOW_FEATURES
from gpu_ops.flow_rows import FLOW_ROWS
from gpu_ops.gpu_tables import feature_table_on_gpu
from gpu_ops.history_features import HISTORY
from gpu_ops.label_features import LABEL_FEATURES
from gpu_ops.ring_features import (
    RING_FEATURES,
    RingFeature,
    with_ring_features,
    without_ring_features,
)
from gpu_ops.row_features import ROWS

__all__ = [
    "CATALOGUE",
    "RING_NAMES",
    "Catalogue",
    "RowFeature",
    "WindowFeature",
    "catalogue_table",
    "column_lineage",
    "feature_names",
    "feature_table",
    "history_needed",
]

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
MONTH: Final = timedelta(days=30)


def _windows(
    entity: Entity,
    statistics: tuple[Statistic, ...],
    windows: tuple[timedelta | None, ...],
    delay: timedelta = timedelta(0),
) -> tuple[WindowFeature, ...]:
    return tuple(
        WindowFeature(entity, statistic, window, delay=delay)
        for statistic in statistics
        for window in windows
    )


_ALL: Final = (HOUR, DAY, WEEK, MONTH)
_LONG: Final = (DAY, WEEK, MONTH)
_LAST: Final = (MONTH,)
_AMOUNTS: Final[tuple[Statistic, ...]] = ("count", "sum", "mean", "max")
_LABELS: Final[tuple[Statistic, ...]] = ("known_frauds", "label_risk")
_HABITS: Final[tuple[Statistic, ...]] = (
    "std",
    "rank",
    "round_share",
    "night_share",
    "weekend_share",
)
_AGES: Final[tuple[Statistic, ...]] = ("time_since_last", "account_age")

WINDOWS: Final = (
    *_windows("payer", _AMOUNTS, _ALL),
    *_windows("payer", ("distinct_counterparties",), _LONG),
    *_windows("payer", _HABITS, _LAST),
    *_windows("payer", _AGES, (None,)),
    *_windows("payee", _AMOUNTS, _ALL),
    *_windows("payee", ("distinct_counterparties",), _LONG),
    *_windows("payee", _HABITS, _LAST),
    *_windows("payee", _AGES, (None,)),
    *_windows("payee", _LABELS, _LONG, delay=WEEK),
    *_windows("pair", ("count",), _ALL),
    *_windows("pair", ("sum",), (DAY, MONTH)),
    *_windows("pair", ("mean", "max", "std"), _LAST),
    *_windows("pair", ("time_since_last",), (None,)),
    *_windows("payer", ("label_risk",), _LAST, delay=WEEK),
    *_windows("pair", ("label_risk",), _LAST, delay=WEEK),
)

CATALOGUE: Final = Catalogue(
    (*WINDOWS, *LABEL_FEATURES, *FLOW_FEATURES),
    (*ROWS, *HISTORY, *FLOW_ROWS),
    rings=RING_FEATURES,
)
"""The features of the project. ``CATALOGUE.plus(WindowFeature("payer", "count", 6 * HOUR))``
adds one; ``CATALOGUE.without_balances()`` is for feeds that send no balances."""


RING_NAMES: Final = tuple(one.name for one in RING_FEATURES)
"""Columns that tell of rings."""


def feature_names(
    catalogue: Catalogue = CATALOGUE, *, has_balances: bool = True
) -> tuple[str, ...]:
    """Name the feature columns in order, without those of balances where a feed has none."""
    kept = catalogue if has_balances else catalogue.without_balances()
    return tuple(feature.name for feature in kept)


def history_needed(catalogue: Catalogue = CATALOGUE) -> timedelta:
    """Tell how much history before the first target the features need: not a row more."""
    return reach_back(catalogue)


def feature_table(
    transactions: pl.LazyFrame,
    *,
    is_target: pl.Expr,
    engine: Engine,
    catalogue: Catalogue = CATALOGUE,
    rings: pl.DataFrame | None = None,
    partitions: int | None = None,
    scratch: Path | None = None,
) -> pl.LazyFrame:
    """Compute features as they would have been at the moment of each transaction.

    Args:
        transactions: canonical rows of one feed, history and targets, in any order, each
            ``transaction_id`` once. History older than `history_needed` changes nothing.
        is_target: which rows get features.
        engine: where the plans run. ``cpu`` and ``gpu`` hold the rows in memory;
            ``cpu-streaming`` works through files, in bounded memory.
        catalogue: the features.
        rings: what was known of the feed's rings day by day, the log of
            `gpu_ops.patterns.as_known` over all its whole days before the last target's; ring
            features are null without it.
        partitions: how many groups of accounts are computed one after the other. By default
            ``cpu-streaming`` makes one for each 250,000 rows; ``gpu`` starts with one, and makes
            more and smaller ones where its memory does not suffice. ``cpu`` has no use for it.
        scratch: an empty folder, which must outlive the returned frame, as that reads from it.
            ``cpu-streaming`` asks for it; ``gpu`` needs it to work in more than one partition.

    Returns:
        ``transaction_id``, ``occurred_at`` and the features of the targets, sorted by
        (``occurred_at``, ``transaction_id``). Counts are UInt32 and flags UInt8, all else Float32
        (computed in Float64, sums exactly).

    Raises:
        ValueError: ``cpu-streaming``, or ``gpu`` in several partitions, without a `scratch`
            folder.
        polars.exceptions.InvalidOperationError: an amount is not finite or beyond 9.2e18.
    """
    rows = needed_columns(transactions, is_target, catalogue)
    if engine.name == "gpu":
        table = feature_table_on_gpu(rows, catalogue, engine, scratch, partitions or 1)
    elif engine.name == "cpu-streaming":
        if scratch is None:
            raise ValueError("engine 'cpu-streaming' works through files: give a scratch folder")
        table = table_through_files(rows, catalogue, engine, scratch, partitions)
    else:
        table = table_in_memory(rows, catalogue, engine)
    if rings is None:
        table = without_ring_features(table, catalogue.rings)
    else:
        targets = transactions.filter(is_target.fill_null(value=False))
        table = with_ring_features(
            table, targets, rings, catalogue.rings, same_entities=catalogue.same_entities
        )
    return table.select("transaction_id", "occurred_at", *feature_names(catalogue))


def column_lineage(catalogue: Catalogue = CATALOGUE) -> dict[str, tuple[str, ...]]:
    """Map each feature to the canonical columns that it is computed from."""
    return catalogue.lineage()


def catalogue_table(catalogue: Catalogue = CATALOGUE) -> list[dict[str, str]]:
    """Describe each feature for the documentation, in column order.

    Returns:
        Rows of name, entity, window (``lookback`` where it has none), delay (if any), dtype,
        formula, source and description.
    """
    return [
        {
            "name": one.name,
            "entity": "transaction" if isinstance(one, RowFeature) else one.entity,
            "window": _length(one),
            "delay": _delay(one),
            "dtype": str(one.dtype),
            "formula": one.formula,
            "source": one.source,
            "description": one.description,
        }
        for one in catalogue
    ]


def _length(feature: PastFeature | RowFeature | RingFeature) -> str:
    if isinstance(feature, RowFeature | RingFeature):
        return ""
    return "lookback" if feature.window is None else duration_label(feature.window)


def _delay(feature: PastFeature | RowFeature | RingFeature) -> str:
    delayed = isinstance(feature, WindowFeature) and feature.delay
    return duration_label(delayed) if delayed else ""
