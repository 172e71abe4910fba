from pathlib import Path

from fraud_assets.dictionary import data_dictionary

PAGE = Path(__file__).resolve().parents[1] / "docs" / "data-dictionary.md"


def test_the_page_is_what_the_contracts_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == data_dictionary(), (
        "run: python -m fraud_assets.dictionary docs/data-dictionary.md"
    )


def test_every_layer_has_its_table() -> None:
    page = data_dictionary()
    for heading in (
        "## raw_transactions",
        "## prepped_transactions",
        "## augmented_transactions",
        "## account_graph",
        "## fraud_rings",
        "## published_alerts",
        "## registered_model",
    ):
        assert heading in page
    assert "`payee_label_risk_7d_delay_7d`" in page
    assert "`EMPTIES_ACCOUNT`" in page
