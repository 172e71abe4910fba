"""Which frauds a large amount explains: a pass over their payers, before the label features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue
from gpu_ops.label_features import LARGE, UNEXPLAINED, USUAL_WINDOW, LabelFeature
from gpu_ops.label_plan import EXPLAINED
from gpu_ops.timelines import repeated_entities, timelines
from gpu_ops.windows import MICROSECOND, PARTS, split_units


def preparations(catalogue: Catalogue) -> list["LargeAmounts"]:
    """List the passes whose results the plans of a catalogue read beside the transactions."""
    asked = (
        isinstance(one, LabelFeature) and one.statistic in UNEXPLAINED for one in catalogue.windows
    )
    return [LargeAmounts()] if any(asked) else []


@dataclass(frozen=True)
class LargeAmounts:
    """The pass before the label features that tells which frauds a large amount explains."""

    def rows(self, transactions: pl.LazyFrame) -> pl.LazyFrame:
        """Choose the rows of payers with a fraud from canonical rows with ``row``."""
        fraud = pl.col("is_fraud") & pl.col("label_known_at").is_not_null()
        payers = transactions.filter(fraud).select("payer_id")
        return transactions.join(payers, on="payer_id", how="semi").select(
            "row",
            pl.col("occurred_at").cast(pl.Int64).alias("at"),
            fraud.fill_null(value=False).alias("target"),
            pl.col("payer_id").alias("account"),
            "amount",
        )

    def tables(self, rows: pl.LazyFrame, engine: Engine) -> Iterator[tuple[str, pl.DataFrame]]:
        """Find the frauds with large amounts.

        Args:
            rows: as `rows` chooses them; all of an account, or none.
            engine: where the plans run.

        Yields:
            A name and a table of ``row``, ``at`` and `EXPLAINED`, for frauds whose payer has more
            than one row. The amounts of the others are not large.
        """
        by = ["account"]
        entities = repeated_entities(rows, by).filter("wanted").drop("wanted")
        length = USUAL_WINDOW // MICROSECOND
        for timeline in timelines(rows, entities, by, length, engine):
            prepared = engine.collect(timeline.lazy().with_columns(split_units("amount")))
            yield EXPLAINED, engine.collect(_large(prepared.lazy(), length))

    def joined(self, transactions: pl.LazyFrame, found: Sequence[pl.DataFrame]) -> pl.LazyFrame:
        """Tell each transaction whether it is a fraud that a large amount explains.

        Args:
            transactions: as `rows` takes them.
            found: the tables that `tables` yields.

        Returns:
            The transactions with `EXPLAINED`, null where nothing was found.
        """
        schema = {"row": transactions.collect_schema()["row"], EXPLAINED: pl.Boolean()}
        tables = (pl.DataFrame(schema=schema), *(table.drop("at") for table in found))
        explained = pl.concat(tables).lazy()
        return transactions.join(explained, on="row", how="left", maintain_order="left")


def _large(timeline: pl.LazyFrame, length: int) -> pl.LazyFrame:
    before = timeline.rolling("key", period=f"{length}i", offset=f"{-length}i", closed="left").agg(
        pl.col("amount_units").sum().alias("units"),
        pl.col("amount_parts").sum().alias("parts"),
        pl.len().alias("size"),
    )
    total = pl.col("units") + pl.col("parts") / PARTS
    # The mean, multiplied by the number of rows, of which there may be none.
    large = pl.col("amount") * pl.col("size").cast(pl.Float64) > LARGE * total
    return (
        pl.concat(
            [timeline.select("row", "at", "target", "amount"), before.drop("key")],
            how="horizontal",
            strict=True,
        )
        .filter("target")
        .select("row", "at", large.alias(EXPLAINED))
    )
