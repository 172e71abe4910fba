"""The smoke test: an endpoint must score stored rows as the model itself does."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from resources.sagemaker.api import SageMakerApi, SageMakerError
from resources.sagemaker.requests import PARQUET

if TYPE_CHECKING:
    from resources.model_store import ModelVersion

SAMPLE_ROWS: Final = 64
TOLERANCE: Final = 1e-6
"""Largest difference of a score: the code is the same, the machine's arithmetic may not be."""

_SCORES: Final = ("anomaly", "probability")


class SmokeTestError(SageMakerError):
    """An endpoint answers wrongly or not at all."""


@dataclass(frozen=True)
class SmokeTest:
    """Rows, and what the model says of them.

    Attributes:
        features: The rows: the model's features and no identifiers.
        expected: anomaly Float32 and probability Float64 of each row.
    """

    features: pl.DataFrame
    expected: pl.DataFrame

    @classmethod
    def of(cls, model: "ModelVersion", features: pl.DataFrame) -> "SmokeTest":
        """The test of a model, scored here."""
        scores = model.score(features)
        return cls(
            features, pl.DataFrame({"anomaly": scores.anomaly, "probability": scores.probability})
        )

    def deviation(self, api: SageMakerApi, endpoint: str) -> float:
        """The largest difference between the endpoint's scores and the model's.

        Raises:
            SmokeTestError: It is over the tolerance, or there is no readable answer.
        """
        body = io.BytesIO()
        self.features.write_parquet(body)
        try:
            answer = api.invoke(endpoint, body.getvalue(), PARQUET, PARQUET)
        except SageMakerError as error:
            raise SmokeTestError(f"the endpoint {endpoint} does not answer: {error}") from error
        try:
            found = pl.read_parquet(io.BytesIO(answer)).select(_SCORES)
        except (pl.exceptions.PolarsError, OSError) as error:
            message = f"the endpoint {endpoint} answers with something that is no table of scores"
            raise SmokeTestError(message) from error
        if found.height != self.expected.height:
            raise SmokeTestError(
                f"the endpoint {endpoint} scores {found.height} of {self.expected.height} rows"
            )
        # NumPy's maximum keeps a NaN, Python's may lose it; and `not <=` refuses it.
        largest = float(
            np.max(
                [
                    np.abs(found[name].to_numpy() - self.expected[name].to_numpy())
                    for name in _SCORES
                ]
            )
        )
        if not largest <= TOLERANCE:
            raise SmokeTestError(
                f"the endpoint {endpoint} scores otherwise than the model: by up to {largest:.3g}, "
                f"{TOLERANCE:.0e} is allowed"
            )
        return largest
