"""The training program: the model of `fit`, interruptions, and what it says when it fails."""

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fraud_assets import modelling, sagemaker_train
from fraud_assets.modelling import FeedRows, fit
from fraud_assets.sagemaker_fit import Hyperparameters, read_channels
from fraud_assets.sagemaker_train import Places
from gpu_ops import anomaly
from resources.lake import Lake
from resources.registry import ModelRegistry, write_model
from resources.sagemaker.archive import MODEL_FILES
from resources.settings import Settings
from resources.versions import Versions
from tests.sagemaker_aws.conftest import SIM_SPLIT

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Settings(
    threads=1,
    forest_rows=256,
    daily_capacity=7,
    review_cost=2.5,
    wrong_block_share=0.3,
    decide_by="capacity",
    seed=3,
)


@pytest.fixture(scope="module")
def local(rows: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that `fraud_model` would publish."""
    folder = tmp_path_factory.mktemp("local")
    attempt = Versions(Lake.open(str(folder))).begin(ModelRegistry.slot("sim"), "run")
    write_model(attempt, fit(FeedRows("sim", SIM_SPLIT, rows), SETTINGS, "cpu"))
    return {name: (folder / attempt.folder / name).read_bytes() for name in MODEL_FILES}


@pytest.fixture
def container(
    rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[Places]":
    """A training container's folders, filled as SageMaker fills them."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    for folder in ("input/data/train", "input/config", "checkpoints", "model"):
        (tmp_path / folder).mkdir(parents=True)
    rows.write_parquet(tmp_path / "input/data/train/part-sim.parquet")
    given = Hyperparameters.of("sim", SIM_SPLIT, SETTINGS, on_gpu=False).texts()
    toolkit = {"sagemaker_region": "eu-west-1"}
    (tmp_path / "input/config/hyperparameters.json").write_text(json.dumps(given | toolkit))
    yield Places.of(os.environ)
    signal.signal(signal.SIGTERM, before)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_model_is_the_local_one_to_the_byte(container: Places, local: dict[str, bytes]) -> None:
    assert sagemaker_train.main([]) == 0
    assert files(container.model) == local
    assert files(container.output) == {"evaluation.json": local["evaluation.json"]}
    assert not container.failure.exists()


def test_an_interrupted_job_goes_on_after_its_last_step(
    container: Places, local: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def machine_taken_away(*_a: object, **_o: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(modelling, "train_booster", machine_taken_away)
        with pytest.raises(SystemExit) as ended:
            sagemaker_train.main([])
    assert ended.value.code == 143
    assert files(container.model) == {}

    def twice(*_a: object, **_o: object) -> None:
        raise AssertionError("the forest was fitted again")

    monkeypatch.setattr(anomaly, "fit_forest", twice)
    assert sagemaker_train.main([]) == 0
    assert files(container.model) == local


@pytest.mark.parametrize("spoil", ["cut off", "other rows"])
def test_a_checkpoint_that_does_not_fit_is_not_used(
    container: Places, local: dict[str, bytes], rows: pl.DataFrame, spoil: str
) -> None:
    assert container.checkpoints is not None
    assert sagemaker_train.main([]) == 0
    kept = sorted(container.checkpoints.iterdir())
    assert len(kept) == 2
    if spoil == "cut off":
        for path in kept:
            path.write_bytes(path.read_bytes()[:-50])
        assert sagemaker_train.main([]) == 0
        assert files(container.model) == local
    else:
        fewer = rows.filter(pl.col("transaction_id") != "train-1-00000")
        fewer.write_parquet(container.channels["train"] / "part-sim.parquet")
        assert sagemaker_train.main([]) == 0
        assert files(container.model)["booster.ubj"] != local["booster.ubj"]


def test_a_wrong_hyperparameter_is_told_as_the_reason(container: Places) -> None:
    assert sagemaker_train.main(["train", "--forest-rows", "many", "--depth", "6"]) == 1
    told = container.failure.read_text()
    assert "forest_rows: Input should be a valid integer" in told
    assert "depth: Extra inputs are not permitted" in told
    assert files(container.model) == {}


def test_rows_of_one_class_are_told_as_the_reason(container: Places, rows: pl.DataFrame) -> None:
    legitimate = rows.with_columns(is_fraud=pl.lit(value=False))
    legitimate.write_parquet(container.channels["train"] / "part-sim.parquet")
    assert sagemaker_train.main([]) == 1
    assert container.failure.read_text().startswith(
        "ValueError: the training rows have only one class"
    )


def test_channels_are_joined_and_checked(rows: pl.DataFrame, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("train", "validation", "test")}
    for name, folder in folders.items():
        folder.mkdir()
        rows.filter(pl.col("window") == name).write_parquet(folder / "rows.parquet")
    assert read_channels(folders).equals(rows)
    with pytest.raises(ValueError, match="no rows of the window test"):
        read_channels({name: folders[name] for name in ("train", "validation")})
    rows.write_parquet(folders["test"] / "rows.parquet")
    with pytest.raises(ValueError, match="twice; give each file to one channel"):
        read_channels(folders)
    with pytest.raises(ValueError, match="no Parquet files in the channels empty"):
        read_channels({"empty": tmp_path / "empty"})
    rows.drop("weight").write_parquet(folders["test"] / "rows.parquet")
    with pytest.raises(ValueError, match="lack the columns weight"):
        read_channels({"test": folders["test"]})
