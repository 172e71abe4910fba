"""Whether a container could run steps: settings, driver, memory, versions and the lake."""

import importlib.metadata
import platform
import shutil
import subprocess
import uuid
from typing import Final, TypedDict

from gpu_ops.engine import gpu_available
from resources.batch.payload import CodeLocation, Fingerprint
from resources.errors import LakeError
from resources.lake import Lake
from resources.settings import Settings, SettingsError

FOLDER: Final = "steps/preflight"

_DISTRIBUTIONS: Final = (
    "polars",
    "obstore",
    "xgboost",
    "xgboost-cpu",
    "cudf-cu12",
    "cudf-polars-cu12",
    "cuml-cu12",
    "cugraph-cu12",
)
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


def preflight(location: CodeLocation) -> Report:
    """Look at everything that a step needs here; nothing stays in the lake."""
    import psutil

    fingerprint = Fingerprint.of(location)
    report: Report = {
        "ok": False,
        "problems": [],
        "engine": None,
        "gpu": gpu_available(),
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
    }
    try:
        settings = Settings.load()
    except SettingsError as error:
        report["problems"].append(str(error))
        return report
    report["engine"] = settings.engine
    lake = settings.open_lake()
    report["lake"] = lake.url
    if settings.engine == "gpu" and not report["gpu"]:
        report["problems"].append(
            "FRAUD_ENGINE is gpu, but the NVIDIA driver reports no GPU; look at the job's GPU "
            "requirement and at the image's base"
        )
    report["problems"] += _lake_problems(lake)
    report["ok"] = not report["problems"]
    return report


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
