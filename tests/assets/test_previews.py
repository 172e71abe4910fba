"""Previews: the first rows, readable, without a name of anybody."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest
from dagster import DagsterEventType

from fraud_assets.metadata import IDENTIFIERS, lineage, preview

if TYPE_CHECKING:
    from tests.assets.conftest import Trained


def table_of(value: dg.MetadataValue) -> list[list[str]]:
    lines = str(value.value).splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_identifiers_are_masked_and_everything_else_is_as_it_is() -> None:
    frame = pl.DataFrame(
        {
            "transaction_id": ["transaction-0001"],
            "payer": ["card:customer:596"],
            "payee": ["card:terminal:12345678"],
            "occurred_at": [datetime(2026, 3, 2, 12, tzinfo=UTC)],
            "amount": [1234.5],
            "probability": [0.01234],
            "reasons": [["A", "B"]],
            "nothing": [None],
        }
    )
    head, _, row = table_of(preview(frame))
    assert head == frame.columns
    assert row == [
        "…0001",
        "…6",
        "…5678",
        "2026-03-02 12:00:00+00:00",
        "1,234.50",
        "0.01234",
        "A, B",
        "",
    ]


@pytest.mark.parametrize("name", sorted(IDENTIFIERS))
def test_each_identifying_column_is_masked_alone_and_in_lists(name: str) -> None:
    secret = "sim:account:telltale-00001234"  # noqa: S105 - an account, not a password
    one = pl.DataFrame({name: [secret]})
    many = pl.DataFrame({name: [[secret] * 9]})
    for frame, shown in ((one, "…1234"), (many, "…1234, …1234, …1234, …1234 …")):
        text = str(preview(frame).value)
        assert "telltale" not in text
        assert table_of(preview(frame))[2] == [shown]


def test_a_preview_is_short_and_its_table_holds_together() -> None:
    frame = pl.DataFrame({"note": ["a | b\nc"] * 50, "amount": [1.0] * 50})
    lines = str(preview(frame, ["note"]).value).splitlines()
    assert len(lines) == 10
    assert lines[2] == "| a \\| b c |"


def test_lineage_names_the_upstream_columns() -> None:
    found = lineage("raw_transactions", {"payer": ["payer_id"], "loss": ["amount", "currency"]})
    assert found.deps_by_column["loss"] == [
        dg.TableColumnDep(asset_key=dg.AssetKey("raw_transactions"), column_name="amount"),
        dg.TableColumnDep(asset_key=dg.AssetKey("raw_transactions"), column_name="currency"),
    ]


def test_no_metadata_of_any_asset_names_a_person_an_account_or_a_transaction(
    trained: "Trained",
) -> None:
    """Everything that the trained project's runs left in the instance's log."""
    instance = trained.project.instance
    shown = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_CHECK_EVALUATION}
    events = [
        log.dagster_event for run in instance.get_runs() for log in instance.all_logs(run.run_id)
    ]
    texts = [str(one.event_specific_data) for one in events if one and one.event_type in shown]
    assert len(texts) > 15
    for secret in ("payer-0", "payee-0", "learn-0", "later-0", "ring-collector", "ring-runner"):
        assert not any(secret in text for text in texts), secret
