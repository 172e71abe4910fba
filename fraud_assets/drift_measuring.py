"""How far the windows of one feed lie from what its champion was trained on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from fraud_assets.comparison import judged_from
from fraud_assets.drift_rows import FeedRows, Known
from fraud_assets.drift_schemas import CATEGORIES, DTYPES, SCORE, WindowRecord
from fraud_assets.feeds import Feed
from fraud_assets.labels import FeedLabels
from gpu_ops.drift import Distances, distances, has_become_constant
from gpu_ops.drift_windows import (
    Condition,
    DriftBounds,
    column_condition,
    volume_faults,
    whole_windows,
    window_finding,
)
from gpu_ops.feature_terms import NOTHING
from gpu_ops.features import CATALOGUE
from gpu_ops.label_drift import LabelFigures, fallen, label_figures
from gpu_ops.label_maturity import label_maturity
from gpu_ops.paired_bootstrap import Draws
from gpu_ops.ring_params import RingParams
from gpu_ops.splits import DAY, Window
from resources.registry import ModelVersion
from resources.settings import Settings
from resources.versions import Versions

_SCORE_BINS: Final = 25
_COMPARED: Final = ("average_precision", "precision_at_capacity", "recall_at_capacity")


@dataclass(frozen=True)
class Measured:
    """A window's record and its rows of the report."""

    record: WindowRecord
    table: pl.DataFrame


@dataclass(frozen=True)
class _Side:
    """A sample with its features, categories and score, and what arrived in its window."""

    features: pl.DataFrame
    scores: pl.Series

    @property
    def counted(self) -> tuple[int, ...]:
        """Rows by score, in equal bins over 0..1."""
        found, _ = np.histogram(self.scores.to_numpy(), bins=_SCORE_BINS, range=(0.0, 1.0))
        return tuple(map(int, found))


def bounds_of(settings: Settings) -> DriftBounds:
    """From where on a difference counts, as settings have it."""
    return DriftBounds(
        psi=settings.drift_psi,
        feature_share=settings.drift_feature_share,
        metric_loss=settings.drift_metric_loss,
        score_ratio=settings.gate_bounds.mean_score_ratio,
        min_positives=settings.gate_min_positives,
        null_jump=settings.drift_null_jump,
        volume_share=settings.drift_volume_share,
        rejected_rise=settings.drift_rejected_rise,
    )


