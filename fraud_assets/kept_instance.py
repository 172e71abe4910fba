"""The Dagster instance that the command line keeps: where it is, and how it is made."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources as package_files
from pathlib import Path
from typing import Final

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError

from fraud_assets.local_runs import plain
from fraud_assets.partitions import UPLOADS

_LOCK: Final = ".fraud-assets.lock"
_LOCK_WAIT_SECONDS: Final = 120.0


def instance_home() -> Path:
    """The folder of the kept instance: DAGSTER_HOME, else `.dagster` here."""
    return Path(os.environ.get("DAGSTER_HOME") or ".dagster").resolve()


class InstanceError(OSError):
    """The kept Dagster instance cannot be used; the message says where it is and why."""


def open_instance() -> dg.DagsterInstance:
    """The kept instance; its folder, `dagster.yaml` and databases are made where they are absent.

    One process at a time: two that make the databases at once get in each other's way.

    Raises:
        InstanceError: Its folder cannot be written, or its `dagster.yaml` is wrong.
    """
    home = instance_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home / _LOCK):
            return _open(home)
    except (OSError, sqlite3.Error, SQLAlchemyError, YAMLError, dg.DagsterError) as error:
        raise InstanceError(
            f"the Dagster instance in {home} cannot be used: {plain(str(error))}; "
            "correct it, or choose another folder with DAGSTER_HOME"
        ) from error


def _open(home: Path) -> dg.DagsterInstance:
    config = home / "dagster.yaml"
    if not config.exists():
        partial = home / f".dagster.yaml.{os.getpid()}"
        shutil.copyfile(_default_config(), partial)
        partial.replace(config)
    os.environ["DAGSTER_HOME"] = str(home)
    instance = dg.DagsterInstance.get()
    # The databases are made when they are first asked.
    instance.get_runs_count()
    instance.get_dynamic_partitions(UPLOADS.name or "")
    return instance


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds a lock on this machine that ends with the process: an open write to SQLite."""
    with closing(sqlite3.connect(path, timeout=_LOCK_WAIT_SECONDS, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        yield


def _default_config() -> Path:
    root = Path(str(package_files.files("fraud_assets"))).parent / "dagster.yaml"
    if not root.exists():
        raise FileNotFoundError(
            f"no dagster.yaml in {instance_home()} and none at {root}; copy the project's there"
        )
    return root
