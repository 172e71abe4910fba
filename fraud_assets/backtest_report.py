"""A backtest as one JSON object and as a table for a terminal."""

from collections.abc import Iterable, Iterator
from typing import Final

from pydantic import JsonValue

from fraud_assets.backtest_result import OURS, BacktestResult, FoldResult, Tested
from gpu_ops.backtest_figures import (
    Figures,
    ModelFigures,
    mean_and_spread,
    paired_differences,
)

Json = dict[str, JsonValue]

_NAME_WIDTH: Final = 24


def as_json(result: BacktestResult) -> Json:
    """The backtest with every figure; what is not defined is null.

    Returns:
        `folds`, each with `train_start`, `train_rows`, `test_rows` and `results` (model to `auc`,
        `ap`, `cp100`), `mean` and `std` (ddof 0) of the published rule of removal; beside them the
        same for the other rule, scenarios, paired differences, notes, and what became of the file.
    """
    published = [fold.tested["published"].results for fold in result.folds]
    known = [fold.tested["known"].results for fold in result.folds]
    mean, spread = mean_and_spread(published)
    known_mean, known_spread = mean_and_spread(known)
    reference = reference_model(result)
    differences = paired_differences(published, reference)
    paired_mean, paired_spread = mean_and_spread(differences)
    return {
        "feed": result.feed,
        "file": result.file,
        "rows": {
            "received": result.data.received,
            "accepted": result.data.rows.height,
            "duplicate": result.data.duplicate,
            "quarantined": sum(result.data.quarantined.values()),
            "quarantined_by_reason": dict(result.data.quarantined),
        },
        "entity": result.capacity.party.removesuffix("_id"),
        "k": result.capacity.k,
        "folds": [_fold(fold) for fold in result.folds],
        "mean": _models(mean),
        "std": _models(spread),
        "paired": {
            "reference": reference,
            "folds": [_models(one) for one in differences],
            "mean": _models(paired_mean),
            "std": _models(paired_spread),
        },
        "known_removed": {"mean": _models(known_mean), "std": _models(known_spread)},
    }


def reference_model(result: BacktestResult) -> str:
    """The model that the others are compared with: ours, or the first that was asked for."""
    return OURS if OURS in result.models else result.models[0]


def as_lines(result: BacktestResult) -> Iterator[str]:
    """The backtest for a terminal: a table a fold, then mean and spread, then the differences."""
    metrics = result.capacity.metrics
    for fold in result.folds:
        tested = fold.tested["published"]
        yield (
            f"Fold {fold.fold.number}: training {fold.fold.train.start:%Y-%m-%d}, "
            f"{fold.train_rows:,} rows, {fold.train_frauds:,} frauds; test "
            f"{fold.fold.test.start:%Y-%m-%d}, {tested.rows:,} rows, {tested.frauds:,} frauds"
        )
        yield from (f"  note: {note}" for note in fold.notes)
        yield _line("", metrics)
        for model, figures in tested.results.items():
            yield _line(model, (shown(figures[metric]) for metric in metrics))
        yield ""
    if len(result.folds) > 1:
        results = [fold.tested["published"].results for fold in result.folds]
        mean, spread = mean_and_spread(results)
        yield f"Mean and standard deviation over {len(result.folds)} folds"
        yield _line("", metrics)
        for model in mean:
            yield _line(
                model, (with_spread(mean[model][one], spread[model][one]) for one in metrics)
            )
        yield ""
        reference = reference_model(result)
        differences, deviations = mean_and_spread(paired_differences(results, reference))
        yield f"{reference} less each other model, paired by fold"
        for model in differences:
            mean_of, spread_of = differences[model], deviations[model]
            yield _line(model, (with_spread(mean_of[one], spread_of[one]) for one in metrics))


def shown(value: float | None) -> str:
    """A figure with three places, or a dash where it is not defined."""
    return "-" if value is None else f"{value:.3f}"


def with_spread(mean: float | None, spread: float | None) -> str:
    """A mean with its standard deviation, or a dash where it is not defined."""
    return "-" if mean is None else f"{shown(mean)} ± {shown(spread)}"


def _line(name: str, cells: Iterable[str]) -> str:
    return f"  {name:<{_NAME_WIDTH}}" + "".join(f"{cell:>17}" for cell in cells)


def _fold(result: FoldResult) -> Json:
    published, known = result.tested["published"], result.tested["known"]
    return {
        "train_start": f"{result.fold.train.start:%Y-%m-%d}",
        "test_start": f"{result.fold.test.start:%Y-%m-%d}",
        "train_rows": result.train_rows,
        "train_frauds": result.train_frauds,
        **_tested(published),
        "known_removed": _tested(known),
        "notes": list(result.notes),
    }


def _tested(tested: Tested) -> Json:
    return {
        "test_rows": tested.rows,
        "test_frauds": tested.frauds,
        "results": _models(tested.results),
        "scenarios": {
            name: {"frauds": frauds, "results": _models(found)}
            for name, (frauds, found) in tested.scenarios.items()
        },
    }


def _models(found: ModelFigures) -> Json:
    return {model: _figures(figures) for model, figures in found.items()}


def _figures(figures: Figures) -> Json:
    return dict(figures)
