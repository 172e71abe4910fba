"""The project's large tables on a GPU, in one part or in as many as its memory asks for.

Accounts are dealt to parts by the hash of their name, so that a part holds all rows of its
accounts and every window, sum and pair is whole.
"""

import shutil
from pathlib import Path

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.feature_model import Catalogue
from gpu_ops.feature_plan import table_in_memory, table_through_files
from gpu_ops.gpu_memory import MOST_PARTITIONS, with_smaller_partitions
from gpu_ops.graph import aggregate_edges


def feature_table_on_gpu(
    rows: pl.LazyFrame,
    catalogue: Catalogue,
    engine: Engine,
    scratch: Path | None,
    partitions: int = 1,
) -> pl.LazyFrame:
    """Compute the feature table, in memory or, where the GPU's does not suffice, in parts.

    Args:
        rows: As `gpu_ops.feature_plan.needed_columns` chooses them.
        catalogue: The features.
        engine: Where the plans run.
        scratch: A folder for the parts, which must outlive the returned frame; without one only
            the attempt in memory is made.
        partitions: Parts of accounts in the first attempt; 1 stays in memory.

    Raises:
        GpuMemoryError: Memory did not suffice in any number of parts.
        ValueError: More than one part is asked for without a folder.
    """
    if partitions > 1 and scratch is None:
        raise ValueError("partitions are computed through files: give a scratch folder")

    def attempt(parts: int) -> pl.LazyFrame:
        if parts == 1 or scratch is None:
            return table_in_memory(engine.read(rows), catalogue, engine)
        folder = scratch / f"partitions-{parts}"
        try:
            return table_through_files(rows, catalogue, engine, folder, parts)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    return with_smaller_partitions(
        attempt, partitions, MOST_PARTITIONS if scratch is not None else 1
    )


def edge_table(transactions: pl.LazyFrame, engine: Engine, partitions: int = 1) -> pl.DataFrame:
    """Aggregate transactions to edges with any engine; see `gpu_ops.graph.aggregate_edges`.

    Args:
        transactions: As `aggregate_edges` takes them.
        engine: Where the plan runs.
        partitions: For ``gpu``, parts of payers in the first attempt.

    Raises:
        GpuMemoryError: Memory did not suffice in any number of parts.
    """
    if engine.name != "gpu":
        return engine.collect(aggregate_edges(transactions))
    rows = engine.read(transactions)

    def attempt(parts: int) -> pl.DataFrame:
        if parts == 1:
            return engine.collect(aggregate_edges(rows))
        of_payer = pl.col("payer").hash(seed=0) % parts
        return pl.concat(
            engine.collect(aggregate_edges(rows.filter(of_payer == part))) for part in range(parts)
        )

    return with_smaller_partitions(attempt, partitions)
