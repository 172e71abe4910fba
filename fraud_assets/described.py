"""What every asset of this project shows of its table: columns, lineage and a masked preview."""

from collections.abc import Mapping, Sequence

import dagster as dg
import polars as pl

from fraud_assets.checks import Contract, column_schema
from fraud_assets.meanings import meaning_of
from fraud_assets.metadata import MadeOf, lineage_of, preview


def described(
    contract: Contract,
    shown: pl.DataFrame,
    parents: Mapping[str, MadeOf],
    columns: Sequence[str] | None = None,
) -> dict[str, dg.MetadataValue | dg.TableColumnLineage | dg.TableSchema | float | str]:
    """The metadata of a table.

    Args:
        contract: What the table promises.
        shown: The table, its most telling rows first.
        parents: Upstream asset to the columns of it that each column is made of.
        columns: Those of the preview; all of them if not given.

    Raises:
        KeyError: A column has no meaning.
    """
    return {
        "preview": preview(shown, columns),
        "dagster/column_schema": column_schema(contract, meaning_of),
        "dagster/column_lineage": lineage_of(parents),
    }
