"""From a booster's margin to a probability that expected losses can be computed with."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_ops.logistic import fit_line, sigmoid
from gpu_ops.matrices import Float32Array, Float64Array
from gpu_ops.model_files import ModelFileError


class Calibration(BaseModel):
    """A strictly increasing map from margin to probability: sigmoid(slope * margin + intercept).

    Attributes:
        method: `platt`, or `identity`, which leaves the booster's own probability as it is.
        slope: Positive, so that calibration never changes the order of two transactions.
        intercept: Log-odds at margin 0.
        reason: Why this method.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    method: Literal["platt", "identity"]
    slope: float = Field(gt=0.0)
    intercept: float
    reason: str

    def probability(self, margin: Float32Array | Float64Array) -> Float64Array:
        """Fraud probability of each margin, float64 in 0..1."""
        return sigmoid(self.slope * margin.astype(np.float64) + self.intercept)

    def to_json(self) -> bytes:
        """The calibration as a JSON object."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Calibration":
        """The calibration that `to_json` stored.

        Raises:
            ModelFileError: The bytes are no calibration.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ModelFileError(
                f"the calibration file cannot be read: {where}: {first['msg']}"
            ) from error


def fit_calibration(
    margin: Float32Array | Float64Array,
    labels: npt.NDArray[np.bool_],
    weights: Float32Array | None = None,
) -> Calibration:
    """Fits Platt's logistic calibration on the validation window.

    Targets are (F + 1) / (F + 2) for frauds and 1 / (L + 2) for the others, F and L being their
    weights: Platt, Probabilistic outputs for support vector machines (1999). They keep the
    slope finite where the margin separates the classes.

    The booster's own probability stays (slope 1, intercept 0, with the reason) where the window
    has only one class, or where the margin does not rise with fraud in it.

    Args:
        margin: (rows,).
        labels: (rows,).
        weights: Rows of the population that each row stands for, default 1.

    Raises:
        ValueError: A margin is NaN or infinite, or the lengths differ.
    """
    x = margin.astype(np.float64)
    importance = np.ones(x.size) if weights is None else weights.astype(np.float64)
    if not len(x) == len(labels) == len(importance):
        raise ValueError(
            f"{len(x)} margins, {len(labels)} labels and {len(importance)} weights: not one a row"
        )
    if not np.isfinite(x).all():
        raise ValueError("a margin is NaN or infinite")
    frauds, legitimate = importance[labels].sum(), importance[~labels].sum()
    if frauds == 0.0 or legitimate == 0.0:
        found = "no fraud" if frauds == 0.0 else "no legitimate row"
        return _identity(f"the validation window has {found}")
    targets = np.where(labels, (frauds + 1.0) / (frauds + 2.0), 1.0 / (legitimate + 2.0))
    line = fit_line(x, targets, importance)
    if line is None or line.slope <= 0.0:
        return _identity("the margin does not rise with fraud in the validation window")
    reason = f"{int(labels.sum())} frauds in {len(x)} rows of the validation window"
    return Calibration(method="platt", slope=line.slope, intercept=line.intercept, reason=reason)


def _identity(reason: str) -> Calibration:
    return Calibration(method="identity", slope=1.0, intercept=0.0, reason=reason)
