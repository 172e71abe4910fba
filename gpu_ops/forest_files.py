"""A fitted isolation forest as bytes, without pickle.

The container is a zip, sealed with a checksum, of `forest.skops` (the scikit-learn object, for
libraries that want it), the arrays that scoring walks, and `columns.json` (names, medians, scale).
Scoring reads the arrays alone: importing scikit-learn and rebuilding its trees takes seconds.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from gpu_ops.model_files import ModelFileError, seal, unseal
from gpu_ops.openmp import wait_passively

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

TRUSTED_TYPES: Final = ("sklearn.tree._tree.Tree",)
"""What a stored forest may hold beside the types that skops itself trusts."""

_MODEL: Final = "forest.skops"
_ABOUT: Final = "columns.json"
ARRAYS: Final = ("features", "thresholds", "path_lengths")
"""The arrays of `CompleteTrees`, each a file of NumPy's own format."""
_SCHEMA: Final = "schema.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class _About(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    scale: float = Field(ge=0.0)


@dataclass(frozen=True)
class ForestParts:
    """What a container holds.

    Attributes:
        columns: Names of the features, in order.
        medians: What replaces a null of each.
        scale: What path length sums are divided by.
        arrays: The walked trees by name.
        packed: The scikit-learn forest as skops stores it.
    """

    columns: tuple[str, ...]
    medians: tuple[float, ...]
    scale: float
    arrays: Mapping[str, npt.NDArray[np.generic]]
    packed: bytes


def pack_model(model: "IsolationForest") -> bytes:
    """The scikit-learn forest alone; equal forests give equal bytes, in any process."""
    import skops.io

    return _canonical(skops.io.dumps(model))


def unpack_model(packed: bytes, n_columns: int) -> "IsolationForest":
    """The scikit-learn forest of `pack_model`.

    Raises:
        ModelFileError: The bytes hold an untrusted type, no forest, or one of other columns.
    """
    wait_passively()
    import skops.io
    from sklearn.ensemble import IsolationForest

    try:
        model = skops.io.loads(packed, trusted=list(TRUSTED_TYPES))
    # skops reports a file it cannot read by whatever its reading ran into; there is no base class.
    except Exception as error:
        raise ModelFileError(f"the isolation forest file cannot be read: {error}") from error
    if not isinstance(model, IsolationForest):
        raise ModelFileError(f"the file holds a {type(model).__name__}, no isolation forest")
    if model.n_features_in_ != n_columns:
        raise ModelFileError(
            f"the isolation forest has {model.n_features_in_} columns, its file names {n_columns}"
        )
    return model


def pack_forest(parts: ForestParts) -> bytes:
    """The sealed container; equal parts give equal bytes."""
    about = _About(columns=parts.columns, medians=parts.medians, scale=parts.scale)
    members = {_MODEL: parts.packed, _ABOUT: about.model_dump_json().encode()}
    for name in ARRAYS:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.asarray(parts.arrays[name]), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return seal(_zip(members, zipfile.ZIP_DEFLATED))


def unpack_forest(data: bytes) -> ForestParts:
    """The parts of a container.

    Raises:
        ModelFileError: The bytes are truncated, altered, or no such container.
    """
    payload = unseal(data, "isolation forest")
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as container:
            about = _About.model_validate_json(container.read(_ABOUT))
            arrays = {
                name: np.lib.format.read_array(
                    io.BytesIO(container.read(f"{name}.npy")), allow_pickle=False
                )
                for name in ARRAYS
            }
            packed = container.read(_MODEL)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise ModelFileError(f"the isolation forest file cannot be read: {error}") from error
    if len(about.columns) != len(about.medians):
        raise ModelFileError(
            f"the isolation forest file names {len(about.columns)} columns and gives "
            f"{len(about.medians)} medians"
        )
    return ForestParts(about.columns, about.medians, about.scale, arrays, packed)


def _canonical(dumped: bytes) -> bytes:
    """A skops file whose object numbers and times do not depend on the process that wrote it.

    skops numbers objects by memory address and names array files after them. Equal content must
    give equal bytes, so that training again on the same rows publishes no new version.
    """
    numbers: dict[int, int] = {}
    with zipfile.ZipFile(io.BytesIO(dumped)) as source:
        schema = _renumbered(json.loads(source.read(_SCHEMA)), numbers)
        members = {_SCHEMA: json.dumps(schema).encode()}
        members |= {
            _array_name(name, numbers): source.read(name)
            for name in source.namelist()
            if name != _SCHEMA
        }
    return _zip(dict(sorted(members.items())), zipfile.ZIP_DEFLATED)


def _renumbered(node: JsonValue, numbers: dict[int, int]) -> JsonValue:
    if isinstance(node, list):
        return [_renumbered(one, numbers) for one in node]
    if not isinstance(node, dict):
        return node
    renumbered: dict[str, JsonValue] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            renumbered[key] = numbers.setdefault(value, len(numbers))
        elif key == "file" and isinstance(value, str):
            renumbered[key] = _array_name(value, numbers)
        else:
            renumbered[key] = _renumbered(value, numbers)
    return renumbered


def _array_name(name: str, numbers: dict[int, int]) -> str:
    stem, dot, suffix = name.partition(".")
    number = numbers.setdefault(int(stem), len(numbers))
    return f"{number:06d}{dot}{suffix}"


def _zip(members: dict[str, bytes], compression: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = compression
            container.writestr(entry, data)
    return buffer.getvalue()
