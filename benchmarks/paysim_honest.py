"""PaySim with and without its leaks: what a detector scores there, and how much of it is earned.

    python benchmarks/paysim_honest.py [--data DIR] [--trees N] [--explain]

Rows are hourly steps. A model learns from the steps up to 440, stops and chooses its threshold
(the highest F1) on 441 to 520, and is judged once on all later ones. With a label gap, the same
windows end a gap before each other, so that every label is known when it is used: once the feed's
own label delay, and once the week that chargebacks take. Features know labels after that time.

Three sets of columns: the catalogue without any balance; with the balances before the decision;
and with those after it as well, which is a leak: `newbalanceOrig` is the outcome, and
`newbalanceDest` is written at the end of the step and holds later payments.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.features import paysim  # noqa: E402 - runs from a checkout as it is
from fraud_assets.feeds import load_feeds  # noqa: E402
from gpu_ops.booster_params import BoosterParams  # noqa: E402
from gpu_ops.boosting import Booster, train_booster  # noqa: E402
from gpu_ops.engine import Engine  # noqa: E402
from gpu_ops.features import CATALOGUE, feature_table  # noqa: E402
from gpu_ops.matrices import Float32Array  # noqa: E402
from gpu_ops.metrics import average_precision, roc_auc  # noqa: E402
from gpu_ops.training_rows import TrainingTable, training_sample  # noqa: E402

FRAUD_KINDS: Final = ("transfer", "cash_out")
STEP: Final = timedelta(hours=1)
WEEK: Final = timedelta(days=7)
NO_GAP: Final = timedelta(0)
MOST_ROWS: Final = 300_000
"""Training rows: all frauds and a weighted sample of the rest, as the assets take them."""

TRAIN_UNTIL, CHOOSE_UNTIL, DRIFT_FROM = 440, 520, 700
LEAKS: Final = ("newbalanceOrig", "newbalanceDest")
FIGURES: Final = ("AP", "ROC AUC", "precision", "recall", "fraud rate", "frauds", "rows")
PARTIES: Final = ("feed", "payer", "payee", "payer_id", "payee_id")
BALANCES: Final = {
    "no balance column": "none",
    "balances before the decision": "before",
    "all balances (a leak)": "all",
}


@dataclass(frozen=True)
class Windows:
    """Last steps of training, and first and last of the choice; the test is all after 520."""

    train_until: int
    choose_from: int
    choose_until: int

    @classmethod
    def apart_by(cls, gap: timedelta) -> "Windows":
        """The same 80 steps of choice, each window a gap before what follows it."""
        steps = gap // STEP
        until = CHOOSE_UNTIL - steps
        first = until - (CHOOSE_UNTIL - TRAIN_UNTIL) + 1
        return cls(first - 1 - steps, first, until)


@dataclass(frozen=True)
class Result:
    """A booster's figures on the test."""

    average_precision: float | None
    roc_auc: float | None
    precision: float
    recall: float
    rows: int
    frauds: int


def feed_delay() -> timedelta:
    """How long the labels of the project's own feed for PaySim take."""
    delay = load_feeds()["paysim"].label_delay
    if delay is None:
        raise ValueError("the feed 'paysim' says no label_delay: give it one to have its gap")
    return delay


