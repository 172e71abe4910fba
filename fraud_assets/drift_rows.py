"""What drift is measured on: samples of bounded size, of the versions that a window needs."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import polars as pl

from fraud_assets import layers
from fraud_assets.labels import FeedLabels
from fraud_assets.refused_models import refusal_of
from gpu_ops.drift_windows import Arrivals, days
from gpu_ops.splits import Window, in_sample, rows_in, usable_labels
from resources.registry import ModelVersion
from resources.versions import Manifest, Versions

SAMPLE_ROWS: Final = 100_000
"""About the most rows of one side that are held in memory."""

_HASHES: Final = 2**64
_LABELLED: Final = ("transaction_id", "occurred_at", "payer_id", "is_fraud", "label_known_at")
_REJECTED: Final = ("duplicate", "quarantined")


@dataclass(frozen=True)
class ScoredUpload:
    """The three versions of one upload that was scored."""

    raw: Manifest
    prepped: Manifest
    augmented: Manifest

    def reaches(self, window: Window) -> bool:
        """Whether some of its transactions may lie in a window."""
        first, last = self.augmented.event_from, self.augmented.event_to
        return (
            first is not None and last is not None and first < window.end and last >= window.start
        )

    def is_scored_by(self, model: ModelVersion) -> bool:
        """Whether a model gave the scores, and to the transactions that are visible."""
        inputs = self.augmented.inputs
        return inputs.get("model") == model.name and (
            inputs.get(self.raw.slot) == self.raw.content_id
        )


@dataclass(frozen=True)
class Known:
    """Labels as of a moment.

    Attributes:
        late: Those that came apart from the transactions.
        now: Nothing that becomes known at this moment or later exists yet.
        looked_back: How long before a window a fraud makes its payer known.
    """

    late: FeedLabels
    now: datetime
    looked_back: timedelta

    def of(self, versions: Versions, uploads: Iterable[ScoredUpload]) -> pl.LazyFrame:
        """Transactions of uploads in their order, `is_fraud` null where it is not known by now."""
        rows = versions.scan_all([one.raw for one in uploads]).select(_LABELLED)
        return self.late.at(versions, rows, self.now).with_columns(usable_labels(self.now))


@dataclass(frozen=True)
class FeedRows:
    """The scored uploads of a feed, oldest first."""

    versions: Versions
    uploads: tuple[ScoredUpload, ...]

    @classmethod
    def of(cls, versions: Versions, feed: str) -> Self:
        """Those that are visible now; CorruptManifestError where one is damaged."""
        raw, prepped, augmented = (
            layers.visible(versions, asset, feed) for asset in layers.UPLOAD_LAYERS
        )
        found = [
            ScoredUpload(raw[key], prepped[key], one)
            for key, one in sorted(augmented.items())
            if key in raw and key in prepped and one.rows
        ]
        return cls(versions, tuple(sorted(found, key=lambda one: str(one.augmented.event_from))))

    def within(self, window: Window) -> "FeedRows":
        """The uploads that reach into a window."""
        return FeedRows(self.versions, tuple(one for one in self.uploads if one.reaches(window)))

    def content(self) -> str:
        """A digest of all that can be read here."""
        lines = [
            f"{one.prepped.slot} {one.prepped.content_id} {one.augmented.content_id} "
            f"{[one.raw.extra.get(name) for name in ('received', *_REJECTED)]}"
            for one in self.uploads
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def refusal(self, model: ModelVersion) -> str | None:
        """Why a model cannot read some of these features; None if it can."""
        return next(filter(None, (refusal_of(model, one.prepped) for one in self.uploads)), None)

    def arrivals(self, window: Window) -> Arrivals:
        """What arrived in a window; files that reach into it count as a whole."""
        mine = self.within(window)
        rows = 0
        if mine.uploads:
            scored = self.versions.scan_all([one.augmented for one in mine.uploads])
            rows = scored.filter(rows_in(window)).select(pl.len()).collect().item()
        return Arrivals(
            rows=rows,
            days=days(window),
            received=sum(_count(one.raw, "received") for one in mine.uploads),
            rejected=sum(_count(one.raw, name) for one in mine.uploads for name in _REJECTED),
        )

    def features(self, window: Window, rows: int, columns: Sequence[str]) -> pl.DataFrame:
        """Features of a sample of a window, about `SAMPLE_ROWS` of its `rows`.

        A transaction is in it or not by a hash of its id, so a repetition draws the same sample
        and an upload that comes late changes no other's part in it.
        """
        return self._sample(
            [one.prepped for one in self.within(window).uploads], window, rows, columns
        )

    def categories(self, window: Window, rows: int, columns: Sequence[str]) -> pl.DataFrame:
        """Columns of the scored transactions of the same sample."""
        return self._sample(
            [one.augmented for one in self.within(window).uploads], window, rows, columns
        )

    def _sample(
        self, manifests: list[Manifest], window: Window, rows: int, columns: Sequence[str]
    ) -> pl.DataFrame:
        if not manifests:
            return pl.DataFrame(schema=dict.fromkeys(columns, pl.Float64))
        drawn = rows_in(window)
        if rows > SAMPLE_ROWS:
            below = pl.lit(_HASHES // rows * SAMPLE_ROWS, dtype=pl.UInt64)
            drawn &= pl.col("transaction_id").hash() < below
        scan = self.versions.scan_all(manifests).filter(drawn).select(columns)
        return scan.collect(engine="streaming")

    def labelled(self, window: Window, model: ModelVersion, known: Known) -> pl.DataFrame | None:
        """Rows of a window that the model scored and never saw, with the labels known by now.

        Payers whose fraud was known before the row's day are left out, as in the model's test.

        Returns:
            occurred_at, payer_id, is_fraud and fraud_probability; None where another model, or
            none, scored some rows, or scores are not those of the visible transactions.
        """
        mine = self.within(window).uploads
        if not mine or not all(one.is_scored_by(model) for one in mine):
            return None
        scores = self.versions.scan_all([one.augmented for one in mine])
        # Both stand in the order of the file, which the scored layer's check holds.
        rows = pl.concat(
            [known.of(self.versions, mine), scores.select("fraud_probability")],
            how="horizontal",
            strict=True,
        )
        day = pl.col("occurred_at").dt.truncate("1d")
        is_compromised = (pl.col("compromised_at") < day).fill_null(value=False)
        is_judged = rows_in(window) & ~in_sample(model.split) & pl.col("is_fraud").is_not_null()
        return (
            rows.filter(is_judged)
            .join(self._compromised(window, known), on="payer_id", how="left")
            .filter(~is_compromised)
            .select("occurred_at", "payer_id", "is_fraud", "fraud_probability")
            .collect()
        )

    def _compromised(self, window: Window, known: Known) -> pl.LazyFrame:
        """`payer_id` and when the first fraud became known of each payer that had one."""
        before = Window(window.start - known.looked_back, window.end)
        return (
            known.of(self.versions, self.within(before).uploads)
            .filter("is_fraud")
            .group_by("payer_id")
            .agg(compromised_at=pl.col("label_known_at").min())
        )


def _count(manifest: Manifest, name: str) -> int:
    value = manifest.extra.get(name, 0)
    return value if isinstance(value, int) else 0
