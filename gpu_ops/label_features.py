"""Features of known labels: how the confirmed frauds of an entity lie among its past rows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

import polars as pl

from gpu_ops.feature_terms import (
    ENTITIES,
    ENTITY_COLUMNS,
    NOTHING,
    Entity,
    PastFeature,
    duration_label,
)
from gpu_ops.window_features import WindowFeature

LabelStatistic = Literal[
    "known_fraud_share",
    "known_fraud_run",
    "known_fraud_run_age",
    "time_since_known_fraud",
    "unexplained_frauds",
    "unexplained_fraud_share",
]
LABEL_STRUCTURES: Final[tuple[LabelStatistic, ...]] = get_args(LabelStatistic)

COUNTED: Final = frozenset({"known_fraud_run", "unexplained_frauds"})
UNEXPLAINED: Final = frozenset({"unexplained_frauds", "unexplained_fraud_share"})
LARGE: Final = 2.0
"""An amount is large where it exceeds this many times what its payer paid on average before.

A multiple of the mean, since a standard deviation grows with the very frauds of a stolen card;
twice, since a share that calls too much large errs less than one that takes stolen cards for
compromised terminals. Not fitted to any data.
"""

USUAL_WINDOW: Final = timedelta(days=30)
"""The past over which the payer's average is taken."""

LARGE_RULE: Final = (
    f"amount > {LARGE:g} x mean amount of its payer_id in the "
    f"{duration_label(USUAL_WINDOW)} before it"
)

_HANDBOOK: Final = "Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3, terminal risk"
_OWN: Final = "this project, after the fraud scenarios of the Fraud Detection Handbook, chapter 3"
_AMOUNTS: Final = "this project; amount against the payer's mean: Bahnsen et al. 2016"
_UNBROKEN: Final = "later than the newest of them with is_fraud false"
LABEL_SOURCES: Final[dict[LabelStatistic, str]] = {
    "known_fraud_share": f"{_HANDBOOK}, over labelled rows alone",
    "known_fraud_run": _OWN,
    "known_fraud_run_age": _OWN,
    "time_since_known_fraud": _OWN,
    "unexplained_frauds": _AMOUNTS,
    "unexplained_fraud_share": _AMOUNTS,
}
"""The published definition of each statistic, or that it is the project's own."""