@dataclass(frozen=True)
class FeedDrift:
    """The drift of one feed, for its champion.

    Attributes:
        versions: The lake.
        feed: Whose.
        model: Its champion; it reads the features of `rows`.
        rows: Its scored uploads.
        settings: Windows and bounds.
        now: Transactions and labels of later do not exist yet.
    """

    versions: Versions
    feed: Feed
    model: ModelVersion
    rows: FeedRows
    settings: Settings
    now: datetime

    def windows(self) -> list[Window]:
        """The windows that are looked at, oldest first: none of them made the model."""
        latest = max(one.augmented.event_to or self.now for one in self.rows.uploads)
        length = self.settings.drift_window_days * DAY
        # Labels of a window come later than its transactions, and its turn is then.
        waiting = -(-self._maturity // length)
        return whole_windows(
            judged_from(self.model.split),
            min(latest, self.now),
            length,
            self.settings.drift_windows + waiting,
        )

    def made_of(self, window: Window) -> str:
        """A digest of all that a window's record is made of."""
        is_mature = self._is_mature(window)
        parts = (
            self.model.manifest.content_id,
            window,
            self.rows.within(window).content(),
            self.rows.within(self.model.split.train).content(),
            self.rows.within(self.model.split.validation).content(),
            bounds_of(self.settings),
            sorted(self._settled),
            self._labels.digest if is_mature else "",
            self.settings.daily_capacity if is_mature else 0,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    def measure(self, window: Window) -> Measured:
        """Compares a window with the model's training, column by column."""
        bounds, reference = bounds_of(self.settings), self.model.split.train
        before, now = self.rows.arrivals(reference), self.rows.arrivals(window)
        mine, current = self._reference, self._side(window, now.rows)
        found: dict[str, Distances | None] = {}
        conditions: dict[str, Condition] = {}
        for name in mine.features.columns:
            sides = mine.features[name], current.features[name]
            found[name] = distances(*sides)
            conditions[name] = column_condition(
                found[name], is_constant=has_become_constant(*sides), bounds=bounds
            )
        found[SCORE] = distances(self._unlearned.scores, current.scores)
        conditions[SCORE] = column_condition(found[SCORE], is_constant=False, bounds=bounds)
        figures = self._figures(window)
        finding = window_finding(
            window,
            volume_faults(before, now, bounds),
            _furthest_first(conditions, found),
            self._settled,
            SCORE,
            labels_fell=None if figures is None else fallen(figures, self._registered, bounds),
            bounds=bounds,
        )
        record = WindowRecord(
            feed=self.feed.name,
            model=self.model.name,
            made_of=self.made_of(window),
            start=window.start,
            end=window.end,
            condition=finding.condition,
            reasons=finding.reasons,
            is_bad=finding.is_bad,
            labels_fell=finding.labels_fell,
            reference_scores=self._unlearned.counted,
            scores=current.counted,
            figures={} if figures is None else _values(figures),
        )
        rows = (mine.features.height, current.features.height)
        return Measured(record, _table(record, found, conditions, rows))

    def _side(self, window: Window, rows: int) -> _Side:
        features = self.rows.features(window, rows, self.model.card.features)
        categories = self.rows.categories(window, rows, CATEGORIES)
        probability = (
            self.model.probability(features) if features.height else np.empty(0, np.float64)
        )
        return _Side(features.hstack(categories), pl.Series(SCORE, probability))

    @cached_property
    def _reference(self) -> _Side:
        """The training window; read only where a window has to be measured."""
        train = self.model.split.train
        return self._side(train, self.rows.arrivals(train).rows)

    @cached_property
    def _unlearned(self) -> _Side:
        """The validation window: of rows that trees learned by heart, scores are too sure."""
        validation = self.model.split.validation
        return self._side(validation, self.rows.arrivals(validation).rows)

    @cached_property
    def _labels(self) -> FeedLabels:
        return FeedLabels.of(self.versions, self.feed)

    @cached_property
    def _maturity(self) -> timedelta:
        """The age at which 99 % of the legitimate labels are known by now."""
        uploads = [one.raw for one in self.rows.uploads if one.raw.event_from is not None]
        last = max(one.event_to or self.now for one in uploads)
        first = max(
            min(one.event_from or self.now for one in uploads),
            last - timedelta(days=self.settings.training_days),
        )
        declared = max(
            filter(None, (self.feed.label_delay, self.feed.label_maturity)), default=None
        )
        recent = [one for one in uploads if one.event_to is not None and one.event_to >= first]
        rows = self._labels.at(self.versions, self.versions.scan_all(recent), self.now)
        return label_maturity(rows, declared, first=first, now=self.now)

    @cached_property
    def _settled(self) -> frozenset[str]:
        """Columns whose look-back lay within the feed in at least half of the training window."""
        catalogue = CATALOGUE.with_lookback(self.feed.lookback)
        reach = {one.name: one.reach(catalogue.lookback) for one in catalogue.windows}
        reach |= {
            row.name: max((reach.get(root, NOTHING) for root in row.roots), default=NOTHING)
            for row in catalogue.rows
        }
        # Nothing is known of rings while a feed only teaches what is ordinary.
        reach |= {one.name: RingParams().learning for one in catalogue.rings}
        train = self.model.split.train
        middle = train.start + train.length / 2
        first = min(one.augmented.event_from or middle for one in self.rows.uploads)
        columns = (*self.model.card.features, *CATEGORIES)
        return frozenset(one for one in columns if first + reach.get(one, NOTHING) <= middle)

    def _is_mature(self, window: Window) -> bool:
        return window.end + self._maturity <= self.now

    def _figures(self, window: Window) -> LabelFigures | None:
        """What labels say of a window; None before they are mature."""
        if not self._is_mature(window):
            return None
        known = Known(self._labels, self.now, timedelta(days=self.settings.training_days))
        rows = self.rows.labelled(window, self.model, known)
        if rows is None:
            return None
        return label_figures(
            rows["fraud_probability"].cast(pl.Float64).to_numpy(),
            rows["is_fraud"].to_numpy(),
            rows["payer_id"],
            rows["occurred_at"],
            capacity=self.settings.daily_capacity,
            draws=Draws(self.settings.gate_resamples, self.settings.seed),
        )

    @property
    def _registered(self) -> Mapping[str, float | None]:
        """The figures in the model's card; those at another daily capacity do not compare."""
        metrics = self.model.card.metrics
        is_same = self.model.evaluation.get("capacity") == self.settings.daily_capacity
        return {
            name: metrics[name].value
            for name in _COMPARED
            if name in metrics and (is_same or not name.endswith("_capacity"))
        }


def _furthest_first(
    conditions: Mapping[str, Condition], found: Mapping[str, Distances | None]
) -> dict[str, Condition]:
    moved = {name: -1.0 if one is None else one.psi for name, one in found.items()}
    return {name: conditions[name] for name in sorted(moved, key=moved.__getitem__, reverse=True)}


def _values(figures: LabelFigures) -> dict[str, float]:
    told = {name: one.value for name, one in figures.figures.items() if one.value is not None}
    return {"rows": figures.rows, "positives": figures.positives, **told}


def _table(
    record: WindowRecord,
    found: Mapping[str, Distances | None],
    conditions: Mapping[str, Condition],
    rows: tuple[int, int],
) -> pl.DataFrame:
    """One row a column, in the columns of `DRIFT`."""
    lines = [
        (
            record.feed,
            record.model,
            record.start,
            record.end,
            name,
            *rows,
            *(
                (None,) * 5
                if one is None
                else (one.psi, one.ks, one.wasserstein, one.reference_null_share, one.null_share)
            ),
            str(conditions[name]),
            str(record.condition),
        )
        for name, one in found.items()
    ]
    return pl.DataFrame(lines, schema=DTYPES, orient="row")
