"""Write, check, publish: versions that are visible whole or not at all.

Data goes to `<slot>/attempt=<run id>/`. Publishing creates `<slot>/manifest/<n>.json`, n one
above the last, in create mode, which is atomic in a folder and in S3; the highest number is
visible and nothing is overwritten. A killed writer leaves only files that no manifest names.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import count

import polars as pl
from pydantic import JsonValue

from resources.attempts import STARTED, Attempt, sha256_of
from resources.errors import (
    CorruptManifestError,
    MissingObjectError,
    MissingPartError,
    OvertakenError,
)
from resources.lake import Lake, utc_now
from resources.manifests import FileEntry, Manifest, Slot, keys_alike, manifest_of
from resources.version_health import Surveyed, parsed, run_again, surveyed, wrong_sizes

__all__ = [
    "Attempt",
    "CorruptManifestError",
    "FileEntry",
    "Manifest",
    "MissingPartError",
    "OvertakenError",
    "Slot",
    "Surveyed",
    "Versions",
]


class Versions:
    """The versions in a lake: find, read, write, publish."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def latest(self, slot: Slot) -> Manifest | None:
        """The visible version of a slot; None if nothing was published.

        Raises:
            CorruptManifestError: The highest manifest cannot be read. There is no silent step
                back to the one before; publishing again puts a good one above it.
        """
        numbers = self.all_numbers(slot)
        return self._read(slot, numbers[-1]) if numbers else None

    def get(self, slot: Slot, number: int) -> Manifest:
        """A version by number; MissingObjectError or CorruptManifestError."""
        return self._read(slot, number)

    def all_numbers(self, slot: Slot) -> list[int]:
        """The numbers of all manifests of a slot, ascending, readable or not."""
        found = (manifest_of(info.key) for info in self.lake.list(f"{slot.prefix}/manifest"))
        return sorted(one[1] for one in found if one is not None and one[0] == slot)

    def slots(self, prefix: str) -> list[Slot]:
        """All slots below a folder in which something was published, sorted."""
        return sorted(self._newest_numbers(prefix))

    def latest_below(self, prefix: str, skip: Collection[Slot] = ()) -> dict[Slot, Manifest]:
        """The visible version of every slot below a folder, with one listing for them all.

        Args:
            prefix: The folder.
            skip: Slots that are not read, such as the one that is about to be repaired.

        Raises:
            CorruptManifestError: As `latest`.
        """
        newest = sorted(
            (slot, number)
            for slot, number in self._newest_numbers(prefix).items()
            if slot not in skip
        )
        bodies = self.lake.get_many([slot.manifest_key(number) for slot, number in newest])
        return {
            slot: parsed(slot, number, body)
            for (slot, number), body in zip(newest, bodies, strict=True)
        }

    def survey(self, prefix: str) -> dict[Slot, Surveyed]:
        """The visible version of every slot below a folder, damaged ones too.

        One listing tells the sizes of all files, so that many slots cost little more than one.
        """
        sizes: dict[str, int] = {}
        newest: dict[Slot, int] = {}
        for info in self.lake.list(prefix):
            sizes[info.key] = info.size
            found = manifest_of(info.key)
            if found is not None:
                newest[found[0]] = max(found[1], newest.get(found[0], 0))
        keys = [slot.manifest_key(number) for slot, number in newest.items()]
        bodies = self.lake.get_many(keys)
        return {
            slot: surveyed(slot, number, body, sizes)
            for (slot, number), body in zip(newest.items(), bodies, strict=True)
        }

    def begin(self, slot: Slot, run_id: str) -> Attempt:
        """Opens a folder for a new version that no other writer uses.

        A run that tries again gets a new folder, `<run id>-2` and so on: what its first try
        may have published stays untouched.
        """
        for tried in count(1):
            name = run_id if tried == 1 else f"{run_id}-{tried}"
            started = json.dumps({"run_id": run_id, "started_at": utc_now().isoformat()})
            claim = f"{slot.attempt_folder(name)}/{STARTED}"
            if self.lake.put(claim, started.encode(), create=True):
                return Attempt(self.lake, slot, name, run_id)
        raise AssertionError("unreachable")  # pragma: no cover

    def publish(
        self,
        attempt: Attempt,
        *,
        inputs: dict[str, str],
        extra: dict[str, JsonValue] | None = None,
        follows: int | None = None,
    ) -> Manifest:
        """Makes an attempt the visible version of its slot.

        Nothing new is published where the visible version has the same inputs and the same
        content, and all its files are intact: the attempt is dropped and that version
        returned. So a repeated run changes nothing, and a repeated run after damage repairs.

        Args:
            attempt: The staged files.
            inputs: What they were made from, name to version; part of the identity.
            extra: Counts and notes; not part of the identity.
            follows: The highest number, readable or not, when the content was made, 0 without
                any: the version becomes the next one or none. A lease alone cannot promise
                that, since its holder may sleep. None takes the next free number.

        Raises:
            OvertakenError: Somebody else published after `follows`; nothing was published.
        """
        while True:
            newest = max(self.all_numbers(attempt.slot), default=0)
            visible = self._readable(attempt.slot, newest) if newest else None
            if visible is not None and visible.attempt == attempt.name:
                # Our own create succeeded although its answer was lost on the way.
                return visible
            if visible is not None and self._is_same(visible, attempt, inputs):
                attempt.drop()
                return visible
            if follows is not None and newest != follows:
                raise OvertakenError(_overtaken(attempt.slot, newest, follows))
            manifest = attempt.manifest(newest + 1, inputs, extra or {})
            body = manifest.model_dump_json(indent=1).encode()
            if self.lake.put(attempt.slot.manifest_key(manifest.number), body, create=True):
                return manifest

    def scan(self, manifest: Manifest, table: str = "part-") -> pl.LazyFrame:
        """A lazy table over the files of a version whose name begins with `table`.

        Raises:
            MissingPartError: A file is absent or has another size than published.
        """
        return self.scan_all([manifest], table)

    def scan_all(self, manifests: Sequence[Manifest], table: str = "part-") -> pl.LazyFrame:
        """One lazy table over several versions, in the order given.

        A column that some of them lack, as versions of an earlier release may, is null there.

        Raises:
            MissingPartError: As `scan`.
            ValueError: There is no such table in any of them.
        """
        for manifest in manifests:
            wrong = self._wrong_files(manifest)
            if wrong:
                raise MissingPartError(run_again(manifest, wrong[0]))
        tables = [self.lake.scan_parquet(keys) for keys in keys_alike(manifests, table)]
        return pl.concat(tables, how="diagonal_relaxed")

    def read_bytes(self, manifest: Manifest, name: str) -> bytes:
        """The bytes of a file of a version, as published.

        Raises:
            KeyError: The version names no such file.
            MissingPartError: The file is absent or has another size than published.
        """
        entry = manifest.file(name)
        key = manifest.key_of(name)
        try:
            data = self.lake.get(key)
        except MissingObjectError as error:
            raise MissingPartError(run_again(manifest, f"{key} is missing")) from error
        if len(data) != entry.size:
            wrong = f"{key} has {len(data)} bytes instead of {entry.size}"
            raise MissingPartError(run_again(manifest, wrong))
        return data

    def problems(self, slot: Slot, *, hashes: bool = False) -> list[str]:
        """What is wrong with the visible version, a line each; empty if all is well.

        Args:
            slot: Where.
            hashes: Also read every file and compare its hash, which costs a full read.
        """
        try:
            manifest = self.latest(slot)
        except CorruptManifestError as error:
            return [str(error)]
        return [] if manifest is None else self.damage(manifest, hashes=hashes)

    def damage(self, manifest: Manifest, *, hashes: bool = False) -> list[str]:
        """What is wrong with the files of any version, a line each; empty if all is well.

        Args:
            manifest: The version.
            hashes: As in `problems`.
        """
        wrong = self._wrong_files(manifest)
        if hashes and not wrong:
            wrong = self._wrong_hashes(manifest)
        return [run_again(manifest, line) for line in wrong]

    def clean(
        self,
        older_than: timedelta,
        keep: int = 2,
        keep_all: Collection[str] = (),
        keep_numbers: Mapping[Slot, Collection[int]] | None = None,
    ) -> list[str]:
        """Removes attempts that none of the last manifests names.

        Args:
            older_than: Attempts with a younger file stay: somebody may be writing them.
            keep: How many manifests of a slot, from the highest, keep their files.
            keep_all: Prefixes below which every published version keeps its files.
            keep_numbers: Older versions that keep their files as well, slot by slot.

        Returns:
            The folders removed. A slot with an unreadable manifest among those is left alone.
        """
        from resources.cleaning import clean_attempts

        return clean_attempts(self, older_than, keep, tuple(keep_all), keep_numbers or {})

    def _newest_numbers(self, prefix: str) -> dict[Slot, int]:
        newest: dict[Slot, int] = {}
        for info in self.lake.list(prefix):
            found = manifest_of(info.key)
            if found is not None:
                slot, number = found
                newest[slot] = max(number, newest.get(slot, 0))
        return newest

    def _read(self, slot: Slot, number: int) -> Manifest:
        return parsed(slot, number, self.lake.get(slot.manifest_key(number)))

    def _readable(self, slot: Slot, number: int) -> Manifest | None:
        try:
            return self._read(slot, number)
        except CorruptManifestError:
            return None

    def _is_same(self, visible: Manifest, attempt: Attempt, inputs: dict[str, str]) -> bool:
        return (
            visible.inputs == inputs
            and visible.files == attempt.files
            and not self._wrong_files(visible)
            and not self._wrong_hashes(visible)
        )

    def _wrong_files(self, manifest: Manifest) -> list[str]:
        """A line for each file that is absent or has another size."""
        folder = Slot(manifest.slot).attempt_folder(manifest.attempt)
        return wrong_sizes(manifest, {info.key: info.size for info in self.lake.list(folder)})

    def _wrong_hashes(self, manifest: Manifest) -> list[str]:
        lines = []
        for entry in manifest.files:
            key = manifest.key_of(entry.name)
            with self.lake.local_copy(key) as path:
                if sha256_of(path) != entry.sha256:
                    lines.append(f"{key} has another content than published")
        return lines


def _overtaken(slot: Slot, newest: int, follows: int) -> str:
    base = f"goes on from version {follows}" if follows else "would have been the first"
    return (
        f"not published: {slot} got version {newest} meanwhile, and this one {base}; "
        "run again to go on from there"
    )
