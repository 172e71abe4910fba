"""The check that a layer holds exactly the rows of raw, in raw's order."""

from typing import Final

import dagster as dg
import polars as pl

from fraud_assets.checks import predicate_check

SAME_ROWS: Final = "same_rows_as_raw"


def same_rows_spec(asset: str) -> dg.AssetCheckSpec:
    """The check's declaration on an asset."""
    return dg.AssetCheckSpec(
        SAME_ROWS,
        asset=asset,
        blocking=True,
        description="One row for every raw transaction, in raw's order, no more and no fewer.",
    )


def same_rows_check(staged: pl.LazyFrame, raw: pl.LazyFrame, rejected: str) -> dg.AssetCheckResult:
    """Compares the ids row by row. Since raw's are unique and in order, so are then the staged.

    Args:
        staged: The layer's table, with `transaction_id`.
        raw: The raw table that it was made of.
        rejected: What to call the staged version in the metadata.
    """
    rows, raw_rows = _rows(staged), _rows(raw)
    differ = _differing(staged, raw) if rows == raw_rows else abs(rows - raw_rows)
    return predicate_check(
        SAME_ROWS,
        passed=differ == 0,
        rejected=rejected,
        description=f"{rows} rows for {raw_rows} raw rows"
        + (f"; {differ} are not the raw row in their place." if rows == raw_rows else "."),
        figures={"rows": rows, "raw_rows": raw_rows, "differ": differ},
    )


def _rows(table: pl.LazyFrame) -> int:
    return int(table.select(pl.len()).collect().item())


def _differing(staged: pl.LazyFrame, raw: pl.LazyFrame) -> int:
    sides = [
        staged.select(pl.col("transaction_id").alias("staged")),
        raw.select(pl.col("transaction_id").alias("raw")),
    ]
    compared = pl.concat(sides, how="horizontal", strict=True).select(
        pl.col("staged").ne_missing(pl.col("raw")).sum()
    )
    return int(compared.collect(engine="streaming").item())
