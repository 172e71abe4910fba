"""The check that the models of a feed fit the features that they are asked to score."""

from typing import Final

import dagster as dg

from fraud_assets.scoring import Scorer

MODELS_FIT: Final = "models_fit"


def models_fit_spec(asset: str) -> dg.AssetCheckSpec:
    """The check's declaration on an asset."""
    return dg.AssetCheckSpec(
        MODELS_FIT,
        asset=asset,
        description="Champion and challenger were trained on the features of the catalogue of now; "
        "another champion is refused, and anomaly scores and rules alone speak.",
    )


def models_fit_check(scorer: Scorer) -> dg.AssetCheckResult:
    """A warning where scoring refused a model; rows are scored without it."""
    return dg.AssetCheckResult(
        check_name=MODELS_FIT,
        passed=not scorer.refused,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(scorer.refused) or "No model was refused.",
    )
