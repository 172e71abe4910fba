"""Champion against challenger on the rows that both have scored, once labels are known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.comparison import judged_from
from fraud_assets.feeds import load_feeds
from fraud_assets.judged_scores import judged_scores
from fraud_assets.labels import FeedLabels
from fraud_assets.scoring import NO_MODEL
from gpu_ops.paired_bootstrap import Difference, Draws, average_precision_difference
from gpu_ops.reference_model import RANDOM_ORDER
from resources.manifests import Manifest
from resources.registry import ModelRegistry
from resources.settings import Settings
from resources.versions import Versions

_COLUMNS: Final = ("payer", "fraud_probability", "challenger_probability")


@dataclass(frozen=True)
class Shadow:
    """What the challenger would have been worth so far.

    Attributes:
        champion: The model whose scores counted, or a random order where there was none.
        challenger: The model that scored in shadow.
        rows: Rows with a known label that both scored and neither was made of.
        positives: Frauds among them.
        difference: Average precision of the challenger less that of the champion.
    """

    champion: str
    challenger: str
    rows: int
    positives: int
    difference: Difference

    def line(self) -> str:
        """The same in a sentence."""
        found = self.difference
        text = (
            f"{self.challenger} in shadow beside {self.champion}: {self.rows:,} rows with labels, "
            f"{self.positives:,} frauds"
        )
        if found.value is None or found.bounds is None or found.reference is None:
            return f"{text}; too few to compare"
        return (
            f"{text}; average precision {found.reference + found.value:.4f} against "
            f"{found.reference:.4f}, difference {found.value:+.4f} "
            f"({found.bounds.lower:+.4f}..{found.bounds.upper:+.4f})"
        )


def shadow_of(versions: Versions, feed: str, settings: Settings, now: datetime) -> Shadow | None:
    """Compares the pair of models that scored last, on all rows that this pair scored.

    Args:
        versions: The lake.
        feed: Whose rows.
        settings: Resamples and seed.
        now: Labels that become known later do not exist yet.

    Returns:
        None where no challenger has scored yet.
    """
    scored = layers.visible(versions, "augmented_transactions", feed)
    shadowed = [one for one in scored.values() if _pair(one)[1] != NO_MODEL and one.rows]
    if not shadowed:
        return None
    champion, challenger = _pair(max(shadowed, key=lambda one: (one.published_at, one.slot)))
    mine = {key: one for key, one in scored.items() if _pair(one) == (champion, challenger)}
    judged = judged_scores(versions, _labels(versions, feed, settings), mine, _COLUMNS, now)
    if judged is None:
        return None
    registry = ModelRegistry(versions)
    names = [name for name in (champion, challenger) if name != NO_MODEL]
    models = [registry.get(feed, int(name.rsplit("/", 1)[1])) for name in names]
    rows = (
        judged.filter(
            pl.col("is_fraud").is_not_null(),
            pl.col("challenger_probability").is_not_null(),
            pl.col("occurred_at") >= max(judged_from(model.split) for model in models),
        )
        .select("transaction_id", "is_fraud", *_COLUMNS)
        .collect()
        # What two uploads hold counts once.
        .unique("transaction_id", keep="first", maintain_order=True)
    )
    labels = rows["is_fraud"].to_numpy()
    return Shadow(
        champion=RANDOM_ORDER if champion == NO_MODEL else champion,
        challenger=challenger,
        rows=rows.height,
        positives=int(labels.sum()),
        difference=average_precision_difference(
            rows["challenger_probability"].to_numpy(),
            None if champion == NO_MODEL else rows["fraud_probability"].to_numpy(),
            labels,
            rows["payer"],
            Draws(settings.gate_resamples, settings.seed),
        ),
    )


def _labels(versions: Versions, feed: str, settings: Settings) -> FeedLabels:
    found = load_feeds(settings.feeds_dir)
    if feed in found:
        return FeedLabels.of(versions, found[feed])
    # Its definition was taken away; what it has can still be shown.
    return FeedLabels(layers.visible_labels(versions, feed))


def _pair(scored: Manifest) -> tuple[str, str]:
    """The champion and the challenger that scored an upload."""
    return scored.inputs.get("model", NO_MODEL), scored.inputs.get("challenger", NO_MODEL)
