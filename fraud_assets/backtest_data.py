"""What a backtest reads: the transactions of one file, with labels, scenarios and features."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from fraud_assets.feeds import Feed, read_upload
from fraud_assets.feeds.reading import SOURCE_ROW, held, open_table
from fraud_assets.labelled_features import LateLabels, labelled_features
from fraud_assets.ring_history import RingHistory, carried_on
from gpu_ops.backtest_figures import SCENARIO
from gpu_ops.backtest_protocol import BacktestError
from gpu_ops.canonical import CANONICAL_SCHEMA
from gpu_ops.engine import Engine
from gpu_ops.features import Catalogue, feature_table
from gpu_ops.labels import labels_at, no_events
from gpu_ops.ring_features import ring_payments

ID: Final = "transaction_id"


@dataclass(frozen=True)
class BacktestData:
    """The transactions of a file, and what became of its rows.

    Attributes:
        rows: Canonical, with `scenario` where the feed names its column; sorted by
            (occurred_at, transaction_id). `is_fraud` is null where nobody knows.
        received: Data rows of the file.
        quarantined: Rows that are not readable, by reason.
        duplicate: Rows whose transaction was read before.
    """

    rows: pl.DataFrame
    received: int
    quarantined: dict[str, int]
    duplicate: int

    @property
    def first(self) -> datetime:
        """Time of the earliest transaction."""
        return _moment(self.rows["occurred_at"].min())

    @property
    def last(self) -> datetime:
        """Time of the latest transaction."""
        return _moment(self.rows["occurred_at"].max())


def read_backtest_data(
    path: Path, feed: Feed, *, engine: Engine, scratch: Path, now: datetime
) -> BacktestData:
    """Read a file as the raw layer would, and its labels as they are known now.

    A transaction without a label is legitimate once the feed's `label_maturity` has passed.

    Args:
        path: The file.
        feed: How it maps to transactions.
        engine: `cpu-streaming` reads through files.
        scratch: A folder for them.
        now: Labels that are known only later are unknown.

    Raises:
        RefusedError: The file is unusable; the reason says why.
        BacktestError: No transaction of the file has a label.
    """
    folder = scratch / "rows" if engine.name == "cpu-streaming" else None
    if folder is not None:
        folder.mkdir()
    read = read_upload(path, feed, source_file=path.name, now=now, scratch=folder)
    rows = engine.collect(
        labels_at(read.table.drop("source_file"), no_events(), now, feed.label_maturity)
    )
    if rows["is_fraud"].null_count() == rows.height:
        column = feed.columns.is_fraud
        reason = "maps no label column" if column is None else f"reads labels from {column}"
        raise BacktestError(
            f"no transaction of {path.name} has a label, so there is nothing to learn or to judge "
            f"by; feed {feed.name!r} {reason}"
        )
    if feed.backtest.scenario is not None:
        rows = rows.join(
            _scenarios(path, feed, feed.backtest.scenario),
            on=SOURCE_ROW,
            how="left",
            maintain_order="left",
        )
    reasons = read.quarantined["reason"].value_counts(sort=True).rows()
    return BacktestData(
        rows.drop(SOURCE_ROW), read.received, {str(name): int(n) for name, n in reasons},
        read.duplicate,
    )  # fmt: skip


def write_features(
    rows: pl.DataFrame,
    is_target: pl.Expr,
    catalogue: Catalogue,
    names: Sequence[str],
    *,
    maturity: timedelta | None,
    engine: Engine,
    path: Path,
) -> None:
    """Compute features of the targets from all rows before them, into a file.

    Each target sees the labels of its own moment: a fraud that was reported late stood as
    legitimate from the feed's maturity until then, as the prepped layer has it.

    Args:
        rows: Canonical, the whole file.
        is_target: Which rows get features.
        catalogue: The features.
        names: Those to keep.
        maturity: Of the feed's labels.
        engine: Where the plans run.
        path: The Parquet file: `transaction_id` and the features, in the order of the rows.
    """
    folder = path.with_suffix("")
    folder.mkdir()
    rings = (
        _rings_known(rows, catalogue) if {one.name for one in catalogue.rings} & {*names} else None
    )

    def plan(known: pl.LazyFrame, chosen: pl.Expr, into: Path) -> pl.LazyFrame:
        return feature_table(
            known,
            is_target=chosen,
            engine=engine,
            catalogue=catalogue,
            rings=rings,
            scratch=into,
        )

    canonical = rows.lazy().select(pl.exclude(SCENARIO)).with_columns(is_target=is_target)
    labels = LateLabels(no_events(), maturity, has_any=maturity is not None)
    table = labelled_features(canonical, labels, plan, folder)
    engine.write(table.select(ID, "occurred_at", *names), path)


def _rings_known(rows: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """What was known of rings day by day, of all days but the last."""
    feed = "backtest"
    payments = ring_payments(rows.lazy(), feed=feed, same_entities=catalogue.same_entities)
    last = _moment(rows["occurred_at"].max()).astimezone(UTC).date()
    return carried_on(RingHistory.empty(feed), payments, last - timedelta(days=1)).log


def with_features(rows: pl.DataFrame, features: Path) -> pl.DataFrame:
    """Join the features that `write_features` wrote to some of its targets.

    Args:
        rows: Some targets: `transaction_id`, `occurred_at` and whatever else is to stay.
        features: The file.

    Returns:
        `rows` in their order, with the features.
    """
    if rows.is_empty():
        window = pl.lit(value=False)
    else:
        at = pl.col("occurred_at")
        window = at.is_between(pl.lit(rows["occurred_at"].min()), pl.lit(rows["occurred_at"].max()))
    wanted = pl.scan_parquet(features).filter(window).drop("occurred_at").collect()
    return rows.join(wanted, on=ID, how="left", maintain_order="left", validate="1:1")


def has_balances(rows: pl.DataFrame) -> bool:
    """Whether any transaction tells a balance."""
    names = [name for name in CANONICAL_SCHEMA if name.endswith("_balance_before")]
    return any(rows[name].null_count() < rows.height for name in names)


@dataclass(frozen=True)
class _ScenarioLayout:
    """A file of which the scenario alone is read, if it is there."""

    delimiter: str
    encoding: str
    column: str

    @property
    def source_columns(self) -> dict[str, tuple[str, ...]]:
        return {SCENARIO: (self.column,)}

    def is_optional(self, canonical: str) -> bool:
        return canonical == SCENARIO


def _scenarios(path: Path, feed: Feed, column: str) -> pl.DataFrame:
    """Row number and scenario as text; nothing where the file has no such column."""
    layout = _ScenarioLayout(feed.delimiter, feed.encoding, column)
    found = [pl.DataFrame(schema={SOURCE_ROW: pl.Int64, SCENARIO: pl.String})]
    with open_table(path, layout, path.name) as source:
        if column in source.columns:
            found += [
                batch.rows.select(SOURCE_ROW, pl.col(held(column)).cast(pl.String).alias(SCENARIO))
                for batch in source.batches
            ]
    return pl.concat(found)


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError("a table of transactions without rows has no first and last")
    return value
