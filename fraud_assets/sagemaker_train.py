"""`python -m fraud_assets.sagemaker_train`: the entry point of SageMaker's training jobs.

It keeps SageMaker's contract for training containers (docs.aws.amazon.com/sagemaker/latest/dg,
"How Amazon SageMaker AI Provides Training Information"): Parquet files in
`/opt/ml/input/data/<channel>`, hyperparameters in `/opt/ml/input/config/hyperparameters.json`, the
model in `/opt/ml/model`, other output in `/opt/ml/output/data`, checkpoints in
`/opt/ml/checkpoints`, and the reason of a failure in `/opt/ml/output/failure`. The variables of
SageMaker's training toolkit (SM_CHANNEL_TRAIN, SM_MODEL_DIR, SM_OUTPUT_DATA_DIR) come first where
they are set, and so do hyperparameters given as `--name value`.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Self

from pydantic import TypeAdapter, ValidationError

from fraud_assets.modelling import SPLIT, FeedRows
from fraud_assets.sagemaker_fit import Checkpoints, Hyperparameters, fit_in_steps, read_channels
from resources.lake import Lake
from resources.model_store import EVALUATION_FILE
from resources.registry import ModelRegistry, write_model
from resources.scrubbing import scrubbed
from resources.versions import Versions

TERMINATED: Final = 143
"""Exit code after SIGTERM, 128 + 15: SageMaker stops the job or takes the machine away."""

_CHANNELS: Final = ("train", "validation", "test")
_TEXTS: Final = TypeAdapter(dict[str, str])
_LONGEST_REASON: Final = 1_000


@dataclass(frozen=True)
class Places:
    """The folders of a training container.

    Attributes:
        channels: Channel to folder, those that are there.
        config: The folder of `hyperparameters.json`.
        model: What SageMaker packs as `model.tar.gz`.
        output: What SageMaker packs as `output.tar.gz`.
        checkpoints: What SageMaker copies to S3 and back; None where the job has none.
        failure: The file for the reason of a failure.
    """

    channels: dict[str, Path]
    config: Path
    model: Path
    output: Path
    checkpoints: Path | None
    failure: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The folders below SAGEMAKER_BASE_DIR, default `/opt/ml`, and the toolkit's variables."""
        base = Path(environment.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        named = {
            channel: Path(
                environment.get(f"SM_CHANNEL_{channel.upper()}", base / "input" / "data" / channel)
            )
            for channel in _CHANNELS
        }
        checkpoints = base / "checkpoints"
        return cls(
            channels={name: folder for name, folder in named.items() if folder.is_dir()},
            config=base / "input" / "config",
            model=Path(environment.get("SM_MODEL_DIR", base / "model")),
            output=Path(environment.get("SM_OUTPUT_DATA_DIR", base / "output" / "data")),
            checkpoints=checkpoints if checkpoints.is_dir() else None,
            failure=base / "output" / "failure",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains as told; the exit code: 0, 1 after a failure, 143 after SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    places = Places.of(os.environ)
    try:
        train(places, sys.argv[1:] if arguments is None else arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, SageMaker must be told why
        traceback.print_exc()
        places.failure.parent.mkdir(parents=True, exist_ok=True)
        places.failure.write_text(_reason(error), encoding="utf-8")
        return 1
    return 0


def train(places: Places, arguments: Sequence[str]) -> None:
    """Reads channels and hyperparameters, fits, and writes model and evaluation.

    Raises:
        pydantic.ValidationError: A hyperparameter is wrong.
        ValueError: The rows cannot be trained on.
    """
    given = Hyperparameters.read(_given(places.config / "hyperparameters.json", arguments))
    rows = read_channels(places.channels)
    checkpoints = Checkpoints(places.checkpoints, _identity(places, given))
    feed_rows = FeedRows(given.feed, SPLIT.validate_json(given.split), rows, given.catalogue)
    parts = fit_in_steps(feed_rows, given, checkpoints)
    places.model.mkdir(parents=True, exist_ok=True)
    places.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # A model's files are written by one function, to a lake: here a folder of its own.
        attempt = Versions(Lake.open(scratch)).begin(ModelRegistry.slot(given.feed), "job")
        write_model(attempt, parts)
        for entry in attempt.files:
            shutil.copyfile(Path(scratch, attempt.folder, entry.name), places.model / entry.name)
    shutil.copyfile(places.model / EVALUATION_FILE, places.output / EVALUATION_FILE)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    """Ends between two rounds of boosting; finished steps are in the checkpoints already.

    Nothing is written to the model folder before all is done, so that a stopped job leaves no
    model that looks finished.
    """
    raise SystemExit(TERMINATED)


def _given(file: Path, arguments: Sequence[str]) -> dict[str, str]:
    found = _TEXTS.validate_json(file.read_bytes()) if file.is_file() else {}
    # A container that is started without an entry point of its own gets the word `train`.
    words = [word for word in arguments if word != "train"]
    if len(words) % 2 or any(not name.startswith("--") for name in words[::2]):
        raise ValueError(f"arguments are pairs of --name and value, not {' '.join(words)!r}")
    named = (name.removeprefix("--").replace("-", "_") for name in words[::2])
    return found | dict(zip(named, words[1::2], strict=True))


def _identity(places: Places, given: Hyperparameters) -> str:
    """A hash over the inputs: rows, hyperparameters, version of this project."""
    digest = hashlib.sha256(json.dumps([given.texts(), version("fraud-assets")]).encode())
    for folder in places.channels.values():
        for path in sorted(folder.rglob("*.parquet")):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _reason(error: Exception) -> str:
    """Why it failed, without what a hyperparameter or a row held."""
    if isinstance(error, ValidationError):
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return scrubbed(f"wrong hyperparameters: {'; '.join(wrong)}")[:_LONGEST_REASON]
    return scrubbed(f"{type(error).__name__}: {error}")[:_LONGEST_REASON]


if __name__ == "__main__":
    sys.exit(main())
