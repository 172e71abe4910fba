"""A canonical column of a batch together with what is wrong in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from fraud_assets.feeds.values import is_blank
from gpu_ops.masking import masked_expr

value: Final = pl.col("value")
"""The canonical value of a row under judgement, null where none could be read."""
blank: Final = pl.col("blank")
"""Whether the source had nothing for it."""

_SHOWN_CHARACTERS: Final = 24
_ELLIPSIS: Final = "…"

Rule = tuple[pl.Expr, str | None]
"""A condition over `value` and `blank`, and the reason if it holds; None makes the row good."""


@dataclass(frozen=True)
class Judged:
    """Canonical values of a batch, and one line for each of them that is at fault.

    Attributes:
        values: One a row, whatever stands at the faulty places.
        faults: `at` (row of the batch, from 0), `column`, `reason`, `value_masked`.
    """

    values: pl.Series
    faults: pl.DataFrame | None = None


def judge(
    values: pl.Series,
    good: pl.Series,
    raw: pl.Series,
    rules: Sequence[Rule],
    *,
    otherwise: str,
    column: str,
    is_account: bool = False,
) -> Judged:
    """Finds a reason for every value that is not good; the first rule that holds gives it.

    Args:
        values: Canonical values.
        good: Which of them are good; null counts as not good.
        raw: What the source has, for blanks and for the masked preview.
        rules: Looked at for values that are not good, in order.
        otherwise: The reason where no rule holds.
        column: Source column, for the report.
        is_account: Whether values name a person or an account.
    """
    at = (~good.fill_null(value=False)).arg_true()
    if at.len() == 0:
        return Judged(values)
    source = raw.gather(at)
    cases = pl.DataFrame({"at": at, "value": values.gather(at), "blank": is_blank(source)})
    reason: pl.Expr = pl.lit(otherwise)
    for condition, text in reversed(rules):
        reason = pl.when(condition).then(pl.lit(text, dtype=pl.String)).otherwise(reason)
    faults = cases.select(
        "at",
        column=pl.lit(column),
        reason=reason,
        value_masked=preview(source, is_account=is_account),
    )
    return Judged(values, faults.filter(pl.col("reason").is_not_null()))


def preview(source: pl.Series, *, is_account: bool) -> pl.Series:
    """Source values for the quarantine: accounts masked, other texts cut to 24 characters.

    Long digit runs in texts are masked too: in a row whose columns are shifted, an account number
    stands where a kind should be.
    """
    text = pl.DataFrame({"text": source.cast(pl.String, strict=False)})
    shown = pl.col("text")
    if is_account:
        shown = masked_expr(shown)
    elif source.dtype == pl.String or source.dtype.is_integer():
        cut = pl.concat_str([shown.str.slice(0, _SHOWN_CHARACTERS), pl.lit(_ELLIPSIS)])
        is_long = shown.str.len_chars() > _SHOWN_CHARACTERS
        hidden = pl.when(is_long).then(cut).otherwise(shown)
        # An amount has few digits; a card number is one number, too.
        is_number = shown.cast(pl.Float64, strict=False).is_not_null() & ~shown.str.contains(
            r"\d{12}"
        )
        shown = (
            pl.when(is_number)
            .then(hidden)
            .otherwise(hidden.str.replace_all(r"\d{5,}(\d{4})", f"{_ELLIPSIS}$1"))
        )
    return text.select(shown).to_series()
