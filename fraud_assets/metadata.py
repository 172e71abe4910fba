"""What the Dagster UI shows of a table: row counts, columns, lineage and masked previews."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import dagster as dg
import polars as pl

from gpu_ops.masking import masked

__all__ = [
    "IDENTIFIERS",
    "PREVIEW_ROWS",
    "MadeOf",
    "lineage",
    "lineage_of",
    "masked",
    "preview",
]

MadeOf: TypeAlias = Mapping[str, Sequence[str]]
"""Column to the upstream columns that it is made of."""

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
        "judged_transaction_ids",
    }
)
"""Columns that name a person, an account or a transaction; previews show them masked."""


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
        return _plain(masked(value))
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"
    return _plain(str(value))


def _plain(text: str) -> str:
    """Text that keeps the table together."""
    return text.replace("|", "\\|").replace("\n", " ")


def lineage(upstream: str, inputs_of: MadeOf) -> dg.TableColumnLineage:
    """Which columns of one upstream asset each column is made of."""
    return lineage_of({upstream: inputs_of})


def lineage_of(parents: Mapping[str, MadeOf]) -> dg.TableColumnLineage:
    """Which columns of several upstream assets each column is made of."""
    found: dict[str, list[dg.TableColumnDep]] = {}
    for upstream, inputs_of in parents.items():
        for column, sources in inputs_of.items():
            found.setdefault(column, []).extend(
                dg.TableColumnDep(asset_key=dg.AssetKey(upstream), column_name=source)
                for source in sources
            )
    return dg.TableColumnLineage(found)
