"""What other levels would have led to, from the scores that are stored: nothing is scored again."""

from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl
from pydantic import JsonValue

from fraud_assets import layers
from fraud_assets.comparison import judged_from
from fraud_assets.feeds import Feed
from fraud_assets.judged_scores import judged_scores
from fraud_assets.labels import FeedLabels
from gpu_ops.thresholds import Levels
from gpu_ops.what_if import Conduct, Outcome, Released, outcome, released
from resources.errors import LakeError
from resources.registry import ModelRegistry, ModelVersion
from resources.settings import Settings
from resources.versions import Versions

_COLUMNS = ("amount", "fraud_probability", "decision", "in_sample")


class WhatIfError(LakeError):
    """The question has no answer: no levels, no scored rows with an outcome, or levels unfit."""


@dataclass(frozen=True)
class Span:
    """Which rows are looked at, by event time.

    Attributes:
        start: First moment; None: the first that the model may be judged by.
        end: Moment before which they happened; None: no end.
    """

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Change:
    """What is asked; None leaves what there is at present.

    Attributes:
        alert: Another alert level.
        block: Another block level.
        capacity: Other reviews a day.
    """

    alert: float | None = None
    block: float | None = None
    capacity: int | None = None

    def of(self, present: Conduct) -> Conduct | None:
        """The changed conduct; None where nothing changes.

        Raises:
            WhatIfError: The alert level lies above the block level.
        """
        if self == Change():
            return None
        try:
            levels = Levels(
                alert=present.levels.alert if self.alert is None else self.alert,
                block=present.levels.block if self.block is None else self.block,
            )
        except ValueError as error:
            raise WhatIfError(f"{error}; choose both with --alert and --block") from error
        capacity = present.capacity if self.capacity is None else self.capacity
        return Conduct(levels, capacity, present.costs, present.release_share, present.seed)


@dataclass(frozen=True)
class WhatIf:
    """The answer.

    Attributes:
        feed: Whose rows.
        model: The champion; only rows that it scored count.
        policy: Which of its levels are the present ones.
        first: Earliest row.
        last: Latest row.
        rows: Rows with a known label that the champion scored and was not made of.
        frauds: Frauds among them.
        unlabelled: Rows of the same span whose outcome is not known yet; they are left out.
        present: What the present levels would have led to.
        changed: What the changed ones would have; None where nothing was asked.
        released: What the rows that were released tell.
    """

    feed: str
    model: str
    policy: str
    first: datetime
    last: datetime
    rows: int
    frauds: int
    unlabelled: int
    present: Outcome
    changed: Outcome | None
    released: Released

    def to_json(self) -> dict[str, JsonValue]:
        """The same as JSON."""
        return {
            "feed": self.feed,
            "model": self.model,
            "policy": self.policy,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "rows": self.rows,
            "frauds": self.frauds,
            "unlabelled": self.unlabelled,
            "present": asdict(self.present),
            "changed": None if self.changed is None else asdict(self.changed),
            "released": self.released._asdict(),
        }


def what_if(
    versions: Versions, feed: Feed, settings: Settings, change: Change, span: Span, now: datetime
) -> WhatIf:
    """What other levels would have led to, beside the present ones.

    Rows count that the champion scored, after its training and validation windows and the label
    delay, whose label is known by now; a transaction in two uploads counts once.

    Args:
        versions: The lake.
        feed: Whose rows.
        settings: Costs, capacity, policy and seed of now.
        change: What is asked.
        span: Which rows.
        now: Labels that become known later do not exist yet.

    Raises:
        WhatIfError: There is no champion with levels, no such row, or the alert level would lie
            above the block level.
    """
    champion = ModelRegistry(versions).champion(feed.name)
    if champion is None:
        raise WhatIfError(f"no model of {feed.name} is approved, so there are no scores")
    thresholds = champion.card.thresholds
    if thresholds is None:
        raise WhatIfError(
            f"the model {champion.name} is of a version that chose no levels; train a new one: "
            "fraud-assets train"
        )
    present = Conduct(
        thresholds.of(settings.decide_by),
        settings.daily_capacity,
        settings.cost_matrix,
        settings.release_share,
        settings.seed,
    )
    changed = change.of(present)
    scored = _scored(versions, feed, champion, span, now)
    rows = scored.filter(pl.col("is_fraud").is_not_null())
    first, last = rows["occurred_at"].min(), rows["occurred_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise WhatIfError(
            f"of {scored.height:,} rows of {feed.name} that {champion.name} scored and was not "
            "made of, none in this span has a known label yet"
        )
    return WhatIf(
        feed=feed.name,
        model=champion.name,
        policy=settings.decide_by,
        first=first,
        last=last,
        rows=rows.height,
        frauds=int(rows["is_fraud"].sum()),
        unlabelled=scored.height - rows.height,
        present=outcome(rows, present),
        changed=None if changed is None else outcome(rows, changed),
        released=released(rows["decision"], rows["is_fraud"]),
    )


def _scored(
    versions: Versions, feed: Feed, champion: ModelVersion, span: Span, now: datetime
) -> pl.DataFrame:
    """What a model scored and was not made of, with the labels known by now."""
    visible = layers.visible(versions, "augmented_transactions", feed.name)
    mine = {key: one for key, one in visible.items() if one.inputs.get("model") == champion.name}
    judged = judged_scores(versions, FeedLabels.of(versions, feed), mine, _COLUMNS, now)
    if judged is None:
        raise WhatIfError(
            f"{champion.name} has scored no row yet; score the uploads first: fraud-assets run"
        )
    at = pl.col("occurred_at")
    start = max(filter(None, (span.start, judged_from(champion.split))))
    is_asked = (at >= start) if span.end is None else (at >= start) & (at < span.end)
    return (
        judged.filter(is_asked, ~pl.col("in_sample"))
        .collect()
        .unique("transaction_id", keep="first", maintain_order=True)
    )
