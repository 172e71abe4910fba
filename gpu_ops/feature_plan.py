"""From a catalogue to the feature table, in memory or in bounded memory."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue
from gpu_ops.flow_features import FlowFeature
from gpu_ops.large_amounts import LargeAmounts, preparations
from gpu_ops.past_plans import PastPlan, past_plans
from gpu_ops.windows import MICROSECOND

ROWS_PER_PARTITION: Final = 250_000
ROWS_PER_CHUNK: Final = 125_000
ROWS_PER_GROUP: Final = 16_384
"""Rows of a Parquet row group in scratch files: the least that a stretch of time reads of one."""

MOST_DEALT_FILES: Final = 64
"""Files that are written side by side; further partitions share them."""

ORDER: Final = ("occurred_at", "transaction_id")
HOUR: Final = timedelta(hours=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def reach_back(catalogue: Catalogue) -> timedelta:
    """Tell how far before a row its features look."""
    return catalogue.reach


def needed_columns(
    transactions: pl.LazyFrame, is_target: pl.Expr, catalogue: Catalogue
) -> pl.LazyFrame:
    """Choose the columns that the catalogue reads and mark the targets."""
    read = {name for names in catalogue.lineage().values() for name in names}
    columns = dict.fromkeys((*ORDER, *sorted(read)))
    return transactions.select(*columns, is_target.fill_null(value=False).alias("target"))


def table_in_memory(rows: pl.LazyFrame, catalogue: Catalogue, engine: Engine) -> pl.LazyFrame:
    """Compute the feature table of `needed_columns` with all of them in memory."""
    ordered = _in_order(engine.collect(rows))
    numbered = _reachable(ordered, catalogue).with_row_index("row")
    del ordered
    pasts: dict[str, list[pl.DataFrame]] = {}
    told = numbered.lazy()
    for step in preparations(catalogue):
        found = [table for _, table in step.tables(step.rows(told), engine)]
        told = engine.collect(step.joined(told, found)).lazy()
    for plan in past_plans(catalogue):
        for name, table in plan.tables(plan.rows(told), engine):
            pasts.setdefault(name, []).append(table.drop("at"))
    targets = numbered.select("row", "target", *_payload(catalogue)).lazy().filter("target")
    del told
    if engine.name == "gpu":
        parts = [pl.concat(past).lazy() for past in pasts.values()]
        return engine.collect(assembled(targets, parts, catalogue)).lazy()
    return _assembled_in_memory(targets.collect(), [*pasts.values()], catalogue).lazy()


def table_through_files(
    rows: pl.LazyFrame,
    catalogue: Catalogue,
    engine: Engine,
    scratch: Path,
    partitions: int | None = None,
) -> pl.LazyFrame:
    """Compute the feature table of `needed_columns` through files, in bounded memory.

    The rows are written once, and dealt to files by account once for each plan; then the accounts
    are computed a partition at a time, and the table is put together a stretch of time at a time.
    Memory holds the largest of these: a partition is never smaller than its busiest account, a
    stretch never shorter than an hour.

    Args:
        rows: as `needed_columns` chooses them.
        catalogue: the features.
        engine: where the plans run.
        scratch: folder for the files; the table that is returned lives in it.
        partitions: how many groups the accounts are split into; by default one for each
            250,000 rows.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    base = scratch / "rows.parquet"
    engine.write(rows.with_row_index("row"), base)
    numbered = pl.scan_parquet(base)
    edges = _stretches(numbered.filter("target"), engine)
    first, end = edges[0] - reach_back(catalogue), edges[-1]
    numbered = numbered.filter(pl.col("occurred_at").is_between(first, end, closed="left"))
    if partitions is None:
        size = engine.collect(numbered.select(pl.len())).item()
        partitions = 1 + size // ROWS_PER_PARTITION
    pasts: dict[str, list[Path]] = {}
    told = numbered
    for step in preparations(catalogue):
        steps = _partitioned(step, told, partitions, engine, scratch)
        told = step.joined(told, [table for _, table in steps])
    for plan in past_plans(catalogue):
        for name, table in _partitioned(plan, told, partitions, engine, scratch):
            files = pasts.setdefault(name, [])
            files.append(scratch / f"{name}-{len(files):05d}.parquet")
            table.sort("at").write_parquet(
                files[-1], compression="lz4", row_group_size=ROWS_PER_GROUP
            )
    stretches: list[Path] = []
    for start, stop in pairwise(edges):
        stretch = pl.col("occurred_at").is_between(start, stop, closed="left")
        parts = [pl.scan_parquet(files).filter(_at(start, stop)) for files in pasts.values()]
        parts = [part.drop("at") for part in parts]
        targets = numbered.filter(pl.col("target") & stretch).sort(ORDER)
        stretches.append(scratch / f"features-{len(stretches):05d}.parquet")
        # Joins of this many columns are several times slower in the streaming engine.
        table = assembled(targets, parts, catalogue).collect(engine="in-memory")
        table.write_parquet(stretches[-1], compression="lz4")
    for spent in (base, *(file for files in pasts.values() for file in files)):
        spent.unlink()
    return pl.scan_parquet(stretches)


