"""Source rows to canonical transactions: every value typed, every row that does not fit named."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import FAULT_SCHEMA, no_faults
from fraud_assets.feeds.identity import content_hash
from fraud_assets.feeds.judged import Judged, Rule, blank, judge, value
from fraud_assets.feeds.model import Feed, Source, TimeStep
from fraud_assets.feeds.reading import SOURCE_ROW, held
from fraud_assets.feeds.times import read_times, step_times
from fraud_assets.feeds.values import to_label, to_number, to_text
from gpu_ops.canonical import CANONICAL_SCHEMA, KINDS, UTC_MICROSECONDS

_LONGEST_ID: Final = 256
_CURRENCY: Final = r"^[A-Z]{3}$"


def map_rows(
    rows: pl.DataFrame, feed: Feed, *, latest: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Good rows as canonical columns with `source_row`, and the faults of the others.

    A row at fault has one entry, for the first of its columns, in canonical order, that is wrong.
    Without an id column, `transaction_id` is the content hash, still without its ordinal.

    Args:
        rows: Rows of a batch of the reader.
        feed: The mapping.
        latest: Later times are faults.

    Returns:
        The canonical table with `source_row`, and faults of schema `FAULT_SCHEMA`.

    Raises:
        RefusedError: A column is of a type that can hold no such value.
    """
    mapper = _Mapper(rows, feed)
    occurred_at = mapper.occurred_at(latest)
    is_fraud = mapper.is_fraud()
    columns = {
        "transaction_id": mapper.transaction_id(),
        "occurred_at": occurred_at,
        "kind": mapper.kind(),
        "amount": mapper.amount(),
        "currency": mapper.currency(),
        "payer_id": mapper.account("payer_id"),
        "payee_id": mapper.account("payee_id"),
        "payer_balance_before": mapper.balance("payer_balance_before"),
        "payee_balance_before": mapper.balance("payee_balance_before"),
        "is_fraud": is_fraud,
        "label_known_at": mapper.label_known_at(occurred_at.values, is_fraud.values),
    }
    table = pl.DataFrame(
        {name: columns[name].values.cast(dtype) for name, dtype in CANONICAL_SCHEMA.items()}
    ).with_columns(rows[SOURCE_ROW])
    found = [judged.faults for judged in columns.values() if judged.faults is not None]
    faults = no_faults()
    if any(fault.height for fault in found):
        first = pl.concat(found).unique("at", keep="first", maintain_order=True).sort("at")
        faults = first.select(
            rows[SOURCE_ROW].gather(first["at"]).alias("row"), "column", "reason", "value_masked"
        ).cast(pl.Schema(FAULT_SCHEMA))
        table = table.filter(~pl.int_range(pl.len()).is_in(first["at"].implode()))
    if feed.columns.transaction_id is None:
        table = table.with_columns(content_hash(table))
    return table, faults


