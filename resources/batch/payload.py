"""What a step's container is told: the step, and by which code the host expects it to be run."""

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

_CODE: Final = frozenset({".py", ".yaml"})
_YAML: Final = frozenset({".yaml", ".yml"})
_SHOWN: Final = 12


class RefusedError(Exception):
    """The container will not run the step; the message says why and what to do."""


@dataclass(frozen=True)
class CodeLocation:
    """The code that steps belong to.

    Attributes:
        module: The module that holds the Definitions.
        attribute: Their name in it.
        packages: Whose files host and container must have alike.
        distribution: The installed distribution whose version is compared and shown.
    """

    module: str
    attribute: str
    packages: tuple[str, ...]
    distribution: str


PROJECT: Final = CodeLocation(
    module="fraud_assets.definitions",
    attribute="defs",
    packages=("fraud_assets", "gpu_ops", "resources", "schedules"),
    distribution="fraud-assets",
)


class Fingerprint(BaseModel):
    """The code of one side, host or image.

    Attributes:
        package: Version of the project's distribution.
        dagster: Version of Dagster.
        python: Major and minor version of Python.
        code: SHA-256 over the project's source files, the feeds that come with it among them.
        feeds: SHA-256 over the feed definitions of the user; empty without any.
        rules: The same of the user's screening rules.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    dagster: str
    python: str
    code: str
    feeds: str
    rules: str = ""

    @classmethod
    def of(
        cls, location: CodeLocation, feeds_dir: Path | None, rules_dir: Path | None = None
    ) -> Self:
        """The fingerprint of this process's code.

        Args:
            location: The code.
            feeds_dir: The user's folder of feed definitions, which may replace the project's own.
            rules_dir: The user's folder of screening rules.
        """
        return cls(
            package=_version(location.distribution),
            dagster=_version("dagster"),
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            code=_code_digest(location.packages),
            feeds=_yaml_digest(feeds_dir),
            rules=_yaml_digest(rules_dir),
        )

    def differences(self, image: "Fingerprint") -> list[str]:
        """What is different in an image, a phrase for each."""
        pairs = (
            ("fraud-assets", self.package, image.package),
            ("dagster", self.dagster, image.dagster),
            ("Python", self.python, image.python),
            ("the code's digest", self.code, image.code),
            ("the digest of the feeds in FRAUD_FEEDS_DIR", self.feeds, image.feeds),
            ("the digest of the rules in FRAUD_RULES_DIR", self.rules, image.rules),
        )
        return [
            f"{name} is {here[:_SHOWN] or 'none'} on the host and {there[:_SHOWN] or 'none'} in "
            "the image"
            for name, here, there in pairs
            if here != there
        ]


class StepPayload(BaseModel):
    """A step as it travels, in the lake, from the host to the container.

    Attributes:
        version: Of this layout.
        module: The code location's module, as the host knows it.
        attribute: The name of the Definitions in it.
        host: The host's code.
        step: The step, from `dagster_internals.as_text`.
        metadata: What the step is to say of where it ran.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal[1] = 1
    module: str
    attribute: str
    host: Fingerprint
    step: str
    metadata: dict[str, str | int]

    def encoded(self) -> bytes:
        """The payload as bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def decoded(cls, data: bytes, sha256: str, location: CodeLocation, image: Fingerprint) -> Self:
        """A payload, after every reason to refuse it was looked for.

        Args:
            data: What was found in the lake.
            sha256: What the host says of it; it comes with the job, not from the lake.
            location: The only code that this container runs.
            image: The fingerprint of that code.

        Raises:
            RefusedError: The bytes are others than the host's, have another layout, or name other
                code; or this container's code differs from the host's.
        """
        if digest(data) != sha256:
            raise RefusedError(
                "the step's payload was changed after it was submitted: its SHA-256 is not the "
                "one that the job was started with; look who may write to steps/ in the lake"
            )
        try:
            payload = cls.model_validate_json(data)
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, e["loc"])) or e["msg"] for e in error.errors())
            raise RefusedError(
                f"the step's payload has another layout than this image reads ({wrong}); "
                "build the image from the host's code"
            ) from error
        if (payload.module, payload.attribute) != (location.module, location.attribute):
            raise RefusedError(
                f"the step belongs to {payload.module}:{payload.attribute}; this image runs "
                f"{location.module}:{location.attribute} and nothing else"
            )
        differences = payload.host.differences(image)
        if differences:
            raise RefusedError(
                f"host and image have different code: {'; '.join(differences)}; build the image "
                "from the host's code, with the host's feeds and rules and FRAUD_FEEDS_DIR and "
                "FRAUD_RULES_DIR set to them, and register it with the job definition"
            )
        return payload


def digest(data: bytes) -> str:
    """The SHA-256 of some bytes, in hex digits."""
    return hashlib.sha256(data).hexdigest()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def code_files(package: str) -> Iterator[tuple[str, Path]]:
    """The files of a package that decide what it does, by their name in it, sorted."""
    spec = importlib.util.find_spec(package)
    for folder in [] if spec is None else spec.submodule_search_locations or []:
        root = Path(folder)
        for path in sorted(p for p in root.rglob("*") if p.suffix in _CODE):
            yield f"{package}/{path.relative_to(root).as_posix()}", path


def _code_digest(packages: Sequence[str]) -> str:
    """SHA-256 over names and bytes of the packages' source files, wherever they are installed."""
    total = hashlib.sha256()
    for package in packages:
        for name, path in code_files(package):
            total.update(f"{name}\0{digest(path.read_bytes())}\n".encode())
    return total.hexdigest()


def _yaml_digest(folder: Path | None) -> str:
    """SHA-256 over a folder's feeds or rules; how their files are called does not matter."""
    files = [] if folder is None or not folder.is_dir() else folder.iterdir()
    found = sorted(digest(f.read_bytes()) for f in files if f.suffix.lower() in _YAML)
    return digest("\n".join(found).encode()) if found else ""
