"""The two sides of a payment, each with its accounts' pasts: payers with their pairs, payees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import (
    COLUMN_STATISTICS,
    LABEL_STATISTICS,
    Catalogue,
    Entity,
    WindowFeature,
)
from gpu_ops.row_flags import row_flag
from gpu_ops.timelines import likely_repeated, repeated_entities, timelines
from gpu_ops.window_features import FLAGS
from gpu_ops.window_ranks import with_ranks
from gpu_ops.windows import Horizon, prepared_columns, window_plan

PAIR: Final = ("account", "counterparty")


@dataclass(frozen=True)
class Side:
    """One role in a payment and the features that hang on it.

    A pair belongs to one payer, so its features are computed on the payer's side.

    Args:
        account: column of the accounts in this role.
        counterparty: column of the accounts opposite.
        own: window features of the account.
        pairs: window features of the account with its counterparty.
        exact: names of features that stay Float64, since row features go on with them.
        lookback: the window of features without one.
    """

    account: str
    counterparty: str
    own: tuple[WindowFeature, ...]
    pairs: tuple[WindowFeature, ...]
    exact: frozenset[str]
    lookback: timedelta

    @property
    def features(self) -> tuple[WindowFeature, ...]:
        """All features of the side."""
        return (*self.own, *self.pairs)

    @property
    def counts_counterparties(self) -> bool:
        """Whether some feature asks for distinct counterparties."""
        return any(one.statistic == "distinct_counterparties" for one in self.own)

    def rows(self, transactions: pl.LazyFrame) -> pl.LazyFrame:
        """Choose what the side needs of canonical rows with ``row`` and ``target``."""
        columns = {
            "row": pl.col("row"),
            "target": pl.col("target"),
            "at": pl.col("occurred_at").cast(pl.Int64),
            "account": pl.col(self.account),
        }
        if self.counts_counterparties or self.pairs:
            columns["counterparty"] = pl.col(self.counterparty)
        for one in self.features:
            if one.statistic in COLUMN_STATISTICS:
                columns[one.column] = pl.col(one.column)
            if one.statistic in FLAGS:
                columns[FLAGS[one.statistic]] = row_flag(FLAGS[one.statistic]).cast(pl.UInt8)
        if any(one.statistic in LABEL_STATISTICS for one in self.features):
            known_at = pl.when(pl.col("is_fraud")).then(pl.col("label_known_at"))
            columns["label_lag"] = known_at.cast(pl.Int64) - pl.col("occurred_at").cast(pl.Int64)
        return transactions.select(value.alias(name) for name, value in columns.items())

    def tables(self, rows: pl.LazyFrame, engine: Engine) -> Iterator[tuple[str, pl.DataFrame]]:
        """Compute the features; see `side_tables`."""
        return side_tables(rows, self, engine)


def sides(catalogue: Catalogue) -> list[Side]:
    """Split a catalogue into the sides that have features."""
    windows = [one for one in catalogue.windows if isinstance(one, WindowFeature)]

    def of(entity: Entity) -> tuple[WindowFeature, ...]:
        return tuple(one for one in windows if one.entity == entity)

    exact, lookback = catalogue.exact, catalogue.lookback
    both = [
        Side("payer_id", "payee_id", of("payer"), of("pair"), exact, lookback),
        Side("payee_id", "payer_id", of("payee"), (), exact, lookback),
    ]
    return [side for side in both if side.features]


def side_tables(
    rows: pl.LazyFrame, side: Side, engine: Engine
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Compute the window features of one side.

    Args:
        rows: as `Side.rows` chooses them; all rows of an account, or none.
        side: the side.
        engine: where the plans run.

    Yields:
        An entity and a table of ``row``, ``at`` and its features, for targets whose entity has
        more than one row. Targets in no table have an empty past.
    """
    by = ["account"]
    accounts = engine.collect(
        repeated_entities(likely_repeated(rows, by, engine), by).filter("wanted")
    )
    horizon = Horizon(side.lookback, _longest(accounts))
    reach = horizon.reach(side.own)
    for table in timelines(rows, accounts.lazy(), by, reach, engine):
        timeline = table.drop("wanted")
        gaps: list[pl.DataFrame] = []
        if side.pairs or side.counts_counterparties:
            for pairs, of_pairs in _pair_timelines(timeline, side, engine):
                gaps.append(engine.collect(_gaps(pairs.lazy())))
                if side.pairs:
                    wanted = pairs.filter("wanted")
                    yield "pair", _computed(wanted, side.pairs, side.exact, of_pairs, engine)
        if side.own:
            if side.counts_counterparties:
                timeline = engine.collect(_with_gaps(timeline, gaps))
            own = _computed(timeline, side.own, side.exact, horizon, engine)
            yield side.own[0].entity, own


def _longest(entities: pl.DataFrame) -> int:
    longest = entities.select((pl.col("last_at") - pl.col("first_at")).max()).item()
    return 0 if longest is None else int(longest)


def _pair_timelines(
    timeline: pl.DataFrame, side: Side, engine: Engine
) -> Iterator[tuple[pl.DataFrame, Horizon]]:
    rows = timeline.lazy().drop("key").rename({"origin": "account"})
    pairs = engine.collect(repeated_entities(likely_repeated(rows, PAIR, engine), PAIR))
    horizon = Horizon(side.lookback, _longest(pairs))
    for table in timelines(rows, pairs.lazy(), PAIR, horizon.reach(side.pairs), engine):
        yield table, horizon


def _gaps(pairs: pl.LazyFrame) -> pl.LazyFrame:
    """Measure the time to the next row of the same pair; null after its last row."""
    same = pl.col("origin").shift(-1) == pl.col("origin")
    gap = pl.when(same).then(pl.col("key").shift(-1) - pl.col("key"))
    return pairs.select("row", gap.alias("gap"))


def _with_gaps(timeline: pl.DataFrame, gaps: list[pl.DataFrame]) -> pl.LazyFrame:
    lone = {"row": timeline.schema["row"], "gap": pl.Int64()}
    known = pl.concat([pl.DataFrame(schema=lone), *gaps])
    met = pl.col("counterparty").is_not_null().cast(pl.UInt32).alias("met")
    return (
        timeline.lazy()
        .with_columns(met)
        .drop("counterparty")
        .join(known.lazy(), on="row", how="left", maintain_order="left")
    )


def _computed(
    timeline: pl.DataFrame,
    features: Sequence[WindowFeature],
    exact: frozenset[str],
    horizon: Horizon,
    engine: Engine,
) -> pl.DataFrame:
    rolled = [one for one in features if one.statistic != "rank"]
    ranked = [one for one in features if one.statistic == "rank"]
    prepared = engine.collect(timeline.lazy().with_columns(prepared_columns(rolled)))
    table = engine.collect(window_plan(prepared.lazy(), rolled, exact, horizon))
    return with_ranks(table, prepared, ranked, exact, horizon)
