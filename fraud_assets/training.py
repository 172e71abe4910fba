"""Whether the labels of a feed allow a model at a moment, and on which windows."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import JsonValue

from fraud_assets import layers
from fraud_assets.feed_catalogue import catalogue_digest, feed_catalogue
from fraud_assets.feeds import Feed
from fraud_assets.labels import FeedLabels
from gpu_ops.label_maturity import label_maturity
from gpu_ops.splits import (
    DAY,
    SplitImpossibleError,
    TimeSplit,
    enough_labels,
    matured_by,
    rows_in,
    time_split,
    usable_labels,
)
from resources.settings import Settings
from resources.versions import Manifest, Versions

TRAINED_ON: Final = "trained_on"
"""In a model's manifest: the features and labels that it was trained on, as `trained_on`."""

NO_LABELS: Final = (
    "no label is known yet: none came with its transactions, and none apart from them. Land some "
    "with `fraud-assets land FILE --feed {feed} --labels`; scores rest on anomalies until then"
)

IDENTITY: Final = ("transaction_id", "occurred_at", "feed", "payer_id", "transaction_amount")
ROLES: Final = ("window", "is_fraud", "weight")


@dataclass(frozen=True)
class Source:
    """The raw and prepped versions of one upload, made of each other."""

    raw: Manifest
    prepped: Manifest


@dataclass(frozen=True)
class Trainable:
    """A feed whose labels allow a model.

    Attributes:
        feed: Whose.
        split: The windows.
        sources: What is read, oldest first.
        now: The moment of which this is true; labels known later are not looked at.
        known_test_labels: Rows of the test window whose label is known by then.
        labels: Those that came apart from the transactions.
    """

    feed: Feed
    split: TimeSplit
    sources: tuple[Source, ...]
    now: datetime
    known_test_labels: int
    labels: FeedLabels = field(default_factory=FeedLabels)


@dataclass(frozen=True)
class NotTrainable:
    """A feed without a model, and why."""

    feed: Feed
    reason: str


def assess(
    versions: Versions, feed: Feed, settings: Settings, now: datetime
) -> Trainable | NotTrainable:
    """Whether a feed's labels and time span allow training, and on which windows.

    Features of two catalogues do not mean the same, so they make no model together; those of an
    earlier catalogue alone would make one that fits nothing that is to come.

    Args:
        versions: The lake.
        feed: Whose labels.
        settings: Days looked back, and the least number of frauds.
        now: Labels that become known at this moment or later do not exist yet. The windows end
            where labels had the time to become known by now.
    """
    sources = _recent(_sources(versions, feed.name), settings.training_days)
    bounds = [
        (source.raw.event_from, source.raw.event_to)
        for source in sources
        if source.raw.event_from is not None and source.raw.event_to is not None
    ]
    if not bounds:
        return NotTrainable(feed, "no prepared transactions")
    expected = catalogue_digest(feed_catalogue(feed))
    older = sum(catalogue_of(source.prepped) != expected for source in sources)
    if older:
        return NotTrainable(
            feed,
            f"{older} of its {len(sources)} uploads have features of another catalogue than this "
            "version's; make them anew: fraud-assets run --backfill",
        )
    last = max(high for _, high in bounds)
    # One row with a date of long ago must not stretch the windows over decades.
    first = max(min(low for low, _ in bounds), last - timedelta(days=settings.training_days))
    labels = FeedLabels.of(versions, feed)
    rows = versions.scan_all([source.raw for source in sources])
    raw = labels.at(versions, rows, now)
    if not raw.select(usable_labels(now).is_not_null().any()).collect().item():
        return NotTrainable(feed, NO_LABELS.format(feed=feed.name))
    # Silence means legitimate only from the feed's own maturity on.
    declared = max(filter(None, (feed.label_delay, feed.label_maturity)), default=None)
    maturity = label_maturity(raw, declared, first=first, now=now)
    try:
        split = time_split(first, min(last, matured_by(now, maturity, first)), maturity)
    except SplitImpossibleError as error:
        return NotTrainable(feed, f"{error}; {_explained(maturity, declared)}")
    then = labels.at(versions, rows, split.test.start)
    reasons = enough_labels(then, split, settings.min_fraud_labels)
    if reasons:
        return NotTrainable(feed, "; ".join(reasons))
    known = rows_in(split.test) & usable_labels(now).is_not_null()
    known_labels = raw.select(known.sum()).collect().item()
    return Trainable(feed, split, tuple(sources), now, known_labels, labels)


def _explained(maturity: timedelta, declared: timedelta | None) -> str:
    declares = "none" if declared is None else f"{declared / DAY:g}"
    return (
        "a gap is the age at which 99 % of legitimate labels are known "
        f"({maturity / DAY:g} {'day' if maturity == DAY else 'days'}; "
        f"the feed declares {declares}), and younger transactions do "
        "not count"
    )


def trained_on(found: Trainable | NotTrainable) -> dict[str, str]:
    """What training would read now; nothing without enough labels.

    Returns:
        The slots of the features with their content, `catalogue/feed=<feed>` with the digest of
        their catalogue, and `labels/feed=<feed>` with the windows
        and the number of labels known in the test. The labels of the other windows are those
        known when the test starts, so they change only with what came apart from the
        transactions, which is named by a digest.
    """
    if isinstance(found, NotTrainable):
        return {}
    split = found.split
    ends = " ".join(
        moment.isoformat()
        for window in (split.train, split.validation, split.test)
        for moment in (window.start, window.end)
    )
    known = f"{ends} {found.known_test_labels} {found.labels.digest}".rstrip()
    return {source.prepped.slot: source.prepped.content_id for source in found.sources} | {
        _labels_of(found.feed.name): known,
        _catalogue_of_feed(found.feed.name): catalogue_of(found.sources[0].prepped),
    }


def trained_on_of(training: Manifest, feed: str) -> dict[str, JsonValue]:
    """What one feed's part of a training set was made of, as `trained_on` told it."""
    return {
        name: made_of
        for name, made_of in training.inputs.items()
        if name in {_labels_of(feed), _catalogue_of_feed(feed)}
        or name.startswith(f"prepped/feed={feed}/")
    }


def catalogue_of(prepped: Manifest) -> str:
    """The digest of the catalogue that features were made by; empty where it was not kept."""
    return prepped.inputs.get("catalogue", "")


def catalogue_trained_on(training: Manifest, feed: str) -> str:
    """The digest of the catalogue of one feed's part of a training set."""
    return training.inputs.get(_catalogue_of_feed(feed), "")


def _catalogue_of_feed(feed: str) -> str:
    return f"catalogue/feed={feed}"


def _labels_of(feed: str) -> str:
    return f"labels/feed={feed}"


def _recent(sources: list[Source], days: int) -> list[Source]:
    """The sources that reach into the last days of their feed, so that memory stays bounded."""
    latest = [one.raw.event_to for one in sources if one.raw.event_to is not None]
    if not latest:
        return sources
    start = max(latest) - timedelta(days=days)
    return [one for one in sources if one.raw.event_to is not None and one.raw.event_to >= start]


def _sources(versions: Versions, feed: str) -> list[Source]:
    """Uploads whose visible features were made of their visible raw rows, oldest first."""
    raw = layers.visible(versions, "raw_transactions", feed)
    prepped = layers.visible(versions, "prepped_transactions", feed)
    pairs = [
        Source(raw[key], prepped[key])
        for key in sorted(raw)
        if key in prepped and prepped[key].inputs.get(raw[key].slot) == raw[key].content_id
    ]
    return sorted(pairs, key=lambda pair: pair.raw.event_from or datetime.max.replace(tzinfo=UTC))
