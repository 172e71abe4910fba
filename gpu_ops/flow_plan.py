"""What went through an account: both roles of its payments on one timeline, as lazy plans."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue
from gpu_ops.flow_features import FlowFeature
from gpu_ops.timelines import repeated_entities, timelines
from gpu_ops.window_lengths import window_lengths
from gpu_ops.windows import MICROSECOND, PARTS, split_units

SECOND: Final = timedelta(seconds=1) // MICROSECOND


@dataclass(frozen=True)
class FlowSide:
    """The accounts with both roles, and the flow features.

    Args:
        features: of one party or both.
        lookback: of the catalogue.
        exact: names of features that stay Float64, since row features go on with them.
        same_entities: whether an account can have both roles; else nothing is computed.
    """

    features: tuple[FlowFeature, ...]
    lookback: timedelta
    exact: frozenset[str]
    same_entities: bool

    @property
    def sums(self) -> bool:
        """Whether some feature asks for amounts."""
        return any(one.statistic == "sum" for one in self.features)

    def rows(self, transactions: pl.LazyFrame) -> pl.LazyFrame:
        """Enter each transaction twice, for its payer and its payee, who may be one account.

        Args:
            transactions: canonical rows with ``row`` and ``target``.

        Returns:
            ``row``, ``target``, ``at`` Int64 (microseconds), ``account``, ``paid`` Boolean,
            whether the account is the payer, and, for sums, ``amount``.
        """
        seen = transactions if self.same_entities else transactions.limit(0)
        return pl.concat(
            seen.select(
                "row",
                "target",
                pl.col("occurred_at").cast(pl.Int64).alias("at"),
                pl.col(party).alias("account"),
                pl.lit(value=paid).alias("paid"),
                *(["amount"] if self.sums else []),
            )
            for party, paid in (("payer_id", True), ("payee_id", False))
        )

    def tables(self, rows: pl.LazyFrame, engine: Engine) -> Iterator[tuple[str, pl.DataFrame]]:
        """Compute the features.

        Args:
            rows: as `rows` makes them; all of an account, or none.
            engine: where the plans run.

        Yields:
            A name and a table of ``row``, ``at`` and the features of one party, for targets
            whose party has both paid and received. Through the others nothing went.
        """
        accounts = engine.collect(_through(rows))
        lengths = window_lengths(self.features, self.lookback, accounts)
        reach = max(lengths.values())
        for table in timelines(rows, accounts.lazy(), ["account"], reach, engine):
            prepared = table
            if self.sums:
                halves = table.lazy().with_columns(split_units("amount"))
                prepared = engine.collect(halves.drop("amount"))
            for entity in dict.fromkeys(one.entity for one in self.features):
                mine = [one for one in self.features if one.entity == entity]
                plan = flow_plan(prepared.lazy(), mine, lengths, self.exact)
                yield f"{entity}-flows", engine.collect(plan)


def flow_plans(catalogue: Catalogue) -> list[FlowSide]:
    """Find the flow features of a catalogue."""
    mine = tuple(one for one in catalogue.windows if isinstance(one, FlowFeature))
    if not mine:
        return []
    return [FlowSide(mine, catalogue.lookback, catalogue.exact, catalogue.same_entities)]


def _through(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Find the accounts that both paid and received, in the terms of `gpu_ops.timelines`."""
    payers = rows.filter("paid").select("account")
    received = rows.filter(pl.col("paid").not_())
    # Most accounts have one role, and grouping by names is what costs.
    both = received.join(payers, on="account", how="semi").select("account")
    twofold = rows.join(both, on="account", how="semi")
    return repeated_entities(twofold, ["account"]).filter("wanted").drop("wanted")


def flow_plan(
    timeline: pl.LazyFrame,
    features: Sequence[FlowFeature],
    lengths: Mapping[str, int],
    exact: frozenset[str],
) -> pl.LazyFrame:
    """Compute the flow features of one party for the targets of a timeline.

    Args:
        timeline: sorted by ``key``, with ``row``, ``at``, ``target``, ``paid``, and, for sums,
            ``amount_units`` and ``amount_parts`` (`gpu_ops.windows.split_units`).
        features: of one party.
        lengths: of their windows by name, in microseconds.
        exact: names that stay Float64.

    Returns:
        ``row``, ``at`` and one column a feature, for target rows in which the account is the
        party.
    """
    pays = features[0].entity == "payer"
    own = pl.col("paid") if pays else pl.col("paid").not_()
    opposite = own.not_()
    summed = any(one.statistic == "sum" for one in features)
    halves = ("amount_units", "amount_parts") if summed else ()
    prepared = timeline.select(
        "row",
        "at",
        "key",
        (pl.col("target") & own).alias("wanted"),
        *(pl.when(opposite).then(pl.col(name)).otherwise(0).alias(name) for name in halves),
        opposite.cast(pl.UInt32).alias("rows"),
        pl.when(opposite).then(pl.col("key")).alias("newest"),
    )
    pieces = [prepared.select("row", "at", "key", "wanted")]
    for length in dict.fromkeys(lengths[one.name] for one in features):
        wanted = [one for one in features if lengths[one.name] == length]
        pieces.append(_rolled(prepared, length, wanted))
    return (
        pl.concat(pieces, how="horizontal", strict=True)
        .filter(pl.col("wanted"))
        .select("row", "at", *(_finished(one, lengths[one.name], exact) for one in features))
    )


def _column(part: str, length: int) -> str:
    """Name an intermediate result; the blank keeps it apart from every feature's name."""
    return f"{part} {length}"


def _rolled(rows: pl.LazyFrame, length: int, features: Sequence[FlowFeature]) -> pl.LazyFrame:
    statistics = {one.statistic for one in features}
    parts: dict[str, pl.Expr] = {}
    if "sum" in statistics:
        parts["units"] = pl.col("amount_units").sum()
        parts["parts"] = pl.col("amount_parts").sum()
    if "count" in statistics:
        parts["rows"] = pl.col("rows").sum()
    if "time_since_last" in statistics:
        parts["newest"] = pl.col("newest").max()
    return (
        rows.rolling("key", period=f"{length}i", offset=f"{-length}i", closed="left")
        .agg(expression.alias(_column(name, length)) for name, expression in parts.items())
        .drop("key")
    )


def _finished(feature: FlowFeature, length: int, exact: frozenset[str]) -> pl.Expr:
    def part(name: str) -> pl.Expr:
        return pl.col(_column(name, length))

    if feature.statistic == "sum":
        value = part("units") + part("parts") / PARTS
    elif feature.statistic == "count":
        value = part("rows")
    else:
        value = (pl.col("key") - part("newest")).cast(pl.Float64) / SECOND
    dtype = pl.Float64() if feature.name in exact else feature.dtype
    return value.cast(dtype).alias(feature.name)