def assembled(
    targets: pl.LazyFrame, pasts: Sequence[pl.LazyFrame], catalogue: Catalogue
) -> pl.LazyFrame:
    """Put the feature table together.

    Args:
        targets: ``row`` and the canonical columns, in the order of the result.
        pasts: tables of ``row`` and past features, each row at most once in each.
        catalogue: the features, in the order of the columns.
    """
    for past in pasts:
        targets = targets.join(past, on="row", how="left", maintain_order="left")
    return _finished(targets, catalogue)


def _assembled_in_memory(
    targets: pl.DataFrame, pasts: Sequence[Sequence[pl.DataFrame]], catalogue: Catalogue
) -> pl.DataFrame:
    """Put the feature table together as `assembled` does, a stretch of rows at a time.

    Rows are numbered, so that each past is placed by its numbers instead of joined; and what stays
    in Float64 until row features have gone on with it is never there for the whole table at once.
    """
    rows = targets["row"].to_numpy()
    height = int(rows[-1]) + 1 if rows.size else 0
    placed = []
    for tables in pasts:
        past = pl.concat(tables)
        place = np.full(height, -1, dtype=np.int64)
        place[past["row"].to_numpy()] = np.arange(past.height)
        places = pl.Series(place[rows])
        placed.append((past.drop("row"), places.set(places < 0, None)))
    stretches = []
    for start in range(0, max(targets.height, 1), ROWS_PER_CHUNK):
        columns = targets.slice(start, ROWS_PER_CHUNK).get_columns()
        for past, places in placed:
            some = places.slice(start, ROWS_PER_CHUNK)
            columns += past.select(pl.all().gather(some)).get_columns()
        stretches.append(_finished(pl.DataFrame(columns).lazy(), catalogue).collect())
    return pl.concat(stretches, rechunk=False)


