import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result

from fraud_assets.alerts import draft
from fraud_assets.publication import Draft
from gpu_ops.ranking import rank_ring_alerts

Cli = Callable[..., Result]
Tables = Callable[[Path], dict[str, pl.DataFrame]]
Environment = Callable[[Path], dict[str, str]]


def started(environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fraud_assets.cli", "run", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_runs_at_once_give_one_result(
    cli: Cli,
    tables: Tables,
    process_environment: Environment,
    undisturbed: Path,
    learnable_csv: Path,
    tmp_path: Path,
) -> None:
    cli(tmp_path, "land", str(learnable_csv), "--feed", "sim")
    both = [started(process_environment(tmp_path)) for _ in range(2)]
    ended = [run.communicate(timeout=300) for run in both]
    assert [run.returncode for run in both] == [0, 0], ended
    for output, _ in ended:
        (upload,) = json.loads(output)["uploads"]
        assert (upload["state"], upload["accepted"]) == ("accepted", 3024)
    expected = tables(undisturbed)
    for name, table in tables(tmp_path).items():
        assert table.equals(expected[name]), name
    told = [
        json.loads(line)["alert_id"]
        for file in (tmp_path / "lake" / "outbox" / "alerts").iterdir()
        for line in file.read_text().splitlines()
    ]
    assert len(told) == len(set(told)) == len(expected["published_alerts"])


@pytest.mark.slow
def test_a_ranking_that_another_run_overtook_is_no_failure(
    cli: Cli, tables: Tables, undisturbed: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("graphs", "alerts", "outbox"):
        shutil.rmtree(copied / "lake" / folder)
    overtaken: list[int] = []

    def rank_late(
        rings: pl.DataFrame, published: pl.DataFrame | None, *, capacity: int
    ) -> pl.DataFrame:
        if not overtaken:
            overtaken.append(1)
            assert cli(copied, "run").exit_code == 0
        return rank_ring_alerts(rings, published, capacity=capacity)

    monkeypatch.setattr("fraud_assets.alerts.rank_ring_alerts", rank_late)
    done = cli(copied, "run", "--json")
    assert overtaken
    assert (done.exit_code, json.loads(done.stdout)["problems"]) == (0, [])
    assert "another run published alerts meanwhile" in done.stderr
    assert tables(copied)["published_alerts"].equals(tables(undisturbed)["published_alerts"])
    assert len(list((copied / "lake" / "outbox" / "alerts").iterdir())) == 1


@pytest.mark.slow
def test_a_run_that_slept_while_another_published_goes_on(
    cli: Cli, tables: Tables, undisturbed: Path, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lost its lease between its draft and its manifest; each alert is told once."""
    for folder in ("graphs", "alerts", "outbox"):
        shutil.rmtree(copied / "lake" / folder)

    def slow(*arguments: object, **options: object) -> Draft:
        staged = draft(*arguments, **options)  # type: ignore[arg-type] # passed on
        monkeypatch.setattr("fraud_assets.published.draft", draft)
        assert cli(copied, "run").exit_code == 0
        return staged

    monkeypatch.setattr("fraud_assets.published.lease", lambda *_, **__: nullcontext())
    monkeypatch.setattr("fraud_assets.published.draft", slow)
    done = cli(copied, "run", "--json")
    assert (done.exit_code, json.loads(done.stdout)["problems"]) == (0, [])
    assert "another run published alerts meanwhile" in done.stderr
    assert tables(copied)["published_alerts"].equals(tables(undisturbed)["published_alerts"])
    (told,) = (copied / "lake" / "outbox" / "alerts").iterdir()
    assert len(told.read_text().splitlines()) == tables(copied)["published_alerts"].height
