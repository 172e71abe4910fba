"""What rules would have found in the stored past, before one of them is switched on."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl
from pydantic import JsonValue

from fraud_assets import layers
from fraud_assets.comparison import judged_from
from fraud_assets.feeds import Feed
from fraud_assets.judged_scores import judged_scores
from fraud_assets.labels import FeedLabels
from fraud_assets.rule_rows import columns_read, screened
from fraud_assets.scoring import NO_MODEL
from fraud_assets.what_if import Span
from gpu_ops.model_files import ModelFileError
from gpu_ops.rule_columns import SCORE_COLUMNS, TRANSACTION_COLUMNS
from gpu_ops.rule_figures import HIT, RuleFigures, rule_figures
from gpu_ops.rules import Rule, RuleSet, applicable_rules
from resources.errors import LakeError
from resources.registry import ModelRegistry
from resources.versions import Manifest, Versions

LEFT_OUT: Final = (
    "their features lack what the rule reads, or their layers are not of their visible "
    "transactions; fraud-assets run --backfill makes them anew"
)
"""Why uploads are left out, and what to do."""

_KEPT = ("transaction_id", "occurred_at", "amount", "is_fraud", "in_sample", "decision")
_SCORED = ("in_sample", "decision", "model_version")
_NEVER = datetime.max.replace(tzinfo=UTC)
_TIME = pl.Datetime("us", "UTC")
_NOT_RECOMMENDED = "none"
_LEARNED = frozenset({"anomaly_score", "fraud_probability", "expected_loss"})


class RuleBacktestError(LakeError):
    """There are no rows to look at."""


@dataclass(frozen=True)
class RuleBacktest:
    """What one rule would have found.

    Attributes:
        feed: In whose transactions.
        rule: The rule.
        first: Earliest transaction.
        last: Latest.
        figures: What it found.
        left_out: Uploads whose layers were not made of each other, or whose features lack what is
            tried; a run with --backfill mends that.
    """

    feed: str
    rule: Rule
    first: datetime
    last: datetime
    figures: RuleFigures
    left_out: int

    @property
    def reads_scores(self) -> bool:
        """Whether the rule reads what a model said, which flatters it where that had learned."""
        return bool(self.rule.columns & _LEARNED)

    def to_json(self) -> dict[str, JsonValue]:
        """The same as JSON."""
        figures = asdict(self.figures)
        figures["by_day"] = [{**one, "day": str(one["day"])} for one in figures["by_day"]]
        figures["overlaps"] = list(figures["overlaps"])
        return {
            "feed": self.feed,
            "rule": self.rule.code,
            "when": self.rule.formula,
            "digest": self.rule.digest,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "left_out_uploads": self.left_out,
            "reads_scores": self.reads_scores,
            **figures,
        }


def backtest_rules(
    versions: Versions,
    feed: Feed,
    tried: Sequence[Rule],
    present: RuleSet,
    span: Span,
    now: datetime,
) -> list[RuleBacktest]:
    """What rules would have found in the rows that are stored.

    Features and scores are those of the time, so a rule sees what it would have seen; labels are
    those known by now. A transaction in two uploads counts once.

    Args:
        versions: The lake.
        feed: In whose transactions.
        tried: The rules.
        present: The rules that are active, which the tried ones are set beside.
        span: Which transactions.
        now: Labels that become known later do not exist yet.

    Raises:
        RuleBacktestError: No row is stored in this span.
    """
    beside = {rule.code: rule for rule in (*present.active, *tried)}
    needed = columns_read(tried) - {*TRANSACTION_COLUMNS, *SCORE_COLUMNS, "occurred_at"}
    table, left_out = _table(versions, feed, list(beside.values()), needed, span, now)
    first, last = table["occurred_at"].min(), table["occurred_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise RuleBacktestError(
            f"no transaction of {feed.name} is scored in this span; land files and run first: "
            "fraud-assets run"
            + (f" ({left_out:,} uploads are left out: {LEFT_OUT})" if left_out else "")
        )
    others = [rule.code for rule in present.active]
    return [
        RuleBacktest(feed.name, rule, first, last, rule_figures(table, rule.code, others), left_out)
        for rule in tried
    ]


def _table(
    versions: Versions,
    feed: Feed,
    rules: Sequence[Rule],
    needed: Collection[str],
    span: Span,
    now: datetime,
) -> tuple[pl.DataFrame, int]:
    """What `rule_figures` asks for, and how many uploads are not in it.

    Args:
        versions: The lake.
        feed: In whose transactions.
        rules: What is tried and what it stands beside; of the latter, those that read a feature
            that no upload has hit nothing, as when the uploads were scored.
        needed: Features without which an upload cannot answer.
        span: Which transactions.
        now: Labels that become known later do not exist yet.
    """
    scored = layers.visible(versions, "augmented_transactions", feed.name)
    filled = {key: one for key, one in scored.items() if one.rows}
    linked = {
        key: found
        for key, one in sorted(filled.items())
        if (found := _made_of(versions, key, one)) and set(found[1].columns) >= set(needed)
    }
    mine = {key: filled[key] for key in linked}
    labels = FeedLabels.of(versions, feed)
    judged = judged_scores(versions, labels, mine, _SCORED, now)
    if judged is None:
        return pl.DataFrame(schema={"occurred_at": pl.Datetime("us", "UTC")}), len(filled)
    sent = versions.scan_all([raw for raw, _ in linked.values()])
    features = versions.scan_all([prepped for _, prepped in linked.values()])
    known = {name for _, prepped in linked.values() for name in prepped.columns}
    able = applicable_rules({*known, *TRANSACTION_COLUMNS, *SCORE_COLUMNS, "occurred_at"}, rules)
    read = (columns_read(able) | {"amount"}) - {"occurred_at"}
    table = screened(sent, features, versions.scan_all(list(mine.values())), read)
    at = pl.col("occurred_at")
    learned = _learned_until(versions, feed.name, mine.values())
    knows_later = at < pl.col("model_version").replace_strict(
        list(learned), list(learned.values()), default=None, return_dtype=_TIME
    )
    hits = [
        (rule.condition.fill_null(value=False) if rule in able else pl.lit(value=False)).alias(
            f"{HIT}{rule.code}"
        )
        for rule in rules
    ]
    rows = (
        pl.concat([judged, table], how="horizontal", strict=True)
        .filter(
            *([] if span.start is None else [at >= span.start]),
            *([] if span.end is None else [at < span.end]),
        )
        .with_columns(pl.col("in_sample") | knows_later.fill_null(value=False))
        .select(*_KEPT, *hits)
        .collect(engine="streaming")
        .unique("transaction_id", keep="first", maintain_order=True)
    )
    recommended = pl.col("decision").fill_null(_NOT_RECOMMENDED) != _NOT_RECOMMENDED
    return (
        rows.with_columns(
            alerted=pl.col("transaction_id").is_in(_alerted(versions, feed.name).implode()),
            recommended=recommended,
        ),
        len(filled) - len(mine),
    )


def _made_of(versions: Versions, key: str, scored: Manifest) -> tuple[Manifest, Manifest] | None:
    """The visible transactions and features of an upload, if they are those that were scored."""
    feed = layers.feed_of(scored)
    found = []
    for asset in ("raw_transactions", "prepped_transactions"):
        one = versions.latest(layers.upload_slot(asset, feed, key))
        if one is None or scored.inputs.get(one.slot) != one.content_id:
            return None
        found.append(one)
    raw, prepped = found
    return raw, prepped


def _learned_until(
    versions: Versions, feed: str, scored: Iterable[Manifest]
) -> dict[str, datetime]:
    """Model to the moment from which on rows are later than all that it was made of.

    A champion scores old uploads too, once it is approved: rows before its windows and between
    them are none that it was fitted on, but it has seen what came after them. Nobody can tell of a
    model that cannot be read.
    """
    found = {}
    for name in {one.inputs.get("model", NO_MODEL) for one in scored} - {NO_MODEL}:
        try:
            number = int(name.rpartition("/")[2])
            found[name] = judged_from(ModelRegistry(versions).get(feed, number).split)
        except (LakeError, ModelFileError):
            found[name] = _NEVER
    return found


def _alerted(versions: Versions, feed: str) -> pl.Series:
    """Ids of the transactions that a published alert of the feed holds."""
    published = versions.latest(layers.snapshot_slot("published_alerts"))
    if published is None:
        return pl.Series(dtype=pl.String)
    alerts = versions.scan(published).filter(feed=feed)
    own = alerts.filter(alert_type="transaction").select("subject_id")
    lists = [
        alerts.select(pl.col(name).list.explode(empty_as_null=False).alias("subject_id"))
        for name in ("related_transaction_ids", "transaction_ids")
    ]
    return pl.concat([own, *lists]).drop_nulls().unique().collect().to_series()
