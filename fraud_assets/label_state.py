"""What became of every file of labels, as the lake tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fraud_assets import layers
from fraud_assets.feeds import Feed
from fraud_assets.label_intake import TRANSACTIONS, transactions_digest
from fraud_assets.upload_names import feed_of_labels
from fraud_assets.uploads import Upload, Uploads
from resources.versions import Manifest, Slot, Versions

LABEL_COUNTS: Final = ("received", "accepted", "duplicate", "quarantined", "waiting")


@dataclass(frozen=True)
class LabelState:
    """One file of labels and how far it came.

    Attributes:
        upload: The registered file.
        feed: Whose transactions it judges.
        state: `accepted`, `refused`, or `waiting` for a run.
        reason: Why it was refused, or what is wrong with its version.
        counts: Received, accepted, duplicate, quarantined and waiting labels; `waiting` are those
            accepted whose transaction has not landed. Zeros before they are read.
        looks_at: Digest of the transactions among which those judged are looked for.
        is_behind: Whether transactions that it judges, or may wait for, landed or changed since.
    """

    upload: Upload
    feed: str
    state: Literal["accepted", "refused", "waiting"]
    reason: str
    counts: dict[str, int]
    looks_at: str
    is_behind: bool

    @property
    def is_due(self) -> bool:
        """Whether a run has something to do for it."""
        return self.state == "waiting" or self.is_behind


def label_states(
    versions: Versions, uploads: Uploads, feeds: Mapping[str, Feed]
) -> list[LabelState]:
    """The state of every registered file of labels, in landing order."""
    registered = uploads.labels()
    if not registered:
        return []
    refusals = uploads.refusals()
    found = versions.survey(layers.LABELS)
    raw = {
        feed: layers.visible(versions, "raw_transactions", feed, skip=_damaged(versions, feed))
        for feed in {feed_of_labels(one.feed) or "" for one in registered}
    }
    states = []
    for upload in registered:
        name = feed_of_labels(upload.feed) or ""
        refusal, feed = refusals.get(upload.key), feeds.get(name)
        one = found.get(layers.label_slot(name, upload.key))
        manifest = None if one is None else one.manifest
        problem = "" if one is None else one.problem or ""
        is_refused = refusal is not None and (feed is None or refusal.feed_digest == feed.digest)
        is_read = manifest is not None and not problem
        states.append(
            LabelState(
                upload=upload,
                feed=name,
                state="refused" if is_refused else "accepted" if is_read else "waiting",
                reason=refusal.reason if is_refused and refusal is not None else problem,
                counts={count: _count(manifest, count) for count in LABEL_COUNTS},
                looks_at=transactions_digest(raw[name])[:16],
                is_behind=not is_refused and is_read and _is_behind(manifest, raw[name]),
            )
        )
    return states


def _damaged(versions: Versions, feed: str) -> set[Slot]:
    """Raw versions that nobody can read now; a run repairs them first."""
    found = versions.survey(f"{layers.UPLOAD_LAYERS['raw_transactions']}/feed={feed}")
    return {slot for slot, one in found.items() if one.problem}


def _is_behind(manifest: Manifest | None, raw: Mapping[str, Manifest]) -> bool:
    if manifest is None:
        return False
    present = {str(one.slot): one.content_id for one in raw.values()}
    if any(
        content != present.get(slot)
        for slot, content in manifest.inputs.items()
        if slot.startswith("raw/")
    ):
        return True
    looked_at = manifest.inputs.get(TRANSACTIONS)
    return looked_at is not None and looked_at != transactions_digest(raw)


def _count(manifest: Manifest | None, name: str) -> int:
    value = 0 if manifest is None else manifest.extra.get(name, 0)
    return value if isinstance(value, int) else 0