def tables(path: Path, label_delay: timedelta) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each set of columns by name: `step`, `kind`, the label and the features."""
    transactions = paysim(path).with_columns(label_known_at=pl.col("occurred_at") + label_delay)
    known = (
        pl.scan_parquet(path)
        .with_row_index("row")
        .select(pl.col("row").cast(pl.String).str.zfill(9).alias("transaction_id"), "step", *LEAKS)
    )
    for title, balances in BALANCES.items():
        catalogue = CATALOGUE if balances != "none" else CATALOGUE.without_balances()
        features = feature_table(
            transactions, is_target=pl.lit(value=True), engine=Engine("cpu"), catalogue=catalogue
        )
        extra = known if balances == "all" else known.drop(LEAKS)
        yield (
            title,
            features.join(extra, on="transaction_id", how="left", maintain_order="left")
            .join(
                transactions.select("transaction_id", "kind", "is_fraud"),
                on="transaction_id",
                how="left",
                maintain_order="left",
            )
            .collect(),
        )


def fitted(rows: pl.DataFrame, windows: Windows, trees: int) -> tuple[Booster, float]:
    """A booster of the training steps, and the threshold with the highest F1 on the chosen."""
    step = pl.col("step")
    train = _table(
        training_sample(
            rows.filter(step <= windows.train_until), max_training_rows=MOST_ROWS, seed=0
        )
    )
    choice = rows.filter(step.is_between(windows.choose_from, windows.choose_until))
    later = _table(choice)
    booster = train_booster(train, later, BoosterParams(rounds=trees), threads=2)
    return booster, best_f1(_margins(booster, choice), later.labels)


def best_f1(margins: Float32Array, labels: np.ndarray) -> float:
    """The margin at and above which F1 is the highest."""
    order = np.argsort(-margins, kind="stable")
    hits = np.cumsum(labels[order])
    f1 = 2 * hits / (np.arange(1, hits.size + 1) + labels.sum())
    # A threshold takes all rows of one score or none.
    ends = np.append(np.diff(margins[order]) != 0, True)
    return float(margins[order][np.flatnonzero(ends)[np.argmax(f1[ends])]])


def judged(booster: Booster, threshold: float, rows: pl.DataFrame) -> Result:
    """The figures on test rows."""
    margins, labels = _margins(booster, rows), rows["is_fraud"].to_numpy()
    alerts = margins >= threshold
    hits = float((alerts & labels).sum())
    return Result(
        average_precision(margins.astype(np.float64), labels),
        roc_auc(margins.astype(np.float64), labels),
        hits / max(1.0, float(alerts.sum())),
        hits / max(1.0, float(labels.sum())),
        rows.height,
        int(labels.sum()),
    )


def _margins(booster: Booster, rows: pl.DataFrame) -> Float32Array:
    return booster.predict_margin(rows.select(booster.columns))


def _table(rows: pl.DataFrame) -> TrainingTable:
    return TrainingTable.of(rows.drop("step", "kind"))


def headed(*head: str) -> None:
    """Print the head of a table."""
    print("| " + " | ".join(head) + " |")
    print("|" + " --- |" * len(head))


def shown(cells: tuple[str, ...], result: Result) -> None:
    """Print one row of the table."""
    figures = (
        f"{result.average_precision:.3f}",
        f"{result.roc_auc:.3f}",
        f"{result.precision:.3f}",
        f"{result.recall:.3f}",
        f"{result.frauds / result.rows:.4f}",
        f"{result.frauds:,}",
        f"{result.rows:,}",
    )
    print("| " + " | ".join((*cells, *figures)) + " |", flush=True)


def thinned(booster: Booster, rows: pl.DataFrame, threshold: float) -> None:
    """The same test with fewer frauds: how far average precision follows their share alone."""
    for share in (1.0, 0.3, 0.1):
        frauds = rows.filter("is_fraud").sample(fraction=share, seed=0)
        result = judged(booster, threshold, pl.concat([rows.filter(~pl.col("is_fraud")), frauds]))
        shown((f"{share:.0%} of the frauds",), result)


def explained(rows: pl.DataFrame, trees: int) -> None:
    """What average precision without balances rests on: columns left out, and poorer victims.

    A fraud takes the victim's balance, so where victims are rich their frauds stand out by the
    amount alone. Other runs of the simulator have other victims.
    """
    identity = ("transaction_id", "occurred_at", "step", "kind", "is_fraud", "weight")
    past = ("payer", "payee", "pair", "amount_to", "is_first")
    features = [name for name in rows.columns if name not in {*identity, *PARTIES}]
    clock = {"hour_of_day", "day_of_week", "is_weekend", "is_night"}
    no_time = [name for name in features if name not in clock]
    sets = {
        "all columns": features,
        "the amount alone": ["amount"],
        "the payment alone": [name for name in features if not name.startswith(past)],
        "the payee's past alone": [name for name in features if name.startswith("payee")],
        "no time of day": no_time,
        "neither time of day nor any amount": [name for name in no_time if "amount" not in name],
    }
    kept = [name for name in rows.columns if name not in features]
    tried = {title: rows.select(*kept, *columns) for title, columns in sets.items()}
    usual = pl.col("amount").filter(~pl.col("is_fraud"))
    for share in (0.9, 0.5):
        is_usual = pl.col("amount") <= usual.quantile(share).over("kind")
        title = f"only frauds below the {share:.0%} quantile of other amounts"
        tried[title] = rows.filter(~pl.col("is_fraud") | is_usual)
    headed("", *FIGURES)
    for title, table in tried.items():
        booster, threshold = fitted(table, Windows.apart_by(NO_GAP), trees)
        shown((title,), judged(booster, threshold, table.filter(pl.col("step") > CHOOSE_UNTIL)))


def compared(
    path: Path, label_delay: timedelta, cases: tuple[tuple[str, timedelta], ...], trees: int
) -> tuple[Booster, pl.DataFrame, float] | None:
    """Print each case of each set of columns.

    Returns:
        Booster, test rows and threshold without balances, on the kinds of the frauds and without
        a gap; None where that is none of the cases.
    """
    plain = None
    for title, table in tables(path, label_delay):
        for kinds, gap in cases:
            some = table.filter(pl.col("kind").is_in(FRAUD_KINDS)) if kinds != "all" else table
            booster, threshold = fitted(some, Windows.apart_by(gap), trees)
            test = some.filter(pl.col("step") > CHOOSE_UNTIL)
            early = test.filter(pl.col("step") < DRIFT_FROM)
            days = f"{gap.days} d"
            shown((title, kinds, days, "> 520"), judged(booster, threshold, test))
            shown((title, kinds, days, "521-699"), judged(booster, threshold, early))
            if BALANCES[title] == "none" and kinds != "all" and not gap:
                plain = (booster, test, threshold)
    return plain


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--explain", action="store_true", help="only what the score rests on")
    options = parser.parse_args()
    path = options.data / "paysim" / "paysim_1.3m.parquet"
    if options.explain:
        _, table = next(tables(path, WEEK))
        explained(table.filter(pl.col("kind").is_in(FRAUD_KINDS)), options.trees)
        return
    headed("columns", "kinds", "gap", "test", *FIGURES)
    weekly = (("fraud's", NO_GAP), ("fraud's", WEEK), ("all", NO_GAP))
    model = compared(path, WEEK, weekly, options.trees)
    compared(path, feed_delay(), (("fraud's", feed_delay()),), options.trees)
    print("\nWithout balances, transfers and cash-outs, no gap:")
    if model is not None:
        thinned(*model)


if __name__ == "__main__":
    main()
