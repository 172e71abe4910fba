"""Features of the rings that were known of payer and payee before a transaction's UTC day."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

import polars as pl

from gpu_ops.ring_params import RING_SCHEMA

RingEntity = Literal["payer", "payee", "pair"]
RingStatistic = Literal["score", "count", "age_days", "exposure"]
RING_STATISTICS: Final[tuple[RingStatistic, ...]] = get_args(RingStatistic)

PAYEE_PREFIX: Final = "payee "
"""Before the id of a payee where payers are of another kind."""

_ID: Final = "transaction_id"
_SOURCE: Final = "patterns: Altman et al. 2023, arXiv 2306.16424; as known: rings.md"
_WHOSE: Final[dict[RingEntity, str]] = {
    "payer": "the payer",
    "payee": "the payee",
    "pair": "both payer and payee",
}
_SPANS: Final[dict[str, pl.DataType]] = {
    "account": pl.String(),
    "ring_id": pl.String(),
    "known_on": pl.Date(),
    "until": pl.Date(),
    "score": pl.Float64(),
    "exposure": pl.Float64(),
}
"""A member of a ring as it stood after `known_on` and up to and with the day `until`."""


@dataclass(frozen=True)
class RingFeature:
    """What was known before a transaction's UTC day of the rings that hold its parties.

    A ring counts from the day after it became known, as it stood at the end of the day before the
    transaction: no payment of the transaction's own day plays a part.

    Args:
        entity: whose rings: the payer's, the payee's, or those that hold both.
        statistic: ``score``, the strongest ring's (0..1, no probability); ``count`` of rings;
            ``age_days``, whole days since one of them last changed; ``exposure``, the largest sum
            that came in from outside.

    Raises:
        ValueError: a value is not one of those above.
    """

    entity: RingEntity
    statistic: RingStatistic

    def __post_init__(self) -> None:
        if self.entity not in _WHOSE:
            raise ValueError(f"entity {self.entity!r} is unknown; choose one of {tuple(_WHOSE)}")
        if self.statistic not in RING_STATISTICS:
            raise ValueError(
                f"statistic {self.statistic!r} is unknown; choose one of {RING_STATISTICS}"
            )

    @property
    def name(self) -> str:
        """Column name, such as ``payer_ring_score``."""
        return f"{self.entity}_ring_{self.statistic}"

    @property
    def dtype(self) -> pl.DataType:
        """UInt32 for counts, else Float32."""
        return pl.UInt32() if self.statistic == "count" else pl.Float32()

    @property
    def formula(self) -> str:
        """The definition; D is the transaction's UTC day."""
        rings = f"rings known before D with {_WHOSE[self.entity]} in them"
        return {
            "score": f"max score of {rings}",
            "count": f"number of {rings}",
            "age_days": f"D - latest known_at of {rings}, in days",
            "exposure": f"max exposure of {rings}",
        }[self.statistic]

    @property
    def source(self) -> str:
        """Where the definition was published."""
        return _SOURCE

    @property
    def description(self) -> str:
        """What it tells, in plain words."""
        rings = f"suspected rings that held {_WHOSE[self.entity]} by the day before"
        return {
            "score": f"Score of the strongest of the {rings}.",
            "count": f"Number of {rings}.",
            "age_days": f"Days since one of the {rings} was found or last grew.",
            "exposure": f"Most money that came into one of the {rings}.",
        }[self.statistic]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical columns that it is computed from."""
        return ("occurred_at", "kind", "amount", "payer_id", "payee_id")


RING_FEATURES: Final = (
    *(RingFeature("payer", statistic) for statistic in RING_STATISTICS),
    *(RingFeature("payee", statistic) for statistic in RING_STATISTICS),
    *(RingFeature("pair", statistic) for statistic in ("score", "count")),
)


def ring_payments(rows: pl.LazyFrame, *, feed: str, same_entities: bool) -> pl.LazyFrame:
    """Choose what `gpu_ops.patterns.as_known` reads.

    Args:
        rows: canonical rows of one feed.
        feed: its name.
        same_entities: whether payers and payees are accounts of one kind.

    Returns:
        transaction_id, occurred_at, feed, kind, amount, payer, payee, fraud_probability (null: what
        is known of rings depends on no model).
    """
    return rows.select(
        _ID,
        "occurred_at",
        "kind",
        "amount",
        feed=pl.lit(feed),
        payer=pl.col("payer_id"),
        payee=_payee(same_entities=same_entities),
        fraud_probability=pl.lit(None, pl.Float32),
    )


def with_ring_features(
    features: pl.LazyFrame,
    rows: pl.LazyFrame,
    log: pl.DataFrame,
    wanted: tuple[RingFeature, ...],
    *,
    same_entities: bool,
) -> pl.LazyFrame:
    """Add ring features to a feature table.

    Runs on the CPU, whichever engine made the table: few rows have a party in a ring, and finding
    these is one join with a small table.

    Args:
        features: transaction_id and other features; the order is kept.
        rows: transaction_id, occurred_at, payer_id and payee_id of the same transactions at least.
        log: what `gpu_ops.patterns.as_known` returned of all days before the rows', or of more.
        wanted: the ring features to add.
        same_entities: as for `ring_payments`.
    """
    spans = _spans(log)
    members = spans["account"].unique().implode()
    parties = rows.select(
        _ID,
        day=pl.col("occurred_at").dt.date(),
        payer=pl.col("payer_id"),
        payee=_payee(same_entities=same_entities),
    )
    found = parties.filter(
        pl.any_horizontal(pl.col(side).is_in(members) for side in ("payer", "payee"))
    ).collect(engine="streaming")
    for_sides = {side: _held(found, spans, side) for side in ("payer", "payee")}
    both = for_sides["payer"].join(for_sides["payee"].select(_ID, "ring_id"), on=[_ID, "ring_id"])
    entities = {**for_sides, "pair": both}
    for entity, held in entities.items():
        mine = [one for one in wanted if one.entity == entity]
        if mine:
            told = held.group_by(_ID).agg(_aggregate(one) for one in mine)
            features = features.join(told.lazy(), on=_ID, how="left", maintain_order="left")
    counts = [one.name for one in wanted if one.statistic == "count"]
    return features.with_columns(pl.col(counts).fill_null(0)) if counts else features


def without_ring_features(features: pl.LazyFrame, wanted: tuple[RingFeature, ...]) -> pl.LazyFrame:
    """Add ring features as nulls, where no rings were searched."""
    return features.with_columns(pl.lit(None, one.dtype).alias(one.name) for one in wanted)


def _payee(*, same_entities: bool) -> pl.Expr:
    # A card and a terminal of one name are two accounts.
    return pl.col("payee_id") if same_entities else pl.format(f"{PAYEE_PREFIX}{{}}", "payee_id")


def _spans(log: pl.DataFrame) -> pl.DataFrame:
    """Return `_SPANS` of a log: from each word on a ring to the next."""
    return (
        log.select(*RING_SCHEMA)
        .sort("ring_id", "known_at")
        .with_columns(
            known_on=pl.col("known_at").dt.date(),
            until=pl.col("known_at").shift(-1).over("ring_id").dt.date(),
        )
        .filter(pl.col("merged_into").is_null())
        .explode("accounts", empty_as_null=False)
        .select(account="accounts", **{name: pl.col(name) for name in [*_SPANS][1:]})
        .cast(pl.Schema(_SPANS))
    )


def _held(found: pl.DataFrame, spans: pl.DataFrame, side: str) -> pl.DataFrame:
    """Return a row for each transaction and ring that held its party before its day."""
    return (
        found.select(_ID, "day", account=side)
        .join(spans, on="account")
        .filter(
            pl.col("day") > pl.col("known_on"),
            pl.col("until").is_null() | (pl.col("day") <= pl.col("until")),
        )
    )


def _aggregate(feature: RingFeature) -> pl.Expr:
    values = {
        "score": pl.col("score").max(),
        "count": pl.len(),
        "age_days": (pl.col("day") - pl.col("known_on")).min() / timedelta(days=1),
        "exposure": pl.col("exposure").max(),
    }
    return values[feature.statistic].cast(feature.dtype).alias(feature.name)
