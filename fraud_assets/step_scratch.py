"""The temporary files of a step: where they lie, what tells of a full disk, who removes them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.errors import space_watched
from resources.lake import Lake


@contextmanager
def step_scratch(lake: Lake) -> Iterator[Path]:
    """An empty folder for the files of one step, removed afterwards.

    In a local lake it is below the lake's `.scratch`, where there is room for tables and where they
    are as private as the lake; with S3 it is below FRAUD_SCRATCH or the system's temporary folder.
    First the folders of processes that are gone are removed: they hold rows with account ids.

    Raises:
        LakeUnavailableError: The folder cannot be made, or the step ran out of disk space; the
            message names the folder.
    """
    lake.sweep_scratch()
    place = f"run a step with temporary files below {lake.scratch_parent}"
    with lake.scratch() as folder, space_watched(lake.url, place):
        yield folder
