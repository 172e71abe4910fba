"""`fraud-assets tune`: a search in two parts, what it prints, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import gpu_ops.tuning
from gpu_ops.tuning import Trial

Cli = Callable[..., Result]


def test_a_search_goes_on_where_it_was(
    cli: Cli, copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(settings: dict[str, int | float], *_a: object, **_o: object) -> Trial:
        return Trial(settings, 0.5 if settings["max_depth"] == 5 else 0.75, 40)

    depths = iter((5, 4, 6))
    default = gpu_ops.tuning.default_settings()
    monkeypatch.setattr("fraud_assets.tuning.try_settings", found)
    monkeypatch.setattr(
        "fraud_assets.tuning.next_settings", lambda *_: {**default, "max_depth": next(depths)}
    )
    first = cli(copied, "tune", "--feed", "sim", "--trials", "2", "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert (told["feed"], told["made"], told["tuned"]) == ("sim", 2, True)
    assert [one["average_precision"] for one in told["trials"]] == [0.5, 0.75]
    assert told["chosen"] == {
        "settings": {**default, "max_depth": 4},
        "trials": 2,
        "default_average_precision": 0.5,
        "best_average_precision": 0.75,
        "confirmed_gain": 0.25,
    }
    assert "trial 1: average precision 0.7500, 40 trees" in first.stderr
    more = cli(copied, "tune", "--feed", "sim", "--trials", "3")
    assert "2 trials on these rows are stored; going on from there" in more.stderr
    assert "trial 2:" in more.stderr
    assert "trial 1:" not in more.stderr
    shown = [line.split() for line in more.stdout.splitlines()]
    assert [line[0] for line in shown if line[-1:] in (["0.5000"], ["0.7500"])] == [
        "default",
        "1",
        "2",
    ]
    assert "the next training takes the best" in more.stdout


def test_what_cannot_be_searched_is_told(cli: Cli, tmp_path: Path) -> None:
    unknown = cli(tmp_path, "tune", "--feed", "sin")
    assert unknown.exit_code == 2
    assert "there is no feed 'sin'; known feeds: aml, card, paysim, sim" in unknown.output
    empty = cli(tmp_path, "tune", "--feed", "sim")
    assert empty.exit_code == 1
    assert "nothing to tune sim on: no prepared transactions" in empty.output
