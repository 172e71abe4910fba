"""Accounts and rows by name: node keys of accounts, ids made from content."""

from typing import Final

import numpy as np
import polars as pl
import xxhash

from gpu_ops.canonical import CANONICAL_SCHEMA

_HASHED_AT_ONCE: Final = 200_000


def account_key(feed_name: str, entity: str, ids: pl.Expr) -> pl.Expr:
    """`feed:entity:id`, the name of an account in graphs and alerts; null where the id is null.

    The one function through which account ids enter: keyed pseudonyms would replace them here.

    Args:
        feed_name: Name of the feed; ids of two feeds never mean one account.
        entity: Entity kind of the id in that feed; a customer and a terminal may share an id.
        ids: String ids as sent by the source.
    """
    return pl.concat_str([pl.lit(f"{feed_name}:{entity}:"), ids])


def content_hash(rows: pl.DataFrame) -> pl.Series:
    """`h` and 32 hex digits (XXH3-128) of what each transaction says, for sources without ids.

    Hashed is the UTF-8 text
    `time|kind|amount|currency|payer balance|payee balance|n|payer payee` (without that blank),
    where time is in microseconds since 1970 UTC, n is the byte length of the payer id, and a
    number is the decimal value of its 64 IEEE 754 bits read as a signed integer, with -0.0 as
    0.0 and nothing for a missing one. So the text is unambiguous and no number formatting of a
    library decides it. The label is left out: a file that comes again with labels holds the same
    transactions.

    Args:
        rows: Canonical columns; ids, time, kind, amount and currency without nulls.

    Returns:
        String series, as long as the rows.
    """
    text = rows.select(
        pl.concat_str(
            [
                pl.col("occurred_at").dt.epoch("us").cast(pl.String),
                pl.col("kind"),
                pl.lit(_bits(rows["amount"])),
                pl.col("currency"),
                pl.lit(_bits(rows["payer_balance_before"])),
                pl.lit(_bits(rows["payee_balance_before"])),
                pl.col("payer_id").str.len_bytes().cast(pl.String),
                pl.col("payer_id") + pl.col("payee_id"),
            ],
            separator="|",
        ).cast(pl.Binary)
    ).to_series()
    digest = xxhash.xxh3_128_hexdigest
    # In slices, since a Python object a row of a large file would outweigh the table.
    hashes = [
        pl.Series(
            [digest(row) for row in text.slice(start, _HASHED_AT_ONCE).to_list()], dtype=pl.String
        )
        for start in range(0, text.len(), _HASHED_AT_ONCE)
    ]
    joined = pl.concat(hashes) if hashes else pl.Series(dtype=pl.String)
    return ("h" + joined).alias("transaction_id")


def _bits(numbers: pl.Series) -> pl.Series:
    if numbers.null_count() == numbers.len():
        return pl.Series(numbers.name, [""], dtype=pl.String).new_from_index(0, numbers.len())
    bits = (numbers.fill_null(0.0).to_numpy() + 0.0).view(np.int64)
    text = pl.Series(numbers.name, bits).cast(pl.String)
    return text if numbers.null_count() == 0 else text.set(numbers.is_null(), "")


def number_identical_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Content hashes made unique: `-1`, `-2`, ... for the identical rows of one file.

    Which row gets which number does not depend on the order of lines: equal content is told apart
    by its label alone, and rows with equal labels are interchangeable.

    Args:
        rows: Whole file, `transaction_id` from `content_hash`, with `source_row`.
    """
    repeated = _repeated(rows["transaction_id"])
    if repeated is None:
        return rows.with_columns(pl.col("transaction_id") + "-1")
    single = rows.filter(~repeated).with_columns(pl.col("transaction_id") + "-1")
    order = ["transaction_id", "is_fraud", "label_known_at", "source_row"]
    several = rows.filter(repeated).sort(order)
    ordinal = pl.int_range(1, pl.len() + 1).over("transaction_id").cast(pl.String)
    numbered = several.with_columns(pl.col("transaction_id") + "-" + ordinal)
    return pl.concat([single, numbered])


def keep_first(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The first row of every transaction id by `source_row`, and how many later ones differ.

    A later row is always left out; it differs if it has the id of the first and other content.
    """
    repeated = _repeated(rows["transaction_id"])
    if repeated is None:
        return rows, 0
    several = rows.filter(repeated).sort("source_row")
    first = several.unique("transaction_id", keep="first", maintain_order=True)
    later = several.join(first, on="source_row", how="anti")
    same = later.join(first, on=list(CANONICAL_SCHEMA), how="semi", nulls_equal=True)
    return pl.concat([rows.filter(~repeated), first]), later.height - same.height


def _repeated(ids: pl.Series) -> pl.Series | None:
    """Where an id occurs more than once, or None where none does.

    Distinct 64-bit hashes prove distinct ids, at an eighth of the cost of comparing the ids.
    """
    if ids.hash().n_unique() == ids.len():
        return None
    repeated = ids.is_duplicated()
    return repeated if repeated.any() else None
