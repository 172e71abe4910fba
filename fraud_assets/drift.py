"""How far an upload's amounts and scores have moved from those of the time before it."""

from typing import Final

import polars as pl

from fraud_assets import layers
from fraud_assets.scoring import Scorer
from gpu_ops.drift import population_stability_index
from resources.versions import Manifest, Versions

REFERENCE_ROWS: Final = 100_000
"""Most rows that are compared with, the latest ones before the upload."""

PREFIX: Final = "psi_"
"""Begins the names of the figures; metrics are made of them."""


def drift_of(
    versions: Versions, feed: str, raw: Manifest, staged: pl.LazyFrame, scorer: Scorer
) -> dict[str, float]:
    """The population stability index of amount and score against the feed's rows before.

    Rows count that happened before the upload's first one. Scores are compared with those of the
    same model alone, since another one's differ for no change in the world.

    Args:
        versions: The lake's versions.
        feed: The feed.
        raw: The upload's raw version.
        staged: Its scored rows.
        scorer: What scored them.

    Returns:
        `psi_<column>` to its index; without what too few rows are there for.
    """
    earlier = _before(versions, feed, raw)
    same_model = [one for one in earlier if one.inputs.get("model") == scorer.name]
    score = "anomaly_score" if scorer.model is None else "fraud_probability"
    compared = {"amount": earlier, score: same_model}
    figures = {}
    for column, reference in compared.items():
        if not reference:
            continue
        index = population_stability_index(
            _latest(versions, reference, column),
            staged.select(column).head(REFERENCE_ROWS).collect().to_series(),
        )
        if index is not None:
            figures[f"{PREFIX}{column}"] = round(index, 6)
    return figures


def _before(versions: Versions, feed: str, raw: Manifest) -> list[Manifest]:
    """The feed's scored versions that end before an upload begins, the latest first."""
    if raw.event_from is None:
        return []
    folder = f"{layers.UPLOAD_LAYERS['augmented_transactions']}/feed={feed}"
    # A damaged version of another upload must not keep this one from being scored.
    sound = [one.manifest for one in versions.survey(folder).values() if not one.problem]
    found = [
        one
        for one in sound
        if one is not None and one.event_to is not None and one.event_to < raw.event_from
    ]
    return sorted(found, key=lambda one: (str(one.event_to), one.slot), reverse=True)


def _latest(versions: Versions, latest_first: list[Manifest], column: str) -> pl.Series:
    rows, chosen = 0, []
    for one in latest_first:
        chosen.append(one)
        rows += one.rows
        if rows >= REFERENCE_ROWS:
            break
    oldest_first = versions.scan_all(chosen[::-1]).select(column)
    # A slice from the front: the GPU's translator knows none from the end.
    return oldest_first.slice(max(0, rows - REFERENCE_ROWS)).collect().to_series()
