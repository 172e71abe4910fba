"""Compiled loops over resampled rankings; import it inside functions, since numba is slow."""

import numpy as np
from numpy.typing import NDArray

from gpu_ops.compiled import compiled


@compiled
def weighted_figures(
    group: NDArray[np.int32],
    is_fraud: NDArray[np.bool_],
    ends_step: NDArray[np.bool_],
    counts: NDArray[np.int32],
) -> NDArray[np.float64]:
    """Rank one order of rows with each of many weights of their groups.

    Args:
        group: int32 (rows,), the group of each row, from the highest score down.
        is_fraud: bool (rows,), in the same order.
        ends_step: bool (rows,), true at the last row of each distinct score.
        counts: int32 (resamples, groups), how often each group was drawn.

    Returns:
        float64 (resamples, 4): average precision and area under the ROC curve, NaN where a
        resample lacks the class that they need, then weight of all rows and of the frauds. The
        sums are those of `gpu_ops.ranking_metrics`, with a row counted as often as its group.
    """
    found = np.empty((counts.shape[0], 4), dtype=np.float64)
    for resample in range(counts.shape[0]):
        caught = 0
        seen = 0
        step_caught = 0
        step_seen = 0
        precision_sum = 0.0
        pairs = 0.0
        for row in range(group.size):
            weight = counts[resample, group[row]]
            seen += weight
            if is_fraud[row]:
                caught += weight
            if ends_step[row]:
                gained = caught - step_caught
                missed = seen - step_seen - gained
                pairs += missed * (step_caught + 0.5 * gained)
                # Most steps hold no fraud, and a division costs more than all the rest.
                if gained:
                    precision_sum += gained * (caught / seen)
                    step_caught = caught
                step_seen = seen
        others = seen - caught
        found[resample, 0] = precision_sum / caught if caught else np.nan
        found[resample, 1] = pairs / (float(caught) * others) if caught and others else np.nan
        found[resample, 2] = seen
        found[resample, 3] = caught
    return found