def _finished(joined: pl.LazyFrame, catalogue: Catalogue) -> pl.LazyFrame:
    """Fill in empty pasts, and let the row features go on with them."""
    known = set(joined.collect_schema().names())
    windows = []
    for one in catalogue.windows:
        value = pl.col(one.name) if one.name in known else pl.lit(None, one.dtype)
        if one.empty_is_zero and (catalogue.same_entities or not isinstance(one, FlowFeature)):
            value = value.fill_null(0)
        windows.append(value.alias(one.name))
    return joined.with_columns(windows).select(
        *ORDER,
        *(pl.col(one.name).cast(one.dtype) for one in catalogue.windows),
        *(one.expression.cast(one.dtype).alias(one.name) for one in catalogue.rows),
    )


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Sort, unless they are sorted, as the rows of a raw table are: a look is ten times cheaper."""
    at, name = (pl.col(column) for column in ORDER)
    later = (at > at.shift()) | ((at == at.shift()) & (name >= name.shift()))
    in_order: bool = rows.select(later.all()).item()
    return rows if in_order else rows.sort(ORDER)


def _reachable(ordered: pl.DataFrame, catalogue: Catalogue) -> pl.DataFrame:
    """Drop the rows that no target can see, without a copy."""
    wanted = (
        ordered.lazy()
        .filter("target")
        .select(
            pl.col("occurred_at").min().alias("first"), pl.col("occurred_at").max().alias("last")
        )
        .collect()
    )
    first, last = wanted.row(0)
    if first is None:
        return ordered.clear()
    times = ordered["occurred_at"]
    start = times.search_sorted(first - reach_back(catalogue), side="left")
    return ordered.slice(start, times.search_sorted(last, side="right") - start)


def _payload(catalogue: Catalogue) -> list[str]:
    """Name the canonical columns that the assembly reads."""
    windows = {one.name for one in catalogue.windows}
    roots = (root for row in catalogue.rows for root in row.roots)
    return list(dict.fromkeys((*ORDER, *(root for root in roots if root not in windows))))


def _at(start: datetime, stop: datetime) -> pl.Expr:
    """A stretch of time over ``at``, so told that Parquet statistics of sorted files apply.

    They do to the stored integer as it is, not to a cast of it (Polars 1.44).
    """
    first, last = ((moment - EPOCH) // MICROSECOND for moment in (start, stop))
    return (pl.col("at") >= first) & (pl.col("at") < last)


def _partitioned(
    plan: PastPlan | LargeAmounts,
    numbered: pl.LazyFrame,
    partitions: int,
    engine: Engine,
    scratch: Path,
) -> Iterator[tuple[str, pl.DataFrame]]:
    rows = plan.rows(numbered)
    if partitions == 1:
        yield from plan.tables(rows, engine)
        return
    folder = scratch / "dealt"
    dealt = _dealt(rows.with_columns(partition=_partition(partitions)), folder)
    for partition in range(partitions):
        files = dealt.get(partition % MOST_DEALT_FILES, [])
        if files:
            some = pl.scan_parquet(files, hive_partitioning=False)
            mine = some.filter(pl.col("partition") == partition).drop("partition")
            yield from plan.tables(mine, engine)
    # Without rows there is none.
    shutil.rmtree(folder, ignore_errors=True)


def _partition(partitions: int) -> pl.Expr:
    return pl.col("account").hash(seed=0) % partitions


def _dealt(rows: pl.LazyFrame, folder: Path) -> dict[int, list[Path]]:
    """Write rows to files by their ``partition`` in one pass, on the CPU with every engine.

    Returns:
        The files of each remainder of the partition by `MOST_DEALT_FILES`.
    """
    rows.sink_parquet(
        pl.PartitionBy(
            folder,
            key=(pl.col("partition") % MOST_DEALT_FILES).alias("file"),
            include_key=False,
        ),
        compression="lz4",
        row_group_size=ROWS_PER_GROUP,
        engine="streaming",
        mkdir=True,
    )
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("file=*/*.parquet")):
        found.setdefault(int(path.parent.name.removeprefix("file=")), []).append(path)
    return found


def _stretches(targets: pl.LazyFrame, engine: Engine) -> list[datetime]:
    """Cut the time of the targets into stretches of whole hours with about as many rows each."""
    hours = engine.collect(
        targets.group_by(pl.col("occurred_at").dt.truncate("1h").alias("hour"))
        .agg(pl.len().alias("rows"))
        .sort("hour")
    )
    if hours.is_empty():
        return [EPOCH, EPOCH]
    edges: list[datetime] = []
    filled = ROWS_PER_CHUNK
    for hour, rows in hours.iter_rows():
        if filled + rows > ROWS_PER_CHUNK:
            edges.append(hour)
            filled = 0
        filled += rows
    return [*edges, hours["hour"][-1] + HOUR]
