"""Models that scoring refuses: the features of now are not those that they were trained on."""

from collections.abc import Collection, Iterable

from fraud_assets import layers
from fraud_assets.training import catalogue_of
from gpu_ops.matrices import IDENTIFIERS
from gpu_ops.model_files import ModelFileError
from resources.errors import LakeError
from resources.registry import ModelRegistry, ModelVersion
from resources.versions import Manifest, Versions


def refusal(model: ModelVersion, columns: Collection[str], catalogue: str) -> str | None:
    """Why a model must not score rows with these features; None if it may.

    Names alone do not suffice: a feature that is defined otherwise under its old name would be
    scored without an error, and wrongly. Cards of older versions have names alone.

    Args:
        model: The model.
        columns: Columns of the rows.
        catalogue: Digest of the catalogue that made them; empty where it is not known.
    """
    trained = model.card
    missing = sorted(set(trained.features) - set(columns))
    extra = sorted(set(columns) - set(trained.features) - set(IDENTIFIERS))
    if missing or extra:
        told = [
            f"{what} {', '.join(names)}"
            for what, names in (("no", missing), ("new", extra))
            if names
        ]
        differ = f"{'; '.join(told)}"
    elif trained.catalogue and catalogue and trained.catalogue != catalogue:
        differ = "the same names, but other definitions"
    else:
        return None
    return (
        f"the model {model.name} was trained on other features than there are now ({differ}); "
        "it scores nothing until a model of these features is approved: fraud-assets train"
    )


def refusal_of(model: ModelVersion, prepped: Manifest) -> str | None:
    """`refusal` for the features of one upload."""
    return refusal(model, prepped.columns, catalogue_of(prepped))


def refused_champions(versions: Versions, feeds: Iterable[str]) -> dict[str, str]:
    """Feeds whose champion does not fit the features made last, and why."""
    registry = ModelRegistry(versions)
    found = {}
    for feed in feeds:
        try:
            champion = registry.champion(feed)
            prepped = None if champion is None else newest_features(versions, feed)
            if champion is None or prepped is None:
                continue
            why = refusal_of(champion, prepped)
        except (LakeError, ModelFileError):
            # Damage is told elsewhere.
            continue
        if why is not None:
            found[feed] = why
    return found


def newest_features(versions: Versions, feed: str) -> Manifest | None:
    """The features of a feed that were published last; they are of the catalogue of now."""
    prepped = layers.visible(versions, "prepped_transactions", feed).values()
    filled = (one for one in prepped if one.rows)
    return max(filled, key=lambda one: (one.published_at, one.slot), default=None)
