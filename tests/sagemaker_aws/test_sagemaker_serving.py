"""The serving container over HTTP, and where the assets are in the code location."""

import io
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from fraud_assets.definitions import SAGEMAKER_ASSETS, build
from gpu_ops.model_files import ModelFileError
from resources.lake import Lake
from resources.registry import ModelRegistry, write_model
from resources.sagemaker.archive import MODEL_FILES, PackedModel, pack, read_folder, unpack
from resources.settings import Settings, SettingsError
from resources.versions import Versions
from tests.sagemaker_aws.conftest import IMAGE, ROLE, fitted
from tests.sagemaker_aws.fake_containers import FakeServer, _thread, forwarded

PARQUET, JSON = "application/x-parquet", "application/json"
ROW = {"amount_log": 1.5, "payments_1d": 2, "since_last": None}


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    attempt = Versions(Lake.open(str(folder))).begin(ModelRegistry.slot("sim"), "run")
    write_model(attempt, fitted(1))
    return folder / attempt.folder


@pytest.fixture(scope="module")
def server(model_folder: Path) -> Iterator[FakeServer]:
    serving = _thread(model_folder)
    yield serving
    serving.stop()


def test_the_container_is_healthy_and_says_how_batches_are_sent(server: FakeServer) -> None:
    for path, expected in (
        ("ping", b""),
        (
            "execution-parameters",
            (
                b'{"MaxConcurrentTransforms": 1, "BatchStrategy": "SINGLE_RECORD", '
                b'"MaxPayloadInMB": 100}'
            ),
        ),
    ):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/{path}") as answer:
            assert (answer.status, answer.read()) == (200, expected)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/etc/passwd")


def test_json_and_parquet_give_the_same_scores(server: FakeServer) -> None:
    parts = fitted(1)
    frame = pl.DataFrame([ROW])
    anomaly = parts.forest.score(frame)
    seen = frame.with_columns(pl.Series("anomaly_score", anomaly))
    margin = parts.booster.predict_margin(seen)
    expected = {
        "anomaly": float(anomaly[0]),
        "margin": float(margin[0]),
        "probability": float(parts.calibration.probability(margin)[0]),
    }
    status, answer, kind = forwarded(server.port, json.dumps([ROW]).encode(), JSON, JSON)
    assert (status, kind, json.loads(answer)) == (200, JSON, {"predictions": [expected]})
    body = io.BytesIO()
    frame.write_parquet(body)
    status, answer, kind = forwarded(server.port, body.getvalue(), PARQUET, PARQUET)
    assert (status, kind) == (200, PARQUET)
    assert pl.read_parquet(io.BytesIO(answer)).to_dicts() == [expected]


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status", "told"),
    [
        (b"a,b", "text/csv", JSON, 415, "send application/x-parquet or application/json"),
        (b"{secret", JSON, JSON, 400, "the rows cannot be read as application/json"),
        (b"secret", PARQUET, JSON, 400, "the rows cannot be read as application/x-parquet"),
        (b'{"rows": []}', JSON, JSON, 400, "the rows cannot be read as application/json"),
        (b'[{"amount_log": 1}]', JSON, JSON, 400, "missing payments_1d, since_last"),
        (json.dumps([{**ROW, "ip": 1}]).encode(), JSON, JSON, 400, "extra ip"),
        (
            json.dumps([{**ROW, "amount_log": "secret"}]).encode(),
            JSON,
            JSON,
            400,
            "a feature is infinite or no number",
        ),
        (b'[{"amount_log": Infinity, "payments_1d": 2, "since_last": 1}]', JSON, JSON, 400, "inf"),
        (json.dumps([ROW]).encode(), JSON, "text/csv", 415, "answers are"),
    ],
)
def test_bad_requests_are_answered_without_their_values(
    server: FakeServer, body: bytes, kind: str, accept: str, status: int, told: str
) -> None:
    found, answer, _ = forwarded(server.port, body, kind, accept)
    assert found == status
    assert told in json.loads(answer)["error"]
    assert b"secret" not in answer


