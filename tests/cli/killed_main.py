"""The command line in a process that kills itself where a version is published.

    python killed_main.py SLOT MOMENT run

SLOT is a slot's prefix, or a layer's folder; MOMENT is `writing` (a file is half written), `before`
or `after` publishing. The kill is `kill -9`: nothing is cleaned up.
"""

import os
import signal
import sys
from collections.abc import Sequence

import polars as pl
from pydantic import JsonValue

from resources import attempts
from resources.attempts import Attempt
from resources.versions import Manifest, Versions

publish_really = Versions.publish
write_table_really = Attempt.write_table
write_bytes_really = Attempt.write_bytes


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(wanted: str, moment: str) -> None:
    """Replaces what publishes and writes by what kills on its way."""

    def is_wanted(attempt: Attempt) -> bool:
        prefix = attempt.slot.prefix
        return prefix == wanted or prefix.startswith(f"{wanted}/feed=")

    def publish(
        self: Versions,
        attempt: Attempt,
        *,
        inputs: dict[str, str],
        extra: dict[str, JsonValue] | None = None,
        follows: int | None = None,
    ) -> Manifest:
        if moment == "before" and is_wanted(attempt):
            die()
        manifest = publish_really(self, attempt, inputs=inputs, extra=extra, follows=follows)
        if moment == "after" and is_wanted(attempt):
            die()
        return manifest

    def write_table(
        self: Attempt, frame: pl.LazyFrame | pl.DataFrame, part: str = "part-00000"
    ) -> pl.LazyFrame:
        if moment == "writing" and is_wanted(self):
            attempts._HashingFile.write = half  # type: ignore[assignment] # the next write is the last
        return write_table_really(self, frame, part)

    def write_bytes(self: Attempt, name: str, data: bytes) -> None:
        write_bytes_really(self, name, data)
        if moment == "writing" and is_wanted(self):
            die()

    def half(file: attempts._HashingFile, data: bytes) -> int:
        file._file.write(bytes(data)[: len(data) // 2])
        die()
        return 0

    Versions.publish = publish  # type: ignore[method-assign] # no hook in the product
    Attempt.write_table = write_table  # type: ignore[method-assign]
    Attempt.write_bytes = write_bytes  # type: ignore[method-assign]


def run(arguments: Sequence[str]) -> None:
    from fraud_assets.cli import main

    install(*arguments[:2])
    main(list(arguments[2:]))


if __name__ == "__main__":
    run(sys.argv[1:])
