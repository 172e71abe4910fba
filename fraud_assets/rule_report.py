"""A rule's backtest for a terminal."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from fraud_assets.rule_backtest import LEFT_OUT, RuleBacktest
from fraud_assets.text_layout import paragraph, printable, table
from gpu_ops.rule_figures import Day, RuleFigures

_MOST_DAYS: Final = 31
_INDENT: Final = "  "


def backtest_lines(found: RuleBacktest) -> Iterator[str]:
    """What a rule would have found, in words and tables."""
    told = found.figures
    yield ""
    yield (
        f"{found.rule.code} in {found.feed}, {found.first:%Y-%m-%d} to {found.last:%Y-%m-%d}: "
        f"{told.rows:,} transactions on {told.days:,} days"
    )
    for line in found.rule.formula.strip().splitlines():
        yield f"{_INDENT}{printable(line.expandtabs())}"
    for sentence in (_hits(told), _precision(told), _recall(told), _news(told), *_caveats(found)):
        yield from paragraph(_INDENT, sentence, _INDENT, lines=None)
    if not told.hits:
        return
    rows = [
        [one.code, f"{one.hits:,}", f"{one.both:,}", _percent(one.share)]
        for one in told.overlaps
        if one.both
    ]
    header = ["rule", "its hits", "both hit", "of these hits"]
    yield from table("Other rules that hit the same transactions", header, rows, numbers=3)
    days, unit = _grouped(told.by_day)
    yield from table(
        f"Hits a {unit}",
        [unit, "hits", "known frauds"],
        [[str(one.day), f"{one.hits:,}", f"{one.frauds:,}"] for one in days],
        numbers=2,
    )


def _hits(told: RuleFigures) -> str:
    if not told.hits:
        return "It hits nothing."
    return (
        f"It hits {told.hits:,} of them, {told.hits_a_day:,.1f} a day and {told.most_a_day:,} on "
        f"the fullest day; together {told.amount_hit:,.2f}."
    )


def _precision(told: RuleFigures) -> str:
    if told.precision is None:
        return "No hit has a known label, so nothing tells how often it is right."
    lift = "" if told.lift is None else f", {told.lift:,.1f} times the share in all"
    return (
        f"Precision {_percent(told.precision)} ({_percent(told.precision_lower)} to "
        f"{_percent(told.precision_upper)}): {told.fraud_hits:,} frauds in {told.labelled_hits:,} "
        f"hits with a known label{lift}."
    )


def _recall(told: RuleFigures) -> str:
    if told.recall is None:
        return "No fraud is known in these days, so nothing tells how much it finds."
    return (
        f"Recall {_percent(told.recall)}: {told.fraud_hits:,} of {told.frauds:,} known frauds, "
        f"{told.amount_caught:,.2f} of {told.fraud_amount:,.2f} ({_percent(told.amount_recall)})."
    )


def _news(told: RuleFigures) -> str:
    return (
        f"Published alerts hold {told.alerted_hits:,} of the hits. Nothing else found "
        f"{told.alone:,} ({_percent(told.alone_share)}): no alert, no other rule, no model; "
        f"{told.alone_frauds:,} frauds in {told.alone_labelled:,} of them with a known label."
    )


def _caveats(found: RuleBacktest) -> Iterator[str]:
    told = found.figures
    unknown = told.rows - told.labelled
    if unknown:
        yield (
            f"Not known yet: the labels of {told.unlabelled_hits:,} hits and of {unknown:,} "
            "transactions in all; they are in no share above."
        )
    if found.reads_scores and told.in_sample_hits:
        yield (
            f"The rule reads scores, and {told.in_sample_hits:,} hits are transactions that these "
            "scores were learned from, or that lie before some of those: it will do worse than it "
            "looks."
        )
    outside = _times_outside(found)
    if outside:
        yield (
            f"The rule looks at no transaction {outside}, as its file says; a copy without these "
            "times tells what it finds there."
        )
    if found.left_out:
        yield f"{found.left_out:,} uploads are left out: {LEFT_OUT}."


def _times_outside(found: RuleBacktest) -> str:
    """Which of the transactions looked at are outside of the times of the rule."""
    start, end = found.rule.valid_from, found.rule.valid_until
    told = []
    if start is not None and found.first < start:
        told.append(f"before {start:%Y-%m-%d %H:%M} UTC")
    if end is not None and found.last >= end:
        told.append(f"from {end:%Y-%m-%d %H:%M} UTC on")
    return " and none ".join(told)


def _grouped(days: Sequence[Day]) -> tuple[Sequence[Day], str]:
    """The days, or the weeks from Monday where the days are many."""
    if len(days) <= _MOST_DAYS:
        return days, "day"
    weeks: dict[object, Day] = {}
    for one in days:
        monday = one.day - timedelta(days=one.day.weekday())
        known = weeks.get(monday, Day(monday, 0, 0))
        weeks[monday] = Day(monday, known.hits + one.hits, known.frauds + one.frauds)
    return list(weeks.values()), "week"


def _percent(share: float | None) -> str:
    return "no share" if share is None else f"{share:.1%}"
