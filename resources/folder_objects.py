"""The objects of a lake that is a local folder."""

import shutil
from functools import cached_property
from pathlib import Path
from typing import Literal

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from resources.folders import SCRATCH, FolderListing
from resources.scratch import make_scratch


class FolderObjects(FolderListing):
    """Reads, writes and lists the files below a folder, which appears with the first write.

    Large files are written to `.scratch/` of the same folder and renamed, so that a killed
    writer never leaves a torn file under a real name and nothing is copied twice.
    """

    def put(self, key: str, data: bytes, *, create: bool) -> bool:
        """Writes all or nothing; False if `create` was asked and the key is taken."""
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            mode: Literal["create", "overwrite"] = "create" if create else "overwrite"
            obstore.put(self._store, key, data, mode=mode, use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def put_file(self, key: str, path: Path, *, move: bool) -> None:
        """Copies a file, or renames it where it may be consumed and is on the same device."""
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        if move and path.stat().st_dev == target.parent.stat().st_dev:
            path.replace(target)
            return
        scratch = self.scratch()
        try:
            copied = scratch / "copy"
            shutil.copyfile(path, copied)
            copied.replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def get(self, key: str) -> bytes:
        """The bytes of a file; FileNotFoundError or NotADirectoryError if there is none."""
        return (self._root / key).read_bytes()

    def scratch(self) -> Path:
        """A new folder for temporary files on the lake's own device."""
        return make_scratch(self._root / SCRATCH)

    @cached_property
    def _store(self) -> LocalStore:
        return LocalStore(self._root, mkdir=True)
