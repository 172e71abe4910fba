"""A whole run of the assets with the GPU's engine: which plans it gets, and which stay behind."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from gpu_ops.engine import Engine, polars_gpu_engine
from tests.gpu.translation import needs_translator, translating

pytestmark = needs_translator
ROOT = Path(__file__).parents[2]
PACKAGES = ("fraud_assets", "gpu_ops", "resources", "schedules")

STAYS_ON_CPU = {
    # What the GPU would gain on these is less than handing the rows over costs.
    "fraud_assets/alerts.py": "a day's capacity of rows",
    "fraud_assets/augmented.py": "figures of a file that was just written",
    "fraud_assets/case_assets.py": "published alerts: a day's capacity of rows",
    "fraud_assets/case_weights.py": "rings and contributions of alerts, a few rows",
    "fraud_assets/graph.py": "edges and accounts are read for the graph engine",
    "fraud_assets/label_intake.py": "labels of one file and the transactions that they judge",
    "fraud_assets/labelled_features.py": "moments at which labels change, a few rows",
    "fraud_assets/labelled_rows.py": "read once for the models, which have the GPU",
    "fraud_assets/prepped.py": "figures of a file that was just written",
    "fraud_assets/published.py": "alerts: a day's capacity of rows",
    "fraud_assets/restoring.py": "alerts: a day's capacity of rows",
    "fraud_assets/raw.py": "ids of former uploads are read as a stream",
    "fraud_assets/recommending.py": "three counts of a file that was just written",
    "fraud_assets/report.py": "what the command line shows",
    "fraud_assets/what_if.py": "eight columns of labelled rows",
    "fraud_assets/drift.py": "one column of a few rows",
    "fraud_assets/ring_history.py": "rings as known: the pattern search runs on the CPU",
    "fraud_assets/ring_payments.py": "payments of the rings that become alerts, a few rows",
    "fraud_assets/ring_search.py": "probabilities and labels of kept payments, a few rows",
    "fraud_assets/same_rows.py": "ids are compared as a stream",
    "fraud_assets/scored_rows.py": "read in chunks for the models, which have the GPU",
    "fraud_assets/scoring.py": "the first rows of a feed, to fit a forest",
    "fraud_assets/shadow.py": "four columns of labelled rows",
    "fraud_assets/table_keys.py": "contracts: one pass over a file, read in batches",
    "fraud_assets/training.py": "a count",
    "gpu_ops/engine.py": "reading: the GPU's reader knows no roles and no endpoint",
    "gpu_ops/feature_plan.py": "the first and last time of the targets; joins read from files",
    "gpu_ops/labels.py": "judgements are few beside transactions",
    "gpu_ops/label_maturity.py": "one quantile of a feed",
    "gpu_ops/ranking.py": "rows that may alert are chosen from six columns",
    "gpu_ops/patterns.py": "rows are read for compiled loops",
    "gpu_ops/ring_features.py": "few rows have a party in a ring: a join with a small table",
    "gpu_ops/rings_known.py": "a few days are read for compiled loops",
    "gpu_ops/splits.py": "four counts",
    "resources/attempts.py": "writing: results are streamed to files",
}
"""Modules that collect plans themselves, and why; all else goes through `Engine.collect`."""


@contextmanager
def collected_elsewhere() -> Iterator[dict[str, list[str]]]:
    """Watch plans that the project collects or writes without its engine.

    Yields:
        By module, an entry for each plan: what the translator refuses of it, or nothing.
    """
    from cudf_polars.dsl.translate import Translator

    found: dict[str, list[str]] = {}

    def watch(plan: pl.LazyFrame, depth: int) -> None:
        caller = sys._getframe(depth)
        path = Path(caller.f_code.co_filename)
        # A call from within Polars is a method of a table, and no plan of ours.
        if not path.is_relative_to(ROOT) or path.relative_to(ROOT).parts[0] not in PACKAGES:
            return
        translator = Translator(plan._ldf.visit(), polars_gpu_engine())
        with suppress(NotImplementedError):
            translator.translate_ir()
        module = path.relative_to(ROOT).as_posix()
        found.setdefault(module, []).append("; ".join(map(str, translator.errors)))

    with pytest.MonkeyPatch.context() as patch:
        for name in ("collect", "sink_parquet"):
            original = getattr(pl.LazyFrame, name)

            def watched(
                plan: pl.LazyFrame,
                *given: object,
                original: Callable[..., object] = original,
                **named: object,
            ) -> object:
                watch(plan, 2)
                return original(plan, *given, **named)

            patch.setattr(pl.LazyFrame, name, watched)
        yield found


def test_a_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reported: Callable[[str, str], None]
) -> None:
    from fraud_assets import graph, model
    from fraud_assets.cli import main
    from fraud_assets.modelling import fit
    from gpu_ops.graph_engine import CpuGraphEngine

    monkeypatch.setenv("FRAUD_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FRAUD_ENGINE", "gpu")
    # Plans are what is proven here. Models and graph algorithms make none and need the GPU itself.
    monkeypatch.setattr(Engine, "device", "cpu")
    monkeypatch.setattr(graph, "graph_engine_of", lambda _: CpuGraphEngine())
    monkeypatch.setattr(model, "fit", lambda rows, settings, _, **_more: fit(rows, settings, "cpu"))

    def call(*arguments: str) -> None:
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output

    made = ("--rows", "6000", "--days", "60", "--rings", "5", "--seed", "7", "--files", "2")
    call("simulate", *made, "--out", str(tmp_path / "made"))
    with translating() as plans, collected_elsewhere() as elsewhere:
        files = sorted(str(path) for path in (tmp_path / "made").glob("*.csv"))
        call("land", *files, "--feed", "sim")
        call("run")
    assert len(plans) > 30
    assert not any(plans), plans
    unknown = sorted(set(elsewhere) - set(STAYS_ON_CPU))
    assert not unknown, f"hand these plans to Engine.collect, or say why not: {unknown}"
    refused = {module: errors for module, errors in elsewhere.items() if any(errors)}
    assert refused == {}
    reported("plans of a whole run on the engine", str(len(plans)))
    kept = f"{sum(map(len, elsewhere.values()))} in {len(elsewhere)} modules, none refused"
    reported("plans of a whole run that stay on the CPU", kept)