@dataclass(frozen=True)
class LabelFeature:
    """A statistic of those earlier transactions of an entity whose label is known.

    For a transaction at ``t`` these are the rows of the entity with ``t - window <= occurred_at
    < t`` that have a label with ``label_known_at < t``; rows without one are skipped. Statistics:

    - ``known_fraud_share``: frauds among them; null without any.
    - ``known_fraud_run``: frauds later than the newest legitimate one, at whose moment or before
      it nothing belongs to the run; all of them where none is legitimate.
    - ``known_fraud_run_age``: seconds since the oldest fraud of that run; null without any.
    - ``time_since_known_fraud``: seconds since the newest fraud among them; null without any.
    - ``unexplained_frauds``: frauds among them whose amount was not large, where large means more
      than `LARGE` times the mean that its own payer paid in the `USUAL_WINDOW` before it. The
      amount of a payer without a past is not large.
    - ``unexplained_fraud_share``: of the frauds among them; null without any.

    A fraud that a large amount explains points at the payer's card or account; frauds of usual
    amounts one after the other point at the payee's terminal.

    Args:
        entity: whose past: ``payer``, ``payee`` or ``pair``.
        statistic: one of those above.
        window: how far it looks back; None for the look-back of the catalogue.

    Raises:
        ValueError: a value is not one of those above, or the window is not positive.
    """

    entity: Entity
    statistic: LabelStatistic
    window: timedelta | None = None

    def __post_init__(self) -> None:
        if self.entity not in ENTITIES:
            raise ValueError(f"entity {self.entity!r} is unknown; choose one of {ENTITIES}")
        if self.statistic not in LABEL_STRUCTURES:
            raise ValueError(
                f"statistic {self.statistic!r} is unknown; choose one of {LABEL_STRUCTURES}"
            )
        if self.window is not None and self.window <= NOTHING:
            raise ValueError("a window must be longer than nothing")

    def within(self, lookback: timedelta) -> timedelta:
        """Tell how far it looks back in a catalogue of this look-back."""
        return lookback if self.window is None else self.window

    def reach(self, lookback: timedelta) -> timedelta:
        """Tell how much history it needs: a fraud's amount is held against its payer's past."""
        before = USUAL_WINDOW if self.statistic in UNEXPLAINED else NOTHING
        return self.within(lookback) + before

    @property
    def name(self) -> str:
        """Column name, such as ``payee_unexplained_frauds_30d`` or ``payee_known_fraud_run``."""
        suffix = "" if self.window is None else f"_{duration_label(self.window)}"
        return f"{self.entity}_{self.statistic}{suffix}"

    @property
    def dtype(self) -> pl.DataType:
        """UInt32 for counts, else Float32."""
        return pl.UInt32() if self.statistic in COUNTED else pl.Float32()

    @property
    def empty_is_zero(self) -> bool:
        """Whether it is 0 where no label is known; shares and times are null."""
        return self.statistic in COUNTED

    @property
    def formula(self) -> str:
        """The definition, with ``t`` for the row's own time."""
        same = ", ".join(f"same {column}" for column in ENTITY_COLUMNS[self.entity])
        back = "lookback" if self.window is None else duration_label(self.window)
        rows = f"rows with {same}, t - {back} <= occurred_at < t, label_known_at < t"
        return {
            "known_fraud_share": f"(number with is_fraud) / (number of all) {rows}, is_fraud known",
            "known_fraud_run": f"number of {rows}, is_fraud, {_UNBROKEN}",
            "known_fraud_run_age": f"seconds from the oldest of {rows}, is_fraud, {_UNBROKEN}, "
            "to t",
            "time_since_known_fraud": f"seconds from the newest of {rows}, is_fraud, to t",
            "unexplained_frauds": f"number of {rows}, is_fraud, not ({LARGE_RULE})",
            "unexplained_fraud_share": f"(number with not ({LARGE_RULE})) / (number of all) "
            f"{rows}, is_fraud",
        }[self.statistic]

    @property
    def source(self) -> str:
        """Where the definition was published, or that it is the project's own."""
        return LABEL_SOURCES[self.statistic]

    @property
    def description(self) -> str:
        """What it tells, in plain words."""
        who = {"payer": "this payer", "payee": "this payee", "pair": "this payer to this payee"}
        back = "the look-back" if self.window is None else f"the {duration_label(self.window)}"
        of_whom = f"of {who[self.entity]} within {back} before the payment"
        return {
            "known_fraud_share": f"Share of frauds among the transactions {of_whom} whose label "
            "was known by then.",
            "known_fraud_run": f"How many of the newest labelled transactions {of_whom} were "
            "frauds without a break.",
            "known_fraud_run_age": "Seconds since the oldest of the newest labelled transactions "
            f"{of_whom} that were frauds without a break.",
            "time_since_known_fraud": f"Seconds since the newest fraud {of_whom} that was known "
            "by then.",
            "unexplained_frauds": f"Known frauds {of_whom} whose amount was not large for who "
            "paid it: signs of a compromised terminal.",
            "unexplained_fraud_share": f"Share of the known frauds {of_whom} whose amount was not "
            "large for who paid it.",
        }[self.statistic]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Canonical columns that it is computed from."""
        columns = ["occurred_at", *ENTITY_COLUMNS[self.entity], "is_fraud", "label_known_at"]
        if self.statistic in UNEXPLAINED:
            columns += ["payer_id", "amount"]
        return tuple(dict.fromkeys(columns))


LABEL_FEATURES: Final[tuple[PastFeature, ...]] = (
    *(WindowFeature(entity, "known_frauds", None) for entity in ENTITIES),
    WindowFeature("payee", "known_frauds", timedelta(days=30)),
    *(LabelFeature(entity, "known_fraud_run") for entity in ENTITIES),
    *(LabelFeature(entity, "known_fraud_run_age") for entity in ENTITIES),
    *(LabelFeature(entity, "time_since_known_fraud") for entity in ENTITIES),
    LabelFeature("payee", "unexplained_frauds", timedelta(days=7)),
    LabelFeature("payee", "unexplained_frauds", timedelta(days=30)),
    *(LabelFeature(entity, "unexplained_fraud_share", timedelta(days=30)) for entity in ENTITIES),
)
"""The structure of known labels in the project's catalogue.

Without ``known_fraud_share``: it is the one that every labelled entity needs a pass for, the
others are of entities with a fraud, and the delayed risk of 30 days tells much the same.
"""
