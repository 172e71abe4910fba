"""What became of every upload, as the lake tells it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from fraud_assets import layers
from fraud_assets.feed_catalogue import feed_catalogue
from fraud_assets.feeds import Feed
from fraud_assets.labels import FeedLabels
from fraud_assets.prepped import RawVersions, labels_read
from fraud_assets.uploads import Upload, Uploads
from gpu_ops.feature_model import Catalogue
from gpu_ops.features import CATALOGUE
from resources.registry import ModelRegistry
from resources.versions import Manifest, Slot, Surveyed, Versions

Survey = Mapping[str, Mapping[Slot, Surveyed]]
State = Literal["accepted", "refused", "failed", "waiting"]

CHAIN: Final = ("raw_transactions", "prepped_transactions", "augmented_transactions")
_COUNTS: Final = ("received", "accepted", "duplicate", "quarantined")


@dataclass(frozen=True)
class UploadState:
    """One upload and how far it came.

    Attributes:
        upload: The registered file.
        state: `accepted` when all three layers are visible, `refused` when the file as a whole
            was, else `waiting`.
        reason: Why it was refused, or what is wrong with its versions.
        counts: received, accepted, duplicate and quarantined rows; zeros before raw is visible.
        damaged: Problems of its visible versions, by asset; a run repairs them.
        is_stale: Whether its features miss rows that landed later and lie in their look-back, or
            its rows were read by another definition of the feed, or its features are of another
            catalogue than this version's, or it misses labels.
        misses_labels: Whether its features miss labels, or changes of them, that were known by
            then but came later; a run makes up for it.
        model: The model that scored it; none without one.
        rules: What names the analysts' rules that screened it; empty without any.
    """

    upload: Upload
    state: State
    reason: str
    counts: dict[str, int]
    damaged: dict[str, str]
    is_stale: bool
    misses_labels: bool
    model: str | None
    rules: str

    @property
    def is_due(self) -> bool:
        """Whether a run has something to do for it."""
        return self.state == "waiting" or bool(self.damaged)


def upload_states(
    versions: Versions, uploads: Uploads, feeds: dict[str, Feed]
) -> list[UploadState]:
    """The state of every registered upload, in landing order.

    Three listings and one small read a version, side by side: a lake of years answers in seconds.
    """
    refusals = uploads.refusals()
    found = {asset: versions.survey(folder) for asset, folder in layers.UPLOAD_LAYERS.items()}
    raw = {name: _intact_raw(found["raw_transactions"], feed) for name, feed in feeds.items()}
    labels = _intact_labels(versions, feeds)
    states = []
    for upload in uploads.all():
        refusal = refusals.get(upload.key)
        feed = feeds.get(upload.feed)
        if refusal is not None and (feed is None or refusal.feed_digest == feed.digest):
            states.append(_refused(_state(found, upload), refusal.reason))
        else:
            of_feed = raw.get(upload.feed), labels.get(upload.feed)
            one = _state(found, upload, *of_feed, feed_catalogue(feed))
            is_outdated = feed is not None and _was_read_otherwise(found, upload, feed)
            states.append(replace(one, is_stale=one.is_stale or is_outdated))
    return states


def _intact_labels(versions: Versions, feeds: Mapping[str, Feed]) -> dict[str, FeedLabels]:
    """The late labels of the feeds; a feed of whose files one is damaged is left out."""
    found = {name: FeedLabels.intact(versions, feed) for name, feed in feeds.items()}
    return {name: labels for name, (labels, is_whole) in found.items() if is_whole}


def _was_read_otherwise(found: Survey, upload: Upload, feed: Feed) -> bool:
    """Whether an upload's visible rows were mapped by another definition of its feed."""
    slot = layers.upload_slot("raw_transactions", upload.feed, upload.key)
    one = found["raw_transactions"].get(slot)
    if one is None or one.manifest is None:
        return False
    return one.manifest.inputs.get("feed") != feed.digest


def is_processed(versions: Versions, upload: Upload) -> bool:
    """Whether all three layers of one upload are visible, intact and made of each other."""
    found = {
        asset: versions.survey(layers.upload_slot(asset, upload.feed, upload.key).prefix)
        for asset in CHAIN
    }
    one = _state(found, upload)
    return one.state == "accepted" and not one.damaged


def _refused(one: UploadState, reason: str) -> UploadState:
    """A refused upload; what was accepted of it under an earlier definition is still served."""
    if one.state == "accepted":
        reason = f"{reason} (the version that was accepted before stays visible)"
    return replace(one, state="refused", reason=reason, is_stale=False, misses_labels=False)


