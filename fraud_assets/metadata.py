"""What the Dagster UI shows of a table: row counts, columns, lineage and masked previews."""

from collections.abc import Mapping, Sequence
from typing import Final

import dagster as dg
import polars as pl

from fraud_assets.feeds.identity import mask

PREVIEW_ROWS: Final = 8

IDENTIFIERS: Final = frozenset(
    {
        "transaction_id",
        "payer_id",
        "payee_id",
        "payer",
        "payee",
        "account",
        "accounts",
        "centre",
        "transaction_ids",
        "related_transaction_ids",
        "subject_id",
        "source_file",
    }
)
"""Columns that name a person, an account or a transaction; previews show them masked."""


def masked(value: object) -> str:
    """An identifier as previews and check samples show it; of a node `feed:entity:id`, its id."""
    return mask(str(value).split(":", 2)[-1])


def preview(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> dg.MetadataValue:
    """The first rows as a Markdown table, identifiers masked."""
    shown = frame.select(columns or frame.columns).head(PREVIEW_ROWS)
    lines = [
        "| " + " | ".join(shown.columns) + " |",
        "|" + " --- |" * len(shown.columns),
    ]
    for row in shown.iter_rows(named=True):
        cells = (_cell(name, value) for name, value in row.items())
        lines.append("| " + " | ".join(cells) + " |")
    return dg.MetadataValue.md("\n".join(lines))


def _cell(name: str, value: object) -> str:
    if isinstance(value, list):
        parts = [_cell(name, part) for part in value[:4]]
        return ", ".join(parts) + (" …" if len(value) > len(parts) else "")
    if value is None:
        return ""
    if name in IDENTIFIERS:
        return masked(value)
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def lineage(upstream: str, inputs_of: Mapping[str, Sequence[str]]) -> dg.TableColumnLineage:
    """Which columns of one upstream asset each column is made of."""
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=dg.AssetKey(upstream), column_name=source)
                for source in sources
            ]
            for column, sources in inputs_of.items()
        }
    )
