from pathlib import Path

from fraud_assets.settings_page import settings_page
from resources.settings import Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


def test_the_page_is_that_of_the_settings() -> None:
    """Renew it: `python -m fraud_assets.settings_page > docs/settings.md`."""
    assert PAGE.read_text() == settings_page()


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `FRAUD_")]
    assert len(rows) == len(Settings.model_fields)
    assert all(len(row.split(" | ")[-1]) > len("meaning |") for row in rows)
    assert "| `FRAUD_LAKE` | `./lake` | A folder, file:// or s3://bucket/prefix. |" in rows
