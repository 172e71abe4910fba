"""Slow and obvious re-implementations of window features and of rows against them."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from gpu_ops.feature_model import WindowFeature
from tests.features.slow_structures import PARTIES, SECOND

Row = dict[str, Any]
OTHER = {"payer": "payee_id", "payee": "payer_id", "pair": ""}
NIGHT_ENDS = 7
SATURDAY = 6


def divided(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def slow_window(
    row: Row, rows: Sequence[Row], feature: WindowFeature, window: timedelta
) -> float | None:
    now = row["occurred_at"]
    end = now - feature.delay
    past = [
        one
        for one in rows
        if end - window <= one["occurred_at"] < end
        and all(one[party] == row[party] is not None for party in PARTIES[feature.entity])
    ]
    known = [
        one for one in past
        if one["is_fraud"] and one["label_known_at"] is not None and one["label_known_at"] < now
    ]  # fmt: skip
    numbers = [one[feature.column] for one in past if one[feature.column] is not None]
    ages = [(now - one["occurred_at"]) / SECOND for one in past]
    own = row[feature.column]

    def rank() -> float | None:
        beats = sum((number < own) + (number == own) / 2 for number in numbers if own is not None)
        return None if own is None else divided(beats, len(numbers))

    def share(flag: Callable[[Row], bool]) -> float | None:
        return divided(sum(map(flag, past)), len(past))

    values: dict[str, Callable[[], float | None]] = {
        "count": lambda: len(past),
        "sum": lambda: math.fsum(numbers),
        "mean": lambda: divided(math.fsum(numbers), len(numbers)),
        "std": lambda: statistics.stdev(numbers) if len(numbers) > 1 else None,
        "min": lambda: min(numbers, default=None),
        "max": lambda: max(numbers, default=None),
        "rank": rank,
        "distinct_counterparties": lambda: len(
            {one[OTHER[feature.entity]] for one in past} - {None}
        ),
        "round_share": lambda: share(lambda one: one["amount"] % 100 == 0),
        "night_share": lambda: share(lambda one: one["occurred_at"].hour < NIGHT_ENDS),
        "weekend_share": lambda: share(lambda one: one["occurred_at"].isoweekday() >= SATURDAY),
        "time_since_last": lambda: min(ages, default=None),
        "account_age": lambda: max(ages, default=None),
        "known_frauds": lambda: len(known),
        "label_risk": lambda: divided(len(known), len(past)),
    }
    return values[feature.statistic]()


def slow_history(amount: float, past: Mapping[str, float | None]) -> dict[str, float | None]:
    """What the row is against its past, the formulas written out once more."""
    found: dict[str, float | None] = {
        "amount_to_payer_mean_30d": divided(amount, past["payer_amount_mean_30d"]),
        "amount_to_payee_mean_30d": divided(amount, past["payee_amount_mean_30d"]),
        "amount_to_pair_mean_30d": divided(amount, past["pair_amount_mean_30d"]),
        "amount_to_payer_max_30d": divided(amount, past["payer_amount_max_30d"]),
        "amount_to_payee_max_30d": divided(amount, past["payee_amount_max_30d"]),
        "pair_share_of_payer_30d": divided(past["pair_count_30d"], past["payer_count_30d"]),
        "is_first_time_counterparty": past["pair_time_since_last"] is None,
        "is_first_of_payer": past["payer_time_since_last"] is None,
        "is_first_of_payee": past["payee_time_since_last"] is None,
    }
    for who in ("payer", "payee", "pair"):
        mean, spread = past[f"{who}_amount_mean_30d"], past[f"{who}_amount_std_30d"]
        distance = None if mean is None else amount - mean
        found[f"amount_to_{who}_zscore_30d"] = divided(distance, spread)
    for who, word, days in (
        ("payer", "spending", 1),
        ("payer", "spending", 7),
        ("payee", "income", 1),
    ):
        recent, month = past[f"{who}_amount_sum_{days}d"], past[f"{who}_amount_sum_30d"]
        assert recent is not None
        assert month is not None
        found[f"{who}_{word}_{days}d_to_usual"] = divided(amount + recent, month / 30 * days)
    for who in ("payer", "payee"):
        for subject in ("count", "amount_sum"):
            for short, long in (("1h", "1d"), ("1d", "7d"), ("1d", "30d")):
                found[f"{who}_{subject}_{short}_to_{long}"] = divided(
                    past[f"{who}_{subject}_{short}"], past[f"{who}_{subject}_{long}"]
                )
    return found
