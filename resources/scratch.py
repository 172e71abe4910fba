"""Folders for temporary files whose names tell which process they belong to.

What a killed process leaves behind holds rows with account ids. The name is made together with the
folder, so there is no moment in which a folder has no owner, and whoever comes next can tell what
is abandoned.
"""

import hashlib
import re
import shutil
import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

from resources.owners import Owner

PREFIX: Final = "fraud-scratch-"
_NAME: Final = re.compile(rf"{PREFIX}([0-9a-f]{{12}})-(\d+)-(\d+)-[0-9a-f]{{32}}")


def make_scratch(parent: Path) -> Path:
    """A new empty folder below `parent`, named after this process and readable by it alone."""
    owner = Owner.current()
    started = round(owner.started_at * 1000)
    name = f"{PREFIX}{_machine_digest(owner)}-{owner.pid}-{started}-{uuid.uuid4().hex}"
    parent.mkdir(parents=True, exist_ok=True)
    path = parent / name
    path.mkdir(mode=0o700)
    return path


def scratch_in(parent: Path) -> list[Path]:
    """The folders that `make_scratch` made below `parent`, of any process."""
    return list(parent.glob(f"{PREFIX}*"))


def sweep_scratch(folders: Iterable[Path], older_than: timedelta | None = None) -> int:
    """Removes those folders that are abandoned; how many.

    Those of processes of this machine go as soon as the process is gone, and never before. Whether
    another machine's process lives cannot be seen from here.

    Args:
        folders: Folders of temporary files, and of nothing else.
        older_than: Age from which folders of other machines, and those that are named after
            nobody, go too; None: they stay.
    """
    here = Owner.current()
    removed = 0
    for folder in folders:
        is_gone = _owner_is_gone(folder.name, here)
        if is_gone is None and older_than is not None:
            is_gone = _is_older(folder, older_than)
        if is_gone:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _owner_is_gone(name: str, here: Owner) -> bool | None:
    """Whether the process that a folder is named after has ended; None if that cannot be told."""
    found = _NAME.fullmatch(name)
    if found is None or found[1] != _machine_digest(here):
        return None
    owner = here.model_copy(update={"pid": int(found[2]), "started_at": int(found[3]) / 1000})
    return owner.is_gone()


def _machine_digest(owner: Owner) -> str:
    return hashlib.sha256(f"{owner.host} {owner.machine}".encode()).hexdigest()[:12]


def _is_older(path: Path, age: timedelta) -> bool:
    try:
        return path.stat().st_mtime < time.time() - age.total_seconds()
    except FileNotFoundError:  # removed by another since the folder was read
        return False
