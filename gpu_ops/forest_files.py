"""A fitted isolation forest as bytes, without pickle.

The container is a zip of `forest.skops` (the scikit-learn object) and `columns.json` (names and
medians), sealed with a checksum.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, JsonValue

from gpu_ops.model_files import ModelFileError, seal, unseal
from gpu_ops.openmp import wait_passively

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

TRUSTED_TYPES: Final = ("sklearn.tree._tree.Tree",)
"""What a stored forest may hold beside the types that skops itself trusts."""

_MODEL: Final = "forest.skops"
_COLUMNS: Final = "columns.json"
_SCHEMA: Final = "schema.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


class _Columns(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    columns: tuple[str, ...]
    medians: tuple[float, ...]


def pack_forest(
    model: "IsolationForest", columns: Sequence[str], medians: Sequence[float]
) -> bytes:
    """The sealed container; equal forests give equal bytes, in any process."""
    import skops.io

    about = _Columns(columns=tuple(columns), medians=tuple(medians))
    members = {
        _MODEL: _canonical(skops.io.dumps(model)),
        _COLUMNS: about.model_dump_json().encode(),
    }
    return seal(_zip(members, zipfile.ZIP_STORED))


def unpack_forest(data: bytes) -> tuple["IsolationForest", tuple[str, ...], tuple[float, ...]]:
    """Model, columns and medians of a container.

    Raises:
        ModelFileError: The bytes are truncated, altered, hold an untrusted type or no forest.
    """
    wait_passively()
    import skops.io
    from sklearn.ensemble import IsolationForest

    payload = unseal(data, "isolation forest")
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as container:
            about = _Columns.model_validate_json(container.read(_COLUMNS))
            model = skops.io.loads(container.read(_MODEL), trusted=list(TRUSTED_TYPES))
    # skops reports a file it cannot read by whatever its reading ran into; there is no base class.
    except Exception as error:
        raise ModelFileError(f"the isolation forest file cannot be read: {error}") from error
    if not isinstance(model, IsolationForest):
        raise ModelFileError(f"the file holds a {type(model).__name__}, no isolation forest")
    if not len(about.columns) == len(about.medians) == model.n_features_in_:
        raise ModelFileError(
            f"the isolation forest has {model.n_features_in_} columns, its file names "
            f"{len(about.columns)} and gives {len(about.medians)} medians"
        )
    return model, about.columns, about.medians


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
