"""The rows that rules look at: features, scores, and the transaction as it was sent."""

from collections.abc import Collection, Iterable

import polars as pl

from gpu_ops.rule_columns import SCORE_COLUMNS, TRANSACTION_COLUMNS
from gpu_ops.rules import Rule, RuleSet, rule_hits, rule_reasons


def columns_read(rules: Iterable[Rule]) -> frozenset[str]:
    """All columns that some rules read."""
    return frozenset().union(*(rule.columns for rule in rules))


def hits_of(rows: pl.DataFrame, sent: pl.LazyFrame, rules: RuleSet) -> pl.Series:
    """`rule_hits` of rows in the order of the transactions.

    Args:
        rows: Features and scores.
        sent: The same transactions of the raw layer.
        rules: What screens them.
    """
    table = _with_sent(rows, sent, rules)
    return table.select(rule_hits(table.columns, rules.active)).to_series()


def reasons_of(
    rows: pl.DataFrame, sent: pl.LazyFrame, chosen: pl.Series, rules: RuleSet
) -> pl.Series:
    """`reasons` of chosen rows: the codes of the rules that hit.

    Args:
        rows: Features and scores of the chosen rows.
        sent: The transactions of the raw layer that the rows were chosen from.
        chosen: Their places there.
        rules: What screens them.
    """
    table = _with_sent(rows, sent, rules, chosen)
    return table.select(rule_reasons(table.columns, rules.active)).to_series()


def screened(
    sent: pl.LazyFrame, features: pl.LazyFrame, scored: pl.LazyFrame, columns: Collection[str]
) -> pl.LazyFrame:
    """The columns that rules read, of layers whose rows stand in the same order."""
    transactions = [name for name in TRANSACTION_COLUMNS if name in columns]
    scores = [name for name in SCORE_COLUMNS if name in columns]
    made = sorted(set(columns) - {*transactions, *scores, "occurred_at"})
    time = ["occurred_at"] if "occurred_at" in columns else []
    parts = (sent.select(*time, *transactions), features.select(made), scored.select(scores))
    kept = (
        frame
        for frame, names in zip(parts, (time + transactions, made, scores), strict=True)
        if names
    )
    return pl.concat(kept, how="horizontal", strict=True)


def hit_counts(table: pl.LazyFrame, rules: Iterable[Rule]) -> dict[str, int]:
    """How many rows each rule hits, by its code.

    Args:
        table: All columns that they read, as `screened` gives them.
        rules: The rules.
    """
    counted = table.select(rule.condition.sum().alias(rule.code) for rule in rules)
    return {
        code: int(hits)
        for code, hits in counted.collect(engine="streaming").row(0, named=True).items()
    }


def _with_sent(
    rows: pl.DataFrame, sent: pl.LazyFrame, rules: RuleSet, chosen: pl.Series | None = None
) -> pl.DataFrame:
    """The rows with what the rules read of the transactions; numbers as sent, not as features."""
    needed = sorted(columns_read(rules.own) & TRANSACTION_COLUMNS.keys())
    if not needed:
        return rows
    known = sent.select(needed).collect()
    return rows.with_columns((known if chosen is None else known[chosen]).get_columns())
