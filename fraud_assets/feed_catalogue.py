"""The catalogue of features as a feed has it: with its own look-back and kinds of parties."""

import hashlib

from fraud_assets.feeds import Feed
from gpu_ops.feature_model import Catalogue
from gpu_ops.features import CATALOGUE


def feed_catalogue(feed: Feed | None) -> Catalogue:
    """The features of a feed, always the same columns.

    Args:
        feed: None where its definition is not here: then as most feeds have them.
    """
    if feed is None:
        return CATALOGUE
    same = feed.entities.payer == feed.entities.payee
    return CATALOGUE.with_lookback(feed.lookback).with_same_entities(same=same)


def catalogue_digest(catalogue: Catalogue) -> str:
    """16 hex digits that change when a feature is added, dropped or defined otherwise.

    Features that were made by a catalogue with another digest are stale.
    """
    lines = [f"{one.name}: {one.formula}" for one in catalogue]
    lines += [f"lookback: {catalogue.lookback}", f"same entities: {catalogue.same_entities}"]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
