"""The engine `gpu` runs on a GPU or not at all."""

import polars as pl
import pytest

from gpu_ops.engine import Engine, EngineUnavailableError

PLAN = pl.LazyFrame({"amount": [1.0]})


def test_without_a_gpu_no_plan_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_ops.gpu_driver.find_driver", lambda: None)
    with pytest.raises(EngineUnavailableError, match="reports no GPU here"):
        Engine("gpu").collect(PLAN)


def test_polars_is_not_allowed_to_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[pl.GPUEngine] = []

    def collect(plan: pl.LazyFrame, *, engine: pl.GPUEngine) -> pl.DataFrame:
        asked.append(engine)
        return pl.DataFrame()

    monkeypatch.setattr("gpu_ops.engine.require_gpu", lambda: None)
    monkeypatch.setattr(pl.LazyFrame, "collect", collect)
    Engine("gpu").collect(PLAN)
    (engine,) = asked
    assert engine.config == {"executor": "in-memory", "raise_on_fail": True}
