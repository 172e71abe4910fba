"""Backtests: models trained and tested on folds of the past, as they could have been then."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from fraud_assets.backtest_data import (
    BacktestData,
    has_balances,
    read_backtest_data,
    with_features,
    write_features,
)
from fraud_assets.backtest_result import (
    ORACLE,
    OURS,
    RANDOM,
    BacktestResult,
    FoldResult,
    fold_notes,
    judged,
)
from fraud_assets.feed_catalogue import feed_catalogue
from fraud_assets.feeds import Feed
from gpu_ops.backtest_figures import (
    Capacity,
    oracle_scores,
    random_scores,
)
from gpu_ops.backtest_protocol import (
    LEAST_GAP,
    BacktestProtocol,
    Fold,
    Removal,
    rows_known,
    rows_to_test,
    training_rows,
)
from gpu_ops.engine import Engine
from gpu_ops.features import RING_NAMES, feature_names
from gpu_ops.matrices import Float64Array
from gpu_ops.own_model import HISTORY_FOLDS, EarlierFold, fit_own_model
from gpu_ops.published_features import PUBLISHED, PUBLISHED_NAMES
from gpu_ops.published_models import PUBLISHED_MODELS, fit_published

MODELS: Final = (OURS, *PUBLISHED_MODELS)
WITHOUT_RINGS: Final = "ours_without_rings"
"""Our model without the features of rings: what these add."""

OWN: Final = (OURS, WITHOUT_RINGS)
ALL_MODELS: Final = (*MODELS, WITHOUT_RINGS)
"""What can be asked for; `random` and `oracle` stand beside them always."""

REMOVALS: Final[tuple[Removal, ...]] = ("published", "known")

_LABELS: Final = ("transaction_id", "occurred_at", "is_fraud")

Say = Callable[[str], None]


@dataclass
class Backtest:
    """A backtest of one file; features of all folds are computed once, when they are first needed.

    Attributes:
        feed: The feed of the file.
        protocol: Where the folds lie.
        models: Of `ALL_MODELS`.
        engine: Where plans run and where our model trains.
        scratch: An empty folder.
        say: Told what is done, with rows and seconds.
        seed: Of the random row.
        threads: For models; 0 for one a CPU.
    """

    feed: Feed
    protocol: BacktestProtocol
    models: tuple[str, ...]
    engine: Engine
    scratch: Path
    say: Say
    seed: int = 0
    threads: int = 0
    _files: dict[str, Path] = field(default_factory=dict, init=False)

    def run(self, path: Path, count: int, now: datetime) -> BacktestResult:
        """Train and test every model on every fold.

        Args:
            path: The file of transactions.
            count: How many folds.
            now: Labels that are known only later are unknown.

        Raises:
            RefusedError: The file is unusable.
            BacktestError: It has no labels, or does not reach over the folds.
        """
        with self._told(f"read {path.name}"):
            data = read_backtest_data(
                path, self.feed, engine=self.engine, scratch=self.scratch, now=now
            )
        bad = sum(data.quarantined.values())
        self.say(
            f"{data.received:,} rows received: {data.rows.height:,} accepted, "
            f"{data.duplicate:,} duplicate, {bad:,} quarantined"
        )
        for reason, rows in data.quarantined.items():
            self.say(f"  quarantined: {rows:,} x {reason}")
        folds = self.protocol.folds(count, data.first, data.last)
        self._compute_features(data, folds)
        capacity = Capacity(
            "payer_id" if self.feed.backtest.entity == "payer" else "payee_id",
            self.feed.backtest.k,
        )
        results = tuple(self._fold(data, fold, capacity) for fold in folds)
        models = (*self.models, RANDOM, ORACLE)
        return BacktestResult(self.feed.name, path.name, data, capacity, models, results)

    def _compute_features(self, data: BacktestData, folds: Sequence[Fold]) -> None:
        end = folds[0].test.end
        if set(self.models) & set(PUBLISHED_MODELS):
            with self._told("published features"):
                self._files["published"] = self.scratch / "published.parquet"
                write_features(
                    data.rows,
                    _between(folds[-1].train.start, end),
                    PUBLISHED,
                    PUBLISHED_NAMES,
                    maturity=self.feed.label_maturity,
                    engine=self.engine,
                    path=self._files["published"],
                )
        if set(self.models) & set(OWN):
            oldest = self.protocol.fold(folds[-1].number + LEAST_GAP + HISTORY_FOLDS - 1)
            with self._told("features of the catalogue"):
                self._files[OURS] = self.scratch / "own.parquet"
                catalogue = feed_catalogue(self.feed)
                if not has_balances(data.rows):
                    catalogue = catalogue.without_balances()
                write_features(
                    data.rows,
                    _between(oldest.train.start, end),
                    catalogue,
                    feature_names(catalogue),
                    maturity=self.feed.label_maturity,
                    engine=self.engine,
                    path=self._files[OURS],
                )

    def _fold(self, data: BacktestData, fold: Fold, capacity: Capacity) -> FoldResult:
        rows = data.rows.lazy()
        train = training_rows(rows, fold, self.feed.label_maturity).collect()
        test = rows_to_test(rows, fold, capacity.party).collect()
        self.say(
            f"fold {fold.number}, training from {fold.train.start:%Y-%m-%d}: {train.height:,} rows "
            f"to train on, {test.height:,} to test"
        )
        notes = tuple(fold_notes(data, fold, train, test))
        can_be_fitted = train["is_fraud"].n_unique() > 1 and not test.is_empty()
        scores: dict[str, Float64Array] = {}
        for model in self.models if can_be_fitted else ():
            with self._told(f"fold {fold.number}, {model}"):
                scores[model] = self._scores(model, data, fold, train, test)
        scores[RANDOM] = random_scores(test.height, self.seed + fold.number)
        scores[ORACLE] = oracle_scores(test["is_fraud"].to_numpy())
        tested = {
            rule: judged(self.models, scores, test, test[rule], capacity) for rule in REMOVALS
        }
        return FoldResult(fold, train.height, int(train["is_fraud"].sum()), tested, notes)

    def _scores(
        self, model: str, data: BacktestData, fold: Fold, train: pl.DataFrame, test: pl.DataFrame
    ) -> Float64Array:
        threads = self.threads or os.cpu_count() or 1
        file = self._files[OURS if model in OWN else "published"]
        learned = with_features(train.select(_LABELS), file)
        asked = with_features(test.select("transaction_id", "occurred_at"), file)
        if model in OWN:
            left_out = RING_NAMES if model == WITHOUT_RINGS else ()
            own = fit_own_model(
                learned.drop(left_out),
                lambda earlier: self._earlier(data, fold, earlier, left_out),
                device=self.engine.device,
                threads=threads,
            )
            self.say(
                f"  {own.booster.report.rounds if own.booster.report else 0} trees by "
                f"{own.rounds_from}"
            )
            return own.predict(asked.drop(left_out), device=self.engine.device)
        labels = learned["is_fraud"].to_numpy()
        fitted = fit_published(model, _matrix(learned), labels, threads=threads)
        return fitted.predict(_matrix(asked))

    def _earlier(
        self, data: BacktestData, fold: Fold, earlier: int, left_out: Sequence[str]
    ) -> EarlierFold | None:
        """A fold that lies before another's labels were known; see `own_model.History`."""
        if not 0 <= earlier < HISTORY_FOLDS:
            return None
        older = self.protocol.fold(fold.number + LEAST_GAP + earlier)
        if older.train.start.date() < data.first.date():
            return None
        rows = data.rows.lazy()
        maturity = self.feed.label_maturity
        train = training_rows(rows, older, maturity).collect()
        test = rows_known(rows, older.test, fold.cutoff, maturity).collect()
        file = self._files[OURS]
        return EarlierFold(
            with_features(train.select(_LABELS), file).drop(left_out),
            with_features(test.select(_LABELS), file).drop(left_out),
        )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.say(f"{what}: {time.perf_counter() - started:.1f} s")


def _between(start: datetime, end: datetime) -> pl.Expr:
    return pl.col("occurred_at").is_between(pl.lit(start), pl.lit(end), closed="left")


def _matrix(frame: pl.DataFrame) -> Float64Array:
    return np.ascontiguousarray(frame.select(PUBLISHED_NAMES).to_numpy(), np.float64)
