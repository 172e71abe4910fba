"""What a drift report holds: its table's contract, its lineage, and the record of each window."""

from collections.abc import Mapping
from typing import Final

import pandera.polars as pa
import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from fraud_assets.checks import Contract
from fraud_assets.columns import column, count, number, schema, share, text, time
from fraud_assets.metadata import MadeOf
from gpu_ops.drift_windows import Condition, WindowFinding
from gpu_ops.features import CATALOGUE
from gpu_ops.splits import Window

SCORE: Final = "fraud_probability"
CATEGORIES: Final = ("kind", "currency")
"""Columns of transactions that are compared by the shares of their values."""

_CONDITIONS: Final = tuple(map(str, Condition))
_FEATURES: Final = tuple(feature.name for feature in CATALOGUE)

DRIFT: Final = Contract(
    "contract",
    schema(
        {
            "feed": text(),
            "model": text(),
            "window_from": time(),
            "window_to": time(),
            "column": text(),
            "reference_rows": count(pl.Int64()),
            "current_rows": count(pl.Int64()),
            "psi": number(null=True),
            "ks": share(null=True),
            "wasserstein": number(null=True),
            "reference_null_share": share(null=True),
            "null_share": share(null=True),
            "condition": column(pl.String(), pa.Check.isin(_CONDITIONS)),
            "window_condition": column(pl.String(), pa.Check.isin(_CONDITIONS)),
        }
    ),
    unique=("feed", "window_from", "column"),
    shows=frozenset({"feed", "column", "psi", "condition", "window_condition"}),
)
"""One row a feed, window and column; no transaction and no account is named in it."""

DTYPES: Final = {name: one.dtype.type for name, one in DRIFT.schema.columns.items()}

_MEASURED: Final = (
    "psi",
    "ks",
    "wasserstein",
    "reference_null_share",
    "null_share",
    "condition",
    "window_condition",
)
DRIFT_LINEAGE: Final[Mapping[str, MadeOf]] = {
    "augmented_transactions": {
        "feed": ["feed"],
        "window_from": ["occurred_at"],
        "window_to": ["occurred_at"],
        "reference_rows": ["occurred_at"],
        "current_rows": ["occurred_at"],
        **{name: [*CATEGORIES] for name in _MEASURED if name not in {"ks", "wasserstein"}},
        "window_condition": [*CATEGORIES, "is_fraud", "label_known_at", SCORE],
    },
    "prepped_transactions": dict.fromkeys(_MEASURED, _FEATURES),
}


class WindowRecord(BaseModel):
    """What the manifest of a drift report keeps of one window of one feed.

    Attributes:
        feed: Whose.
        model: The champion that it is measured for.
        made_of: Digest of all that it was made of: equal digest, equal record.
        start: First moment of the window.
        end: First moment after it.
        condition: As `gpu_ops.drift_windows.WindowFinding`.
        reasons: Likewise.
        is_bad: Likewise.
        labels_fell: Likewise.
        reference_scores: Rows by score, in equal bins over 0..1, of the model's validation window.
        scores: The same of this window.
        figures: Figures on labels by name; empty while there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feed: str
    model: str
    made_of: str
    start: AwareDatetime
    end: AwareDatetime
    condition: Condition
    reasons: tuple[str, ...]
    is_bad: bool
    labels_fell: bool | None
    reference_scores: tuple[int, ...]
    scores: tuple[int, ...]
    figures: dict[str, float]

    @property
    def finding(self) -> WindowFinding:
        """What sensors and checks need of it."""
        return WindowFinding(
            Window(self.start, self.end),
            self.condition,
            self.reasons,
            self.is_bad,
            self.labels_fell,
        )

    def line(self) -> str:
        """The same in a sentence."""
        days = f"{self.feed}, {self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}: {self.condition}"
        return "; ".join([days, *self.reasons])
