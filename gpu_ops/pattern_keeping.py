"""What is kept of later whole days, but for what they teach."""

from datetime import date
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gpu_ops.accounts import coded_accounts
from gpu_ops.pattern_state import ACCOUNT_SCHEMA, PAYMENT_SCHEMA, RingState
from gpu_ops.ring_params import RingParams

_PAIR: Final = ["payer", "payee"]


def check_later(state: RingState, payments: pl.DataFrame) -> None:
    """Refuse payments of days that were taken in.

    Args:
        state: the state before.
        payments: one at least.

    Raises:
        ValueError: if a payment is not later than the days taken in.
    """
    first = payments["occurred_at"].dt.date().min()
    if isinstance(first, date) and state.through is not None and first <= state.through:
        raise ValueError(
            f"payments of {first} come after those of {state.through} were taken in: take in whole "
            "UTC days in their order, or start again from an empty state (a backfill)"
        )


def with_account_numbers(
    state: RingState, payments: pl.DataFrame
) -> tuple[pl.DataFrame, NDArray[np.int64], pl.DataFrame]:
    """Return payments of later days with their accounts' numbers.

    Args:
        state: the state before.
        payments: `KEPT_SCHEMA`, in any order.

    Returns:
        `PAYMENT_SCHEMA`, in the order of time; the UTC days since 1970 on which its new accounts
        came, in their order; and `ACCOUNT_SCHEMA`, new accounts included.
    """
    payments = payments.sort("occurred_at", maintain_order=True)
    coded = coded_accounts(payments["payer"], payments["payee"])
    day = payments["occurred_at"].dt.date().to_physical().cast(pl.Int64).to_numpy()
    came = np.full(coded.names.len(), np.iinfo(np.int64).max)
    np.minimum.at(came, coded.payer, day)
    np.minimum.at(came, coded.payee, day)
    known = state.accounts.select("account", number=pl.int_range(pl.len(), dtype=pl.Int32))
    known = known.filter(pl.col("account").is_in(coded.names.implode()))
    met = (
        pl.DataFrame({"account": coded.names, "came": came})
        .join(known, on="account", how="left", maintain_order="left")
        .with_row_index("code")
    )
    new = met.filter(pl.col("number").is_null()).sort("came", "code")
    number = met["number"].to_numpy(writable=True)
    number[new["code"].to_numpy()] = state.accounts.height + np.arange(new.height)
    number = number.astype(np.int32)
    accounts = pl.concat([state.accounts, _unmet(new["account"])], rechunk=True)
    coded_payments = payments.with_columns(
        payer=pl.Series(number[coded.payer]), payee=pl.Series(number[coded.payee])
    )
    return coded_payments.select(*PAYMENT_SCHEMA), new["came"].to_numpy(), accounts


def _unmet(names: pl.Series) -> pl.DataFrame:
    """Return the rows of accounts of which nothing is known but the name."""
    nothing: dict[type[pl.DataType], object] = {pl.Boolean: False, pl.Int64: 0, pl.Float64: 0.0}
    columns = {
        name: pl.lit(nothing[type(dtype)], dtype)
        for name, dtype in ACCOUNT_SCHEMA.items()
        if name != "account"
    }
    columns["habit_known"] = pl.lit(np.iinfo(np.int64).max, pl.Int64)
    return pl.DataFrame({"account": names}).with_columns(**columns)


def pairs_after(state: RingState, payments: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the pairs of later payments: those that paid before, and those that pay first.

    Args:
        state: the state before.
        payments: `PAYMENT_SCHEMA`.

    Returns:
        Two tables of `PAIR_SCHEMA`, of what they did in all.
    """
    now = payments.group_by(_PAIR).agg(
        n=pl.len().cast(pl.UInt32),
        first_at=pl.col("occurred_at").min(),
        last_at=pl.col("occurred_at").max(),
    )
    before = state.pairs.join(now, on=_PAIR, how="semi")
    again = (
        pl.concat([before, now.join(before, on=_PAIR, how="semi")])
        .group_by(_PAIR)
        .agg(pl.col("n").sum(), pl.col("first_at").min(), pl.col("last_at").max())
    )
    return again, now.join(before, on=_PAIR, how="anti")


def payments_after(
    state: RingState, payments: pl.DataFrame, touched: pl.DataFrame, params: RingParams
) -> pl.DataFrame:
    """Return what is to be kept of all payments after later ones.

    Args:
        state: the state before.
        payments: `PAYMENT_SCHEMA`, the later ones.
        touched: `PAIR_SCHEMA`, their pairs after them.
        params: see `RingParams`.
    """
    kept = (
        pl.concat([state.payments.join(touched, on=_PAIR, how="semi"), payments])
        .join(touched, on=_PAIR)
        .filter(
            (pl.col("occurred_at") - pl.col("first_at") <= params.burst)
            | (pl.col("n") <= params.max_pair_transactions)
        )
        .select(*PAYMENT_SCHEMA)
    )
    return pl.concat([state.payments.join(touched, on=_PAIR, how="anti"), kept])


def days_after(state: RingState, payments: pl.DataFrame) -> pl.DataFrame:
    """Return the payers' days after later payments (`PAYMENT_SCHEMA`)."""
    new = (
        payments.group_by("payer", day=pl.col("occurred_at").dt.date())
        .agg(n=pl.len().cast(pl.UInt32))
        .sort("day", "payer")
    )
    return pl.concat([state.days, new])
