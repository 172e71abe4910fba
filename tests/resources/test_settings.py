from pathlib import Path

import pytest

from gpu_ops.gate import GateBounds
from resources.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("FRAUD_"):
            monkeypatch.delenv(name)


def test_without_any_variable_the_lake_is_a_folder_here() -> None:
    settings = Settings.load()
    assert settings.lake == "./lake"
    assert settings.engine == "cpu"
    assert settings.open_lake().folder == Path.cwd() / "lake"


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_LAKE", "s3://bucket/a/b/")
    monkeypatch.setenv("FRAUD_DAILY_CAPACITY", "7")
    settings = Settings.load()
    assert settings.open_lake().url == "s3://bucket/a/b"
    assert settings.daily_capacity == 7


def test_every_mistake_has_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_ENGINE", "cup")
    monkeypatch.setenv("FRAUD_DAILY_CAPACITY", "0")
    monkeypatch.setenv("FRAUD_LAKE", "gs://bucket")
    monkeypatch.setenv("FRAUD_DAILY_CAPACTIY", "5")
    monkeypatch.setenv("FRAUD_BATCH", "local")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    assert "FRAUD_DAILY_CAPACTIY: no such setting; did you mean FRAUD_DAILY_CAPACITY?" in lines
    assert any("FRAUD_ENGINE='cup'" in line and "'cpu-streaming'" in line for line in lines)
    assert any("FRAUD_DAILY_CAPACITY='0'" in line and "1" in line for line in lines)
    assert any("FRAUD_LAKE='gs://bucket'" in line and "s3://" in line for line in lines)


def test_a_feeds_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a folder"):
        Settings(feeds_dir=tmp_path / "none")


def test_bounds_of_the_gate_must_leave_room_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().gate_bounds == GateBounds(
        min_roc_auc=0.7,
        max_average_precision_loss=0.005,
        min_positives=50,
        calibration_slope=(0.8, 1.25),
        mean_score_ratio=(0.8, 1.25),
        p99_latency_ms=100.0,
        resamples=1_000,
    )
    monkeypatch.setenv("FRAUD_GATE_CALIBRATION_SLOPE_LOW", "1.25")
    monkeypatch.setenv("FRAUD_GATE_MEAN_SCORE_RATIO_HIGH", "0.7")
    monkeypatch.setenv("FRAUD_GATE_MIN_ROC_AUC", "1.5")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    told = str(caught.value)
    assert "HIGH=1.25: it must be above FRAUD_GATE_CALIBRATION_SLOPE_LOW=1.25" in told
    assert "HIGH='0.7': it must be above FRAUD_GATE_MEAN_SCORE_RATIO_LOW=0.8" in told
    assert "FRAUD_GATE_MIN_ROC_AUC='1.5'" in told


def test_every_setting_tells_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())
