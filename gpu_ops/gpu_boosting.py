"""Scoring with XGBoost on a GPU, from the same model file as on the CPU."""

from typing import TYPE_CHECKING

import numpy as np

from gpu_ops.gpu_calls import TO_DEVICE, TO_HOST
from gpu_ops.gpu_driver import require_gpu
from gpu_ops.matrices import Float32Array

if TYPE_CHECKING:
    import xgboost


def on_gpu(model: "xgboost.Booster") -> "xgboost.Booster":
    """A copy of the model that predicts on the GPU; the model itself stays on the CPU.

    Raises:
        EngineUnavailableError: There is no GPU; XGBoost alone would go on on the CPU.
    """
    require_gpu()
    copied = model.copy()
    copied.set_param({"device": "cuda"})
    return copied


def margins_on_gpu(model: "xgboost.Booster", rows: Float32Array) -> Float32Array:
    """Sum of the trees in log-odds, float32 (rows,).

    Args:
        model: What `on_gpu` returned.
        rows: float32 (rows, columns). They are copied to the GPU first: XGBoost predicts a
            matrix in the host's memory on the host, with a warning, whatever the model's device.
    """
    found = model.inplace_predict(TO_DEVICE(rows), predict_type="margin")
    return np.asarray(TO_HOST(found), np.float32)
