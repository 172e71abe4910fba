from pathlib import Path

from fraud_assets.features_page import features_page

PAGE = Path(__file__).parents[1] / "docs" / "features.md"


def test_the_page_is_that_of_the_catalogue() -> None:
    """Renew it: `python -m fraud_assets.features_page > docs/features.md`."""
    assert PAGE.read_text() == features_page()


def test_a_row_says_whose_past_how_far_and_how() -> None:
    assert (
        "| `payee_label_risk_7d_delay_7d` | payee | 7d | 7d | (number with is_fraud and "
        "label_known_at < t) / (number of all) rows with same payee_id, t - 7d - 7d <= "
        "occurred_at < t - 7d | Fraud Detection Handbook (Le Borgne et al. 2022), chapter 3, "
        "terminal risk |"
    ) in PAGE.read_text().splitlines()
    assert "| `payer_time_since_last` | payer | lookback |  | " in PAGE.read_text()
