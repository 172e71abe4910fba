"""A model as one file, `model.tar.gz`, and as what scores from it."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pydantic import ValidationError

from gpu_ops.model_files import ModelFileError
from gpu_ops.model_scores import Scores, model_scores
from resources.model_store import (
    BOOSTER_FILE,
    CALIBRATION_FILE,
    CARD_FILE,
    EVALUATION_FILE,
    FOREST_FILE,
    Card,
)

if TYPE_CHECKING:
    import polars as pl

    from gpu_ops.anomaly import Forest
    from gpu_ops.boosting import Booster
    from gpu_ops.calibration import Calibration

MODEL_FILES: Final = (BOOSTER_FILE, CALIBRATION_FILE, CARD_FILE, EVALUATION_FILE, FOREST_FILE)
"""The files of a model version, all of them."""

_LARGEST_FILE: Final = 512 * 1024**2


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as a `.tar.gz` of which the same files give the same bytes."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


def unpack(packed: Path) -> dict[str, bytes]:
    """The model files in an archive. Nothing is written, and other members are passed over.

    Raises:
        ModelFileError: It is no archive, lacks a file, or a file is larger than 512 MiB.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(packed, mode="r:gz") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name not in MODEL_FILES or not member.isfile():
                    continue
                if member.size > _LARGEST_FILE:
                    raise ModelFileError(f"{name} in {packed.name} has {member.size} bytes")
                content = archive.extractfile(member)
                found[name] = b"" if content is None else content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ModelFileError(f"{packed.name} is truncated or no archive: {error}") from error
    absent = [name for name in MODEL_FILES if name not in found]
    if absent:
        raise ModelFileError(f"{packed.name} lacks {', '.join(absent)}")
    return found


def read_folder(folder: Path) -> dict[str, bytes]:
    """The model files in a folder, as SageMaker unpacks them for a container.

    Raises:
        ModelFileError: One is absent.
    """
    absent = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if absent:
        raise ModelFileError(f"the model folder lacks {', '.join(absent)}")
    return {name: (folder / name).read_bytes() for name in MODEL_FILES}


@dataclass(frozen=True)
class PackedModel:
    """A model read from its files, without a lake; it scores as the version in the lake does.

    Attributes:
        card: Its card.
        booster: The booster.
        forest: The isolation forest.
        calibration: From margin to probability.
    """

    card: Card
    booster: "Booster"
    forest: "Forest"
    calibration: "Calibration"

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Self:
        """The model of files whose hashes are those of its card.

        Raises:
            ModelFileError: A file is not what the card names, or cannot be read.
        """
        from gpu_ops.anomaly import Forest
        from gpu_ops.boosting import Booster
        from gpu_ops.calibration import Calibration

        card = checked_card(files)
        return cls(
            card,
            Booster.from_bytes(files[BOOSTER_FILE]),
            Forest.from_bytes(files[FOREST_FILE]),
            Calibration.from_json(files[CALIBRATION_FILE]),
        )

    def score(self, features: "pl.DataFrame", *, threads: int | None = None) -> Scores:
        """Anomaly score, margin and probability of each row, as `ModelVersion.score`.

        Raises:
            FeatureMismatchError: The features are not those of the model.
        """
        return model_scores(self.booster, self.forest, self.calibration, features, threads=threads)


def checked_card(files: Mapping[str, bytes]) -> Card:
    """The card among model files, after the hashes that it names were compared.

    Raises:
        ModelFileError: The card cannot be read, or a file has another content.
    """
    try:
        card = Card.model_validate_json(files[CARD_FILE])
    except ValidationError as error:
        raise ModelFileError(f"{CARD_FILE} is no model card") from error
    hashes = {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != CARD_FILE
    }
    if hashes != card.content_hashes:
        wrong = sorted(
            name
            for name in {*hashes, *card.content_hashes}
            if hashes.get(name) != card.content_hashes.get(name)
        )
        raise ModelFileError(f"not what the model's card names: {', '.join(wrong)}")
    return card
