"""Features of a transaction against what its parties did before: ratios, scores and bursts."""

from typing import Final

import polars as pl

from gpu_ops.feature_model import Entity, RowFeature
from gpu_ops.windows import ratio

BAHNSEN: Final = "Bahnsen et al. 2016, Expert Systems with Applications 51"
WHITROW: Final = "Whitrow et al. 2009, Data Mining and Knowledge Discovery 18"
PROFILING: Final = "Bolton and Hand 2001, Unsupervised profiling methods for fraud detection"

MONTH_DAYS: Final = 30
_AMOUNT: Final = pl.col("amount")
_USUALLY: Final[dict[Entity, str]] = {
    "payer": "the payer usually pays",
    "payee": "the payee usually receives",
    "pair": "this payer usually pays this payee",
}
_MOST: Final[dict[Entity, str]] = {
    "payer": "the most that the payer has paid",
    "payee": "the most that the payee has received",
}


def part_of(name: str, part: str, whole: str, source: str, description: str) -> RowFeature:
    """Declare one column divided by another."""
    return RowFeature(
        name,
        ratio(pl.col(part), pl.col(whole)),
        f"{part} / {whole}; null where {whole} is 0 or null",
        source,
        description,
    )


def to_mean(entity: Entity) -> RowFeature:
    """Declare the amount over the entity's mean of 30 days."""
    name, whole = f"amount_to_{entity}_mean_30d", f"{entity}_amount_mean_30d"
    text = f"How this amount compares with what {_USUALLY[entity]}."
    return part_of(name, "amount", whole, BAHNSEN, text)


def to_maximum(entity: Entity) -> RowFeature:
    """Declare the amount over the entity's maximum of 30 days."""
    name, whole = f"amount_to_{entity}_max_30d", f"{entity}_amount_max_30d"
    text = f"How this amount compares with {_MOST[entity]}."
    return part_of(name, "amount", whole, BAHNSEN, text)


def z_score(entity: Entity) -> RowFeature:
    """Declare the distance of the amount from the entity's mean, in its deviations of 30 days."""
    mean, deviation = f"{entity}_amount_mean_30d", f"{entity}_amount_std_30d"
    return RowFeature(
        f"amount_to_{entity}_zscore_30d",
        ratio(_AMOUNT - pl.col(mean), pl.col(deviation)),
        f"(amount - {mean}) / {deviation}; null where {deviation} is 0 or null",
        PROFILING,
        f"How far this amount lies from what {_USUALLY[entity]}, in standard deviations.",
    )


def burst(entity: Entity, subject: str, short: str, long: str) -> RowFeature:
    """Declare a short window over a long one of the same statistic."""
    return part_of(
        f"{entity}_{subject}_{short}_to_{long}",
        f"{entity}_{subject}_{short}",
        f"{entity}_{subject}_{long}",
        WHITROW,
        f"Share of the {entity}'s {_SUBJECTS[subject]} of {long} that fell on the last {short}: "
        "a burst.",
    )


def to_usual(entity: Entity, subject: str, days: int) -> RowFeature:
    """Declare an amount, with those of the last days, over as many usual days of the month."""
    recent, month = f"{entity}_amount_sum_{days}d", f"{entity}_amount_sum_{MONTH_DAYS}d"
    usual = pl.col(month) * days / MONTH_DAYS
    words = "the last day" if days == 1 else f"the last {days} days"
    return RowFeature(
        f"{entity}_{subject}_{days}d_to_usual",
        ratio(_AMOUNT + pl.col(recent), usual),
        f"(amount + {recent}) / ({days} x {month} / {MONTH_DAYS}); null where {month} is 0",
        BAHNSEN,
        f"The {entity}'s {subject} of {words} with this payment, against that of usual days.",
    )


def first_time(name: str, entity: Entity, description: str) -> RowFeature:
    """Declare whether the entity has no earlier row within the look-back."""
    since = f"{entity}_time_since_last"
    return RowFeature(
        name,
        pl.col(since).is_null(),
        f"{since} is null: none within the look-back, or no such party",
        "own definition; new recipients: FFIEC BSA/AML Examination Manual, appendix F",
        description,
        pl.UInt8(),
    )


_SUBJECTS: Final = {"count": "transactions", "amount_sum": "amounts"}
_BURSTS: Final = (("1h", "1d"), ("1d", "7d"), ("1d", "30d"))
_ACCOUNTS: Final[tuple[Entity, ...]] = ("payer", "payee")
_ALL: Final[tuple[Entity, ...]] = ("payer", "payee", "pair")

HISTORY: Final = (
    *(to_mean(entity) for entity in _ALL),
    *(to_maximum(entity) for entity in _ACCOUNTS),
    *(z_score(entity) for entity in _ALL),
    *(
        burst(entity, subject, short, long)
        for entity in _ACCOUNTS
        for subject in _SUBJECTS
        for short, long in _BURSTS
    ),
    to_usual("payer", "spending", 1),
    to_usual("payer", "spending", 7),
    to_usual("payee", "income", 1),
    part_of(
        "pair_share_of_payer_30d",
        "pair_count_30d",
        "payer_count_30d",
        WHITROW,
        "Share of the payer's payments that went to this payee.",
    ),
    first_time(
        "is_first_time_counterparty", "pair", "Whether this payer has not paid this payee before."
    ),
    first_time("is_first_of_payer", "payer", "Whether the payer has not paid anyone before."),
    first_time("is_first_of_payee", "payee", "Whether the payee has not been paid before."),
)
"""Features of the row against the windows of its parties."""