def _state(
    found: Survey,
    upload: Upload,
    raw_of_feed: RawVersions | None = None,
    labels: FeedLabels | None = None,
    catalogue: Catalogue = CATALOGUE,
) -> UploadState:
    manifests: dict[str, Manifest] = {}
    damaged: dict[str, str] = {}
    for asset in CHAIN:
        one = found[asset].get(layers.upload_slot(asset, upload.feed, upload.key))
        if one is None:
            continue
        if one.problem:
            damaged[asset] = one.problem
        elif one.manifest is not None:
            manifests[asset] = one.manifest
    is_whole = len(manifests) == len(CHAIN) and _is_linked(manifests)
    raw = manifests.get("raw_transactions")
    scored = manifests.get("augmented_transactions")
    seen = {} if labels is None or raw is None else labels_read(labels, raw, catalogue)
    misses_labels = is_whole and labels is not None and _labels_of(manifests) != _files_of(seen)
    return UploadState(
        upload=upload,
        state="accepted" if is_whole else "waiting",
        reason="; ".join(damaged.values()),
        counts={name: _count(raw, name) for name in _COUNTS},
        damaged=damaged,
        is_stale=misses_labels or (is_whole and _is_stale(raw_of_feed, upload, manifests, seen)),
        misses_labels=misses_labels,
        model=None if scored is None else scored.inputs.get("model"),
        rules="" if scored is None else scored.inputs.get("rules", ""),
    )


def _is_linked(manifests: dict[str, Manifest]) -> bool:
    """Whether each layer was made of the visible version of the one before."""
    raw, prepped, scored = (manifests[asset] for asset in CHAIN)
    return (
        prepped.inputs.get(raw.slot) == raw.content_id
        and scored.inputs.get(prepped.slot) == prepped.content_id
    )


def _is_stale(
    raw_of_feed: RawVersions | None,
    upload: Upload,
    manifests: dict[str, Manifest],
    labels: Mapping[str, str],
) -> bool:
    if raw_of_feed is None:
        return False
    made_of = manifests["prepped_transactions"].inputs
    return made_of != raw_of_feed.inputs_of(upload.key, labels)


def _labels_of(manifests: dict[str, Manifest]) -> dict[str, str]:
    """The late labels that an upload's features name among what they were made of."""
    return _files_of(manifests["prepped_transactions"].inputs)


def _files_of(inputs: Mapping[str, str]) -> dict[str, str]:
    """Inputs that are files of labels; another maturity of the feed is a change of the feed."""
    return {name: one for name, one in inputs.items() if name.startswith(f"{layers.LABELS}/")}


def _intact_raw(raw: Mapping[Slot, Surveyed], feed: Feed) -> RawVersions | None:
    """A feed's visible raw versions; None where one is damaged, since nobody knows its rows."""
    mine = {
        slot.upload_key: one
        for slot, one in raw.items()
        if slot.upload_key is not None and slot.prefix.startswith(f"raw/feed={feed.name}/")
    }
    if any(one.problem for one in mine.values()):
        return None
    visible = {key: one.manifest for key, one in mine.items() if one.manifest is not None}
    return RawVersions(visible, feed_catalogue(feed))


def _count(raw: Manifest | None, name: str) -> int:
    value = 0 if raw is None else raw.extra.get(name, 0)
    return value if isinstance(value, int) else 0


def broken_snapshots(versions: Versions) -> dict[str, str]:
    """Unpartitioned assets whose visible version is damaged, and how."""
    found = {}
    for asset, folder in layers.SNAPSHOTS.items():
        problems = versions.problems(Slot.snapshot(folder))
        if problems:
            found[asset] = problems[0]
    return found


def broken_models(versions: Versions, feeds: Iterable[str]) -> dict[str, str]:
    """Feeds whose champion, log of verdicts or first forest is damaged, and how."""
    registry = ModelRegistry(versions)
    found = {}
    for feed in feeds:
        problem = registry.damage(feed)
        if problem is not None:
            found[feed] = problem
    return found


def broken_forests(versions: Versions, feeds: Iterable[str]) -> list[str]:
    """Feeds that are scored by their first forest alone, where that is damaged."""
    registry = ModelRegistry(versions)
    found = []
    for feed in feeds:
        problems = versions.problems(registry.forest_slot(feed))
        if problems and registry.damage(feed) == problems[0]:
            found.append(feed)
    return found


def damage_lines(versions: Versions, uploads: Uploads, feeds: Iterable[str]) -> list[str]:
    """A line for all that is damaged and belongs to no single upload's layers."""
    return [
        *uploads.damage(),
        *broken_snapshots(versions).values(),
        *broken_models(versions, feeds).values(),
    ]
