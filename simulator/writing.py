"""Files of a simulation, as a source system would drop them."""

from pathlib import Path
from typing import Final, Literal

from simulator.simulation import Simulation

Format = Literal["parquet", "csv"]

TRUTH_FILE: Final = "truth.parquet"
"""Name of the truth table, in the folder `truth` beside the transactions."""


def write(
    simulation: Simulation,
    folder: Path,
    format: Format = "parquet",  # noqa: A002 - the word that Polars and the command line use
    files: int = 1,
) -> list[Path]:
    """Writes the transactions to `files` files in order of time, and the truth apart from them.

    Args:
        simulation: What to write.
        folder: Made if absent. Transactions go to `transactions-001.parquet` (or `.csv`) and so
            on, the truth to `truth/truth.parquet`, so that nobody lands it with the rest.
        format: CSV times are ISO 8601 with microseconds and offset.
        files: How many files of nearly equal length, at least 1.

    Returns:
        The transaction files, in order of time.

    Raises:
        ValueError: `files` is less than 1 or more than there are rows, or `format` is unknown.
    """
    rows = simulation.transactions.height
    if not 1 <= files <= rows:
        raise ValueError(f"files must be from 1 to the number of rows, {rows}, not {files}")
    if format not in ("parquet", "csv"):
        raise ValueError(f"format must be parquet or csv, not {format!r}")
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(files):
        start, end = number * rows // files, (number + 1) * rows // files
        part = simulation.transactions[start:end]
        path = folder / f"transactions-{number + 1:03d}.{format}"
        if format == "csv":
            part.write_csv(path, datetime_format="%Y-%m-%dT%H:%M:%S%.6f%:z")
        else:
            part.write_parquet(path)
        paths.append(path)
    simulation.truth.write_parquet(folder / "truth" / TRUTH_FILE)
    return paths