def test_the_program_refuses_a_model_that_was_altered(model_folder: Path, tmp_path: Path) -> None:
    for name in MODEL_FILES:
        (tmp_path / name).write_bytes((model_folder / name).read_bytes())
    (tmp_path / "calibration.json").write_text('{"method": "identity"}')
    done = subprocess.run(
        [sys.executable, "-m", "resources.sagemaker.serve", "--port", "0"],
        env={**os.environ, "SM_MODEL_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "not what the model's card names: calibration.json" in done.stderr


def test_an_archive_is_repeatable_and_read_with_care(model_folder: Path, tmp_path: Path) -> None:
    files = read_folder(model_folder)
    packed = pack(files)
    time.sleep(1.1)
    assert pack(dict(reversed(files.items()))) == packed
    path = tmp_path / "model.tar.gz"
    path.write_bytes(pack({**files, "../outside": b"x", "other.txt": b"y"}))
    assert unpack(path) == files
    assert [one.name for one in tmp_path.parent.glob("outside")] == []
    path.write_bytes(packed[:-200])
    with pytest.raises(ModelFileError, match=r"model\.tar\.gz is truncated or no archive"):
        unpack(path)
    path.write_bytes(pack({name: data for name, data in files.items() if name != "card.json"}))
    with pytest.raises(ModelFileError, match=r"lacks card\.json"):
        unpack(path)
    with pytest.raises(ModelFileError, match=r"card names: forest\.zip"):
        PackedModel.of({**files, "forest.zip": b"another"})


def test_a_laptop_sees_nothing_of_sagemaker() -> None:
    definitions = build(Settings())
    keys = {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    jobs = {job.name for job in definitions.get_repository_def().get_all_jobs()}
    assert not {name for name in keys | jobs if "sagemaker" in name}
    assert "sagemaker" not in (definitions.resources or {})


def test_with_a_role_there_are_four_assets_and_three_jobs() -> None:
    settings = Settings(lake="s3://lake-of-tests", sagemaker_role=ROLE, sagemaker_image=IMAGE)
    definitions = build(settings)
    graph = definitions.resolve_asset_graph()
    found = {
        key.to_user_string(): sorted(
            parent.to_user_string() for parent in graph.get(key).parent_keys
        )
        for key in graph.get_all_asset_keys()
        if graph.get(key).group_name == "sagemaker"
    }
    assert found == {
        "sagemaker_training_job": ["training_set"],
        "sagemaker_model_package": ["registered_model", "sagemaker_training_job", "training_set"],
        "sagemaker_endpoint": ["sagemaker_model_package"],
        "sagemaker_batch_scores": ["prepped_transactions", "sagemaker_model_package"],
    }
    jobs = {
        job.name: {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        for job in definitions.get_repository_def().get_all_jobs()
        if "on_sagemaker" in job.name
    }
    assert jobs == {
        "train_on_sagemaker": {"training_set", "sagemaker_training_job", "sagemaker_model_package"},
        "deploy_on_sagemaker": {"sagemaker_endpoint"},
        "score_on_sagemaker": {"sagemaker_batch_scores"},
    }


def test_an_analyst_can_read_what_the_assets_are() -> None:
    for asset in SAGEMAKER_ASSETS:
        (spec,) = asset.specs
        assert spec.description is not None
        assert len(spec.description.split()) >= 12
        assert re.search(r"[`_()\[\]{}<>]", spec.description) is None
        assert spec.code_version
        assert spec.owners == ["team:fraud-data-science"]


def test_every_wrong_setting_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ROLE": ROLE,
        "INSTANCE_TYPE": "large",
        "MAX_WAIT_MINUTES": "5",
        "SUBNETS": "subnet-0a",
    }.items():
        monkeypatch.setenv(f"FRAUD_SAGEMAKER_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    lines = str(caught.value).splitlines()[1:]
    assert [line.split("=", 1)[0] for line in lines] == [
        "FRAUD_SAGEMAKER_IMAGE",
        "FRAUD_SAGEMAKER_INSTANCE_TYPE",
        "FRAUD_SAGEMAKER_MAX_WAIT_MINUTES",
        "FRAUD_SAGEMAKER_SECURITY_GROUPS",
        "FRAUD_LAKE",
    ]
    assert "must be s3://bucket/prefix, since FRAUD_SAGEMAKER_ROLE is set" in lines[-1]
