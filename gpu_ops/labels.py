"""Labels as they were known at a moment: the one rule that features, training and metrics share.

A transaction may be judged several times: by the file that brought it, by a chargeback, by an
analyst. The label at a moment is the newest judgement known strictly before it. What became known
at one moment is ranked by its source. `unsure` is no label: it is as if nobody had said it, so it
takes nothing back.

Judgements are few beside transactions: they are resolved in Polars on the CPU, whichever engine
computes the features, and only joined to the rows in its plan. So parity is exact: both engines are
given the very same labels.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from gpu_ops.canonical import UTC_MICROSECONDS

EVENT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "transaction_id": pl.String(),
    "is_fraud": pl.Boolean(),
    "known_at": UTC_MICROSECONDS,
    "source": pl.String(),
}
"""One judgement: `is_fraud` null means unsure."""

SOURCES: Final = ("analyst", "chargeback", "file")
"""Who is believed first where several sources judged at one moment; others come after these."""

_ID: Final = "transaction_id"


def no_events() -> pl.LazyFrame:
    """No label at all."""
    return pl.LazyFrame(schema=EVENT_SCHEMA)


def contradicting(events: pl.LazyFrame) -> pl.LazyFrame:
    """`transaction_id`, `known_at`, `source` where one source said both at one moment.

    Nobody can tell which was meant, so neither counts. An `unsure` contradicts nothing.
    """
    return (
        _judged(events).filter(pl.col("least") != pl.col("most")).select(_ID, "known_at", "source")
    )


def spells(events: pl.LazyFrame) -> pl.LazyFrame:
    """For how long each judgement stood.

    Args:
        events: `EVENT_SCHEMA`, in any order, repeats allowed.

    Returns:
        `transaction_id`, `is_fraud`, `known_at`, `superseded_at`, `source`, sorted by the first and
        third: `is_fraud` is the label at every moment T with known_at < T <= superseded_at (null:
        to this day). A judgement that only repeats the one before begins no spell of its own.
    """
    agreed = (
        _judged(events)
        .filter(pl.col("least") == pl.col("most"))
        .with_columns(rank=_rank())
        .sort(_ID, "known_at", "rank", "source")
    )
    id_before, id_after = pl.col(_ID).shift(1), pl.col(_ID).shift(-1)
    is_believed = id_before.ne_missing(pl.col(_ID)) | pl.col("known_at").shift(1).ne_missing(
        pl.col("known_at")
    )
    is_change = id_before.ne_missing(pl.col(_ID)) | (pl.col("most") != pl.col("most").shift(1))
    ended = pl.when(id_after == pl.col(_ID)).then(pl.col("known_at").shift(-1))
    return (
        agreed.filter(is_believed)
        .filter(is_change)
        .with_columns(superseded_at=ended)
        .select(_ID, (pl.col("most") > 0).alias("is_fraud"), "known_at", "superseded_at", "source")
    )


def labels_at(
    rows: pl.LazyFrame,
    events: pl.LazyFrame,
    moment: datetime | None,
    maturity: timedelta | None = None,
) -> pl.LazyFrame:
    """Transactions with the label that they had at a moment.

    Args:
        rows: `transaction_id`, `occurred_at`, and the labels that came with them, `is_fraud` and
            `label_known_at` (a judgement of the source `file`).
        events: Labels that came apart from the transactions; those of unknown ones are passed
            over, and so are those known before their transaction happened.
        moment: Only what was known strictly before it counts; None: all that was ever said.
        maturity: A transaction without a label by then is legitimate once this time has passed
            since it happened; None: it stays unknown.

    Returns:
        `rows` in their order; `is_fraud` is null where the label was unknown, and
        `label_known_at` tells since when it has stood.
    """
    found = _spells_of(rows, events, maturity)
    if moment is not None:
        found = found.filter(pl.col("known_at") < _literal(moment))
    newest = found.filter(pl.col(_ID).shift(-1).ne_missing(pl.col(_ID)))
    single = _single_label(rows, maturity)
    if moment is not None:
        is_known = pl.col("label_known_at") < _literal(moment)
        single = single.with_columns(
            pl.when(is_known).then(pl.col(name)).alias(name)
            for name in ("is_fraud", "label_known_at")
        )
    return _replaced(single, _with_several(rows, events, maturity), newest)


def labels_from(
    rows: pl.LazyFrame,
    events: pl.LazyFrame,
    moment: datetime | None,
    maturity: timedelta | None = None,
) -> pl.LazyFrame:
    """Transactions with the one label that each has from a moment on, until one changes.

    Features at t ask of every earlier transaction what its label was at t. Between two of the
    `label_changes` each has one label at most, so `is_fraud` and `label_known_at` say it all:
    known at t where label_known_at < t, and unknown before.

    Args:
        rows: As in `labels_at`.
        events: As in `labels_at`.
        moment: A change, or None: before all of them.
        maturity: As in `labels_at`.

    Returns:
        `rows` in their order, each with the newest label known at the moment or before, else with
        its first one after.
    """
    found = _spells_of(rows, events, maturity)
    if moment is not None:
        is_over = pl.col("superseded_at") <= _literal(moment)
        found = found.filter(~is_over.fill_null(value=False))
    first = found.filter(pl.col(_ID).shift(1).ne_missing(pl.col(_ID)))
    return _replaced(_single_label(rows, maturity), _with_several(rows, events, maturity), first)


def label_changes(
    rows: pl.LazyFrame, events: pl.LazyFrame, maturity: timedelta | None = None
) -> pl.LazyFrame:
    """`transaction_id` and `known_at`, in order of time: when a label turned into the opposite."""
    found = _spells_of(rows, events, maturity)
    changed = found.filter(pl.col("superseded_at").is_not_null())
    return changed.select(_ID, known_at="superseded_at").sort("known_at", _ID)


def fraud_spans(
    rows: pl.LazyFrame, events: pl.LazyFrame, maturity: timedelta | None = None
) -> pl.LazyFrame:
    """`transaction_id`, `known_at`, `superseded_at` of every spell as a fraud, as in `spells`."""
    several = _with_several(rows, events, maturity)
    single = rows.filter(pl.col("is_fraud")).join(several, on=_ID, how="anti")
    columns = (_ID, "known_at", "superseded_at")
    return pl.concat(
        [
            _spells_of(rows, events, maturity).filter(pl.col("is_fraud")).select(columns),
            single.select(
                _ID,
                pl.col("label_known_at").alias("known_at"),
                pl.lit(None, dtype=UTC_MICROSECONDS).alias("superseded_at"),
            ),
        ]
    )


def _judged(events: pl.LazyFrame) -> pl.LazyFrame:
    """Each source at each moment: the least and the most that it said, 0 legitimate, 1 fraud."""
    said = pl.col("is_fraud").cast(pl.UInt8)
    return (
        events.filter(pl.col("is_fraud").is_not_null() & pl.col("known_at").is_not_null())
        .group_by(_ID, "known_at", "source")
        .agg(least=said.min(), most=said.max())
    )


def _rank() -> pl.Expr:
    rank = pl.lit(len(SOURCES), dtype=pl.UInt8)
    for place, source in enumerate(SOURCES):
        rank = (
            pl.when(pl.col("source") == source).then(pl.lit(place, dtype=pl.UInt8)).otherwise(rank)
        )
    return rank


def _with_several(
    rows: pl.LazyFrame, events: pl.LazyFrame, maturity: timedelta | None
) -> pl.LazyFrame:
    """`transaction_id` and what came with it, where that may not be the only judgement."""
    columns = (_ID, "occurred_at", "is_fraud", "label_known_at")
    # Two uploads may hold one transaction; the first is the one that counts.
    once = rows.select(columns).unique(_ID, keep="first", maintain_order=True)
    late = events.select(_ID).unique().with_columns(is_late=pl.lit(value=True))
    has_several = pl.col("is_late").fill_null(value=False)
    if maturity is not None:
        is_fraud_after = pl.col("is_fraud") & (
            pl.col("label_known_at") > pl.col("occurred_at") + maturity
        )
        has_several = has_several | is_fraud_after.fill_null(value=False)
    return once.join(late, on=_ID, how="left").filter(has_several).select(columns)


def _spells_of(
    rows: pl.LazyFrame, events: pl.LazyFrame, maturity: timedelta | None
) -> pl.LazyFrame:
    """Spells of the transactions that may have more than one judgement."""
    several = _with_several(rows, events, maturity)
    own = several.filter(pl.col("is_fraud").is_not_null()).select(
        _ID,
        "is_fraud",
        pl.col("label_known_at").alias("known_at"),
        pl.lit("file").alias("source"),
    )
    late = (
        events.select(*EVENT_SCHEMA)
        .join(several.select(_ID, "occurred_at"), on=_ID, how="inner")
        .filter(pl.col("known_at") >= pl.col("occurred_at"))
        .select(*EVENT_SCHEMA)
    )
    said = pl.concat([own, late])
    if maturity is None:
        return spells(said)
    # Only where nothing was said until then: a verdict is not taken back by time.
    first = spells(said).group_by(_ID).agg(pl.col("known_at").min().alias("first_at"))
    matured_at = pl.col("occurred_at") + maturity
    silent = (
        several.join(first, on=_ID, how="left")
        .filter((pl.col("first_at") > matured_at).fill_null(value=True))
        .select(
            _ID,
            pl.lit(value=False).alias("is_fraud"),
            matured_at.alias("known_at"),
            pl.lit("maturity").alias("source"),
        )
    )
    return spells(pl.concat([said, silent]))


def _single_label(rows: pl.LazyFrame, maturity: timedelta | None) -> pl.LazyFrame:
    """Rows with the only label that they can have: what came with them, else by maturity."""
    if maturity is None:
        return rows
    matured_at = pl.col("occurred_at") + maturity
    is_fraud = pl.col("is_fraud").fill_null(value=False)
    known_at = pl.min_horizontal("label_known_at", matured_at)
    return rows.with_columns(
        is_fraud=is_fraud,
        label_known_at=pl.when(is_fraud).then(pl.col("label_known_at")).otherwise(known_at),
    )


def _replaced(rows: pl.LazyFrame, several: pl.LazyFrame, chosen: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with the chosen spell, or no label, where there are several; else with their own."""
    found = (
        several.select(_ID)
        .join(chosen, on=_ID, how="left")
        .select(
            _ID,
            pl.lit(value=True).alias("_has_several"),
            pl.col("is_fraud").alias("_is_fraud"),
            pl.col("known_at").alias("_known_at"),
        )
    )
    # Collected here, on the CPU: what is left of the plan is a join that every engine knows.
    found = found.collect().lazy()
    is_replaced = pl.col("_has_several").fill_null(value=False)
    return (
        rows.join(found, on=_ID, how="left", maintain_order="left")
        .with_columns(
            is_fraud=pl.when(is_replaced).then("_is_fraud").otherwise("is_fraud"),
            label_known_at=pl.when(is_replaced).then("_known_at").otherwise("label_known_at"),
        )
        .drop("_has_several", "_is_fraud", "_known_at")
    )


def _literal(moment: datetime) -> pl.Expr:
    return pl.lit(moment.astimezone(UTC), dtype=UTC_MICROSECONDS)
