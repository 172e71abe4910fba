"""An attempt: files written to the lake that nobody sees until they are published."""

import hashlib
import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

import polars as pl
from pydantic import JsonValue

from resources.errors import space_watched
from resources.lake import Lake, utc_now
from resources.manifests import EventBounds, FileEntry, Manifest, Slot, check_part_name

if TYPE_CHECKING:
    from typing_extensions import Buffer

EVENT_TIME: Final = "occurred_at"
ROW_GROUP_ROWS: Final = 131_072
STARTED: Final = "started.json"
"""The object that claims an attempt's folder for one writer."""


class Attempt:
    """Collects the files of one version to be; made by `Versions.begin`.

    Attributes:
        slot: Where it will be published.
        name: The name of its folder: the run's id, with a number if the run tried before.
        run_id: The run that writes it.
    """

    def __init__(self, lake: Lake, slot: Slot, name: str, run_id: str) -> None:
        self.slot = slot
        self.name = name
        self.run_id = run_id
        self._lake = lake
        self._files: dict[str, FileEntry] = {}
        self._tables: dict[str, _Table] = {}

    @property
    def folder(self) -> str:
        """The folder of the files in the lake."""
        return self.slot.attempt_folder(self.name)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The files written so far, sorted by name."""
        return tuple(sorted(self._files.values(), key=lambda entry: entry.name))

    @property
    def rows(self) -> int:
        """Rows of the table in the parts written so far."""
        return sum(table.rows for table in self._parts)

    @property
    def columns(self) -> dict[str, str]:
        """Column to dtype of the table in the parts; empty without one."""
        return dict(self._parts[0].columns) if self._parts else {}

    @property
    def event_bounds(self) -> EventBounds | None:
        """Earliest and latest `occurred_at` in the parts; None without rows or column."""
        bounds = [table.bounds for table in self._parts if table.bounds is not None]
        if not bounds:
            return None
        return EventBounds(min(one.first for one in bounds), max(one.last for one in bounds))

    def write_table(
        self, frame: pl.LazyFrame | pl.DataFrame, part: str = "part-00000"
    ) -> pl.LazyFrame:
        """Stages a table as Parquet, streaming: memory does not grow with the rows.

        Args:
            frame: The table, or its plan. The same rows give the same bytes.
            part: File name without suffix. All parts named `part-*` together are the
                version's table and must have one schema; other names are tables beside it.

        Returns:
            A scan of the staged file, for checks before publishing. Afterwards use
            `Versions.scan`: publishing may drop an attempt in favour of an equal version.

        Raises:
            ValueError: The name is taken or invalid, or the schema differs from other parts.
            LakeUnavailableError: There is no space or no permission to write.
        """
        name = f"{part}.parquet"
        self._check_name(name)
        key = f"{self.folder}/{name}"
        with self._lake.scratch() as scratch:
            local = scratch / name
            with space_watched(self._lake.url, f"write {key}"):
                entry = _sink(frame.lazy(), local)
            table = _Table.of(local)
            if part.startswith("part-") and self._parts and self._parts[0].columns != table.columns:
                raise ValueError(
                    f"{key}: its columns differ from those of the parts before: "
                    f"{table.columns} and {self._parts[0].columns}"
                )
            self._lake.put_file(key, local, move=True)
        self._files[name] = entry
        self._tables[part] = table
        return self._lake.scan_parquet([key])

    def write_bytes(self, name: str, data: bytes) -> None:
        """Stages a small file of any kind.

        Raises:
            ValueError: The name is taken or invalid.
            LakeUnavailableError: There is no space or no permission to write.
        """
        self._check_name(name)
        self._lake.put(f"{self.folder}/{name}", data)
        digest = hashlib.sha256(data).hexdigest()
        self._files[name] = FileEntry(name=name, size=len(data), sha256=digest)

    def manifest(
        self, number: int, inputs: dict[str, str], extra: dict[str, JsonValue]
    ) -> Manifest:
        """What makes the files written so far a version, once it lies in the slot.

        Args:
            number: Of the version.
            inputs: What it was made from, name to version.
            extra: Counts and notes.
        """
        bounds = self.event_bounds
        return Manifest(
            number=number,
            slot=self.slot.prefix,
            attempt=self.name,
            inputs=inputs,
            files=self.files,
            rows=self.rows,
            columns=self.columns,
            event_from=None if bounds is None else bounds.first,
            event_to=None if bounds is None else bounds.last,
            run_id=self.run_id,
            published_at=utc_now(),
            extra=extra,
        )

    def drop(self) -> None:
        """Removes the files from the lake; for what a failed check rejected."""
        keys = [info.key for info in self._lake.list(self.folder)]
        self._lake.delete(keys)

    @property
    def _parts(self) -> list["_Table"]:
        return [table for part, table in self._tables.items() if part.startswith("part-")]

    def _check_name(self, name: str) -> None:
        check_part_name(name)
        if name == STARTED or name in self._files:
            raise ValueError(f"{self.folder}/{name} is written already")


class _Table:
    """What a manifest tells of a Parquet file."""

    def __init__(self, rows: int, columns: dict[str, str], bounds: EventBounds | None) -> None:
        self.rows = rows
        self.columns = columns
        self.bounds = bounds

    @classmethod
    def of(cls, path: Path) -> "_Table":
        """Reads the row count from the file's footer and the bounds from one column."""
        scan = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        columns = {name: str(dtype) for name, dtype in scan.collect_schema().items()}
        aggregates = [pl.len().alias("rows")]
        if columns.get(EVENT_TIME, "").startswith("Datetime"):
            event_time = pl.col(EVENT_TIME)
            if scan.collect_schema()[EVENT_TIME] == pl.Datetime:
                event_time = event_time.dt.replace_time_zone("UTC")
            aggregates += [event_time.min().alias("first"), event_time.max().alias("last")]
        found = scan.select(aggregates).collect().row(0, named=True)
        first, last = found.get("first"), found.get("last")
        bounds = None if first is None or last is None else EventBounds(first, last)
        return cls(int(found["rows"]), columns, bounds)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _HashingFile(io.RawIOBase):
    """Writes to a file and hashes on the way, so that large files are not read again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: "Buffer", /) -> int:
        view = memoryview(data)
        self._digest.update(view)
        self.size += view.nbytes
        return self._file.write(view)

    def flush(self) -> None:
        self._file.flush()


def _sink(plan: pl.LazyFrame, path: Path) -> FileEntry:
    """Runs a plan into a Parquet file, streaming, and describes the file.

    LZ4 writes in half the time of the lightest Zstandard, for a fifth more bytes.
    """
    with path.open("wb") as opened:
        file = _HashingFile(opened)
        plan.sink_parquet(
            # A raw stream is all that Polars calls for; the type it declares asks for more.
            cast("IO[bytes]", file),
            compression="lz4",
            row_group_size=ROW_GROUP_ROWS,
            maintain_order=True,
        )
        opened.flush()
    return FileEntry(name=path.name, size=file.size, sha256=file.sha256)
