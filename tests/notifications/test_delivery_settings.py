"""Settings of delivery: checked together, and their secrets never shown."""

import os
from pathlib import Path

import pytest

from resources.delivery_target import Target
from resources.settings import Settings, SettingsError

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("FRAUD_"):
            monkeypatch.delenv(name)


def names(targets: list[Target]) -> list[str]:
    return [target.name for target in targets]


def test_without_settings_nothing_is_delivered_or_asked_of_bedrock() -> None:
    settings = Settings.load()
    assert settings.targets() == []
    assert settings.bedrock_model is None


def test_each_address_is_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_SNS_TOPIC", TOPIC)
    assert names(Settings.load().targets()) == ["sns"]
    monkeypatch.setenv("FRAUD_WEBHOOK_URL", "https://hooks.example.org/token-in-path")
    monkeypatch.setenv("FRAUD_WEBHOOK_SECRET", "a-secret-of-this-test")
    settings = Settings.load()
    assert names(settings.targets()) == ["sns", "webhook"]
    shown = f"{settings!r} {settings} {settings.model_dump_json()} {settings.targets()}"
    assert "token-in-path" not in shown
    assert "a-secret" not in shown


def test_every_mistake_has_its_line_and_secrets_are_not_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = {
        "FRAUD_SNS_TOPIC": "alerts",
        "FRAUD_WEBHOOK_URL": "http://hooks.example.org/token-in-path",
        "FRAUD_WEBHOOK_SECRET": "too-short",
        "FRAUD_WEBHOOK_SECRET_FILE": str(tmp_path / "gone"),
        "FRAUD_DELIVERY_SINCE": "2026-01-01T00:00:00",
        "FRAUD_BEDROCK_OUTPUT_PRICE": "5",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    _, *lines = str(caught.value).splitlines()
    assert sorted(line.partition(": ")[0].partition("=")[0] for line in lines) == sorted(wrong)
    assert "token-in-path" not in str(caught.value)
    assert "too-short" not in str(caught.value)
    assert (
        "FRAUD_WEBHOOK_URL: it must be https; FRAUD_WEBHOOK_ALLOW_HTTP=true accepts plain http"
        in lines
    )
    assert f"FRAUD_SNS_TOPIC='alerts': expected {TOPIC[:12]}<region>:<12 digits>:<topic>" in lines


def test_one_secret_is_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("of-the-file", encoding="utf-8")
    monkeypatch.setenv("FRAUD_WEBHOOK_SECRET_FILE", str(file))
    assert Settings.load().webhook_secret_file == file
    monkeypatch.setenv("FRAUD_WEBHOOK_SECRET", "a-secret-of-this-test")
    with pytest.raises(SettingsError, match="keep one of both"):
        Settings.load()


def test_prices_come_in_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_BEDROCK_INPUT_PRICE", "1.0")
    with pytest.raises(SettingsError, match="or neither"):
        Settings.load()
    monkeypatch.setenv("FRAUD_BEDROCK_OUTPUT_PRICE", "5.0")
    assert Settings.load().bedrock_output_price == 5.0
