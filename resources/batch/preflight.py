"""Whether a container could run steps: settings, code, driver, memory, libraries and the lake."""

import importlib.metadata
import platform
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from typing import Final, TypedDict

import polars as pl

from gpu_ops.engine import Engine
from gpu_ops.gpu_driver import find_driver
from resources.batch import dagster_internals as internals
from resources.batch.payload import CodeLocation, Fingerprint
from resources.errors import LakeError
from resources.lake import Lake
from resources.settings import Settings, SettingsError

FOLDER: Final = "steps/preflight"

_GPU_DISTRIBUTIONS: Final = ("cudf-polars-cu12", "pylibcugraph-cu12", "nvforest-cu12", "xgboost")
"""What every step with the engine gpu is made of; the extra `gpu` installs it."""
_FOREST_TRAINER: Final = "cuml-cu12"
_DISTRIBUTIONS: Final = (*_GPU_DISTRIBUTIONS, _FOREST_TRAINER, "polars", "obstore", "xgboost-cpu")
_MIB: Final = 1024**2


class Device(TypedDict):
    """One accelerator."""

    name: str
    memory_mib: int
    driver: str


class Report(TypedDict):
    """What was found; `ok` only if a step could run and report."""

    ok: bool
    problems: list[str]
    engine: str | None
    gpu: bool
    devices: list[Device]
    memory_mib: int
    lake: str | None
    versions: dict[str, str]
    code: str
    feeds: str
    rules: str


def preflight(location: CodeLocation) -> Report:
    """Look at everything that a step needs here; nothing stays in the lake."""
    import psutil

    fingerprint = Fingerprint.of(location, None)
    report: Report = {
        "ok": False,
        "problems": [],
        "engine": None,
        "gpu": find_driver() is not None,
        "devices": _devices(),
        "memory_mib": psutil.virtual_memory().total // _MIB,
        "lake": None,
        "versions": {
            "python": platform.python_version(),
            location.distribution: fingerprint.package,
            "dagster": fingerprint.dagster,
            **_versions(),
        },
        "code": fingerprint.code,
        "feeds": "",
        "rules": "",
    }
    try:
        settings = Settings.load()
    except SettingsError as error:
        report["problems"].append(str(error))
        return report
    report["engine"] = settings.engine
    image = Fingerprint.of(location, settings.feeds_dir, settings.rules_dir)
    report["feeds"], report["rules"] = image.feeds, image.rules
    lake = settings.open_lake()
    report["lake"] = lake.url
    if settings.engine == "gpu":
        report["problems"] += _gpu_problems(settings, report["versions"])
    report["problems"] += _code_problems(location)
    report["problems"] += _lake_problems(lake)
    report["ok"] = not report["problems"]
    return report


def _gpu_problems(settings: Settings, versions: Mapping[str, str]) -> list[str]:
    """What the engine gpu lacks here: libraries, a driver, or a plan that gives what it should."""
    wanted = list(_GPU_DISTRIBUTIONS)
    if settings.forest_trainer == "cuml":
        wanted.append(_FOREST_TRAINER)
    missing = [name for name in wanted if name not in versions]
    problems = []
    if missing:
        problems.append(
            f"FRAUD_ENGINE is gpu, and {', '.join(missing)} is not installed; build the image "
            "with the extra gpu"
        )
    driver = find_driver()
    if driver is None:
        problems.append(
            "FRAUD_ENGINE is gpu, but the NVIDIA driver reports no GPU; look at the job's GPU "
            "requirement and at the image's base"
        )
    elif driver.problem is not None:
        problems.append(f"FRAUD_ENGINE is gpu, but {driver.problem}")
    elif not missing:
        problems += _plan_problems()
    return problems


def _plan_problems() -> list[str]:
    """Why a plan of three rows does not run on the GPU; libraries import without one, too."""
    plan = pl.LazyFrame({"group": [1, 1, 2], "amount": [1.0, 2.0, 4.0]})
    summed = plan.group_by("group").agg(pl.col("amount").sum()).sort("group")
    try:
        found = Engine("gpu").collect(summed)["amount"].to_list()
    except Exception as error:  # noqa: BLE001 - whatever the libraries raise is what is looked for
        return [f"a plan does not run on the GPU: {type(error).__name__}: {error}"]
    return [] if found == [3.0, 4.0] else [f"a plan gave {found} on the GPU and not [3.0, 4.0]"]


def _code_problems(location: CodeLocation) -> list[str]:
    """Why the code location does not load here."""
    try:
        internals.load_location(location.module, location.attribute)
    except Exception as error:  # noqa: BLE001 - whatever keeps the code from loading is told
        cause = error.__cause__ or error
        return [f"{location.module} does not load: {type(cause).__name__}: {cause}"]
    return []


def _lake_problems(lake: Lake) -> list[str]:
    """What of listing, creating, reading and deleting does not work in the lake."""
    key = f"{FOLDER}/{uuid.uuid4().hex}.json"
    try:
        lake.list(FOLDER)
        lake.put(key, b"{}", create=True)
        problems = []
        if lake.get(key) != b"{}":
            problems.append(f"{lake.url} gives back other bytes than were written")
        if lake.put(key, b"[]", create=True):
            problems.append(
                f"{lake.url} lets two writers create one object; publishing needs a store that "
                "refuses the second"
            )
        lake.delete([key])
    except LakeError as error:
        return [str(error)]
    return problems


def _devices() -> list[Device]:
    """The accelerators that nvidia-smi lists; none where it is not installed or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(  # noqa: S603 - the driver's own program, fixed arguments
            [program, *query], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [device for line in told.splitlines() if (device := _device(line)) is not None]


def _device(line: str) -> Device | None:
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != len(Device.__annotations__) or not parts[1].isdigit():
        return None
    return {"name": parts[0], "memory_mib": int(parts[1]), "driver": parts[2]}


def _versions() -> dict[str, str]:
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