class _Mapper:
    """Judges the canonical columns of one batch, each by the rules of the feed."""

    def __init__(self, rows: pl.DataFrame, feed: Feed) -> None:
        self._rows = rows
        self._feed = feed

    def transaction_id(self) -> Judged:
        if self._feed.columns.transaction_id is None:
            return Judged(self._nothing(pl.String()))
        return self._id("transaction_id", self._feed.columns.transaction_id)

    def occurred_at(self, latest: datetime) -> Judged:
        rule, earliest = self._feed.time, self._feed.earliest
        if isinstance(rule, TimeStep):
            names: tuple[str, ...] = (rule.step,)
            raw = self._raw(rule.step)
            times = step_times(raw, rule)
            unreadable = f"not a whole number of {rule.unit}s"
        else:
            names = rule.column
            raw = self._joined(names)
            times = read_times(raw, rule.format, rule.timezone)
            unreadable = f"not a time of the format {', '.join(rule.format)}"
        rules: list[Rule] = [
            (blank, "the time is missing"),
            (value < earliest, f"the time is before {earliest:%Y-%m-%d}"),
            (value > latest, f"the time is in the future (after {latest:%Y-%m-%d %H:%M} UTC)"),
        ]
        good = (times >= earliest) & (times <= latest)
        return judge(times, good, raw, rules, otherwise=unreadable, column=" ".join(names))

    def kind(self) -> Judged:
        source = self._feed.columns.kind
        if source.column is None:
            return self._constant(source)
        meaning = self._feed.kinds or {kind: kind for kind in KINDS}
        raw = self._raw(source.column)
        kinds = to_text(raw).replace_strict(
            list(meaning), list(meaning.values()), default=None, return_dtype=pl.String
        )
        return judge(
            kinds,
            kinds.is_not_null(),
            raw,
            [(blank, "the kind is missing")],
            otherwise="a kind that is not among the `kinds` of the feed",
            column=source.column,
        )

    def amount(self) -> Judged:
        feed = self._feed
        raw = self._raw(feed.columns.amount)
        amounts = to_number(raw, decimal_comma=feed.decimal_comma) / feed.amount_divisor
        good = amounts.is_finite() & (amounts <= feed.max_amount)
        good &= amounts >= 0 if feed.allow_zero_amount else amounts > 0
        rules: list[Rule] = [
            (blank & ~value.is_nan().fill_null(value=False), "the amount is missing"),
            (value.is_nan(), "the amount is NaN"),
            (value.is_infinite(), "the amount is infinite"),
            (value < 0, "the amount is negative"),
            (value == 0, "the amount is zero (allow_zero_amount is false)"),
            (value > feed.max_amount, f"the amount is above max_amount ({feed.max_amount:,.0f})"),
        ]
        return judge(
            # Adding 0 makes -0.0 a plain zero.
            amounts + 0.0,
            good,
            raw,
            rules,
            otherwise="the amount is not a number",
            column=feed.columns.amount,
        )

    def currency(self) -> Judged:
        source = self._feed.columns.currency
        if source.column is None:
            return self._constant(source)
        raw = self._raw(source.column)
        codes = to_text(raw)
        return judge(
            codes,
            codes.str.contains(_CURRENCY),
            raw,
            [(blank, "the currency is missing")],
            otherwise="not a currency code of three capital letters",
            column=source.column,
        )

    def account(self, name: str) -> Judged:
        source: Source = getattr(self._feed.columns, name)
        return self._constant(source) if source.column is None else self._id(name, source.column)

    def balance(self, name: str) -> Judged:
        column: str | None = getattr(self._feed.columns, name)
        if column is None or held(column) not in self._rows.columns:
            return Judged(self._nothing(pl.Float64()))
        raw = self._raw(column)
        balances = to_number(raw, decimal_comma=self._feed.decimal_comma)
        if raw.dtype.is_float():
            # Tables write a gap in a number column as NaN.
            balances = balances.fill_nan(None)
        return judge(
            balances,
            balances.is_finite(),
            raw,
            [(blank, None), (value.is_not_null(), "the balance is NaN or infinite")],
            otherwise="the balance is not a number",
            column=column,
        )

    def is_fraud(self) -> Judged:
        column = self._feed.columns.is_fraud
        if column is None or held(column) not in self._rows.columns:
            return Judged(self._nothing(pl.Boolean()))
        raw = self._raw(column)
        labels = to_label(to_text(raw), self._feed.labels.fraud, self._feed.labels.genuine)
        missing = None if self._feed.is_optional("is_fraud") else "the label is missing"
        return judge(
            labels,
            labels.is_not_null(),
            raw,
            [(blank, missing)],
            otherwise="a label that is in neither list of `labels` of the feed",
            column=column,
        )

    def label_known_at(self, occurred_at: pl.Series, is_fraud: pl.Series) -> Judged:
        delay = self._feed.label_delay
        default = self._nothing(UTC_MICROSECONDS) if delay is None else occurred_at + delay
        column = self._feed.columns.label_known_at
        if column is None or held(column) not in self._rows.columns:
            known = default if delay is not None else occurred_at
            return Judged(_where(is_fraud.is_not_null(), known))
        raw = self._raw(column)
        timezone = "UTC" if isinstance(self._feed.time, TimeStep) else self._feed.time.timezone
        written = read_times(raw, self._feed.labels.known_at_format, timezone)
        is_unlabelled = is_fraud.is_null()
        good = is_unlabelled | (written >= occurred_at)
        rules: list[Rule] = [
            (blank, None if delay is not None else "the time of the label is missing"),
            (value.is_not_null(), "the label is known before the transaction"),
        ]
        judged = judge(written, good, raw, rules, otherwise="not a time", column=column)
        known = written.zip_with(written.is_not_null(), default)
        return Judged(_where(~is_unlabelled, known), judged.faults)

    def _id(self, name: str, column: str) -> Judged:
        raw = self._raw(column)
        ids = to_text(raw)
        return judge(
            ids,
            ids.str.len_bytes() <= _LONGEST_ID,
            raw,
            [(value.is_null(), f"{name} is missing")],
            otherwise=f"{name} is longer than {_LONGEST_ID} bytes",
            column=column,
            is_account=True,
        )

    def _raw(self, column: str) -> pl.Series:
        raw = self._rows[held(column)].alias(column)
        if not self._feed.null_values:
            return raw
        is_null_word = to_text(raw).is_in(list(self._feed.null_values))
        return raw.set(is_null_word.fill_null(value=False), None)

    def _joined(self, names: Sequence[str]) -> pl.Series:
        if len(names) == 1:
            return self._raw(names[0])
        parts = pl.DataFrame([to_text(self._raw(name)) for name in names])
        return parts.select(pl.concat_str(pl.all(), separator=" ")).to_series()

    def _constant(self, source: Source) -> Judged:
        return Judged(pl.repeat(source.constant, self._rows.height, dtype=pl.String, eager=True))

    def _nothing(self, dtype: pl.DataType) -> pl.Series:
        return pl.repeat(None, self._rows.height, dtype=dtype, eager=True)


def _where(keep: pl.Series, times: pl.Series) -> pl.Series:
    return times.set(~keep, None)
