"""The two sides of a payment, each with its accounts' pasts: payers with their pairs, payees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import LABEL_STATISTICS, Catalogue, Entity, WindowFeature
from gpu_ops.timelines import repeated_entities, timelines
from gpu_ops.windows import MICROSECOND, split_units, summed_columns, window_plan

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
    """

    account: str
    counterparty: str
    own: tuple[WindowFeature, ...]
    pairs: tuple[WindowFeature, ...]
    exact: frozenset[str]

    @property
    def features(self) -> tuple[WindowFeature, ...]:
        """All features of the side."""
        return (*self.own, *self.pairs)

    @property
    def counts_counterparties(self) -> bool:
        """Whether some feature asks for distinct counterparties."""
        return any(one.statistic == "distinct_counterparties" for one in self.own)

    @property
    def summed(self) -> tuple[str, ...]:
        """Columns that some feature sums or averages."""
        return summed_columns(self.features)

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
        for name in dict.fromkeys((*_maximised(self.features), *self.summed)):
            columns[name] = pl.col(name)
        if any(one.statistic in LABEL_STATISTICS for one in self.features):
            known_at = pl.when(pl.col("is_fraud")).then(pl.col("label_known_at"))
            columns["label_lag"] = known_at.cast(pl.Int64) - pl.col("occurred_at").cast(pl.Int64)
        return transactions.select(value.alias(name) for name, value in columns.items())


def sides(catalogue: Catalogue) -> list[Side]:
    """Split a catalogue into the sides that have features."""
    exact = frozenset(root for row in catalogue.rows for root in row.roots)

    def of(entity: Entity) -> tuple[WindowFeature, ...]:
        return tuple(one for one in catalogue.windows if one.entity == entity)

    both = [
        Side("payer_id", "payee_id", of("payer"), of("pair"), exact),
        Side("payee_id", "payer_id", of("payee"), (), exact),
    ]
    return [side for side in both if side.features]


def side_tables(
    rows: pl.LazyFrame, side: Side, engine: Engine
) -> Iterator[tuple[Entity, pl.DataFrame]]:
    """Compute the window features of one side.

    Args:
        rows: as `Side.rows` chooses them; all rows of an account, or none.
        side: the side.
        engine: where the plans run.

    Yields:
        An entity and a table of ``row``, ``at`` and its features, for targets whose entity has
        more than one row. Targets in no table have an empty past.
    """
    accounts = repeated_entities(rows, ["account"]).filter("wanted")
    for table in timelines(rows, accounts, ["account"], _reach(side.own), engine):
        timeline = table.drop("wanted")
        gaps: list[pl.DataFrame] = []
        if side.pairs or side.counts_counterparties:
            for pairs in _pair_timelines(timeline, side, engine):
                gaps.append(engine.collect(_gaps(pairs.lazy())))
                if side.pairs:
                    yield "pair", _computed(pairs.filter("wanted"), side.pairs, side, engine)
        if side.own:
            if side.counts_counterparties:
                timeline = engine.collect(_with_gaps(timeline, gaps))
            yield side.own[0].entity, _computed(timeline, side.own, side, engine)


def _maximised(features: Sequence[WindowFeature]) -> tuple[str, ...]:
    return tuple(one.column for one in features if one.statistic == "max")


def _reach(features: Sequence[WindowFeature]) -> int:
    return max(((one.window + one.delay) // MICROSECOND for one in features), default=0)


def _pair_timelines(timeline: pl.DataFrame, side: Side, engine: Engine) -> Iterator[pl.DataFrame]:
    rows = timeline.lazy().drop("key").rename({"origin": "account"})
    pairs = repeated_entities(rows, PAIR)
    yield from timelines(rows, pairs, PAIR, _reach(side.pairs), engine)


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
    timeline: pl.DataFrame, features: Sequence[WindowFeature], side: Side, engine: Engine
) -> pl.DataFrame:
    halves = [half for column in summed_columns(features) for half in split_units(column)]
    prepared = engine.collect(timeline.lazy().with_columns(halves))
    return engine.collect(window_plan(prepared.lazy(), features, side.exact))
