"""Whom a model is measured beside, and champions that no longer fit the features."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fraud_assets import layers
from fraud_assets.comparison import rival_of
from fraud_assets.modelling import FeedRows
from fraud_assets.refused_models import refused_champions
from fraud_assets.training import IDENTITY, ROLES
from gpu_ops.gate import Status, Verdict
from gpu_ops.splits import TimeSplit, Window
from resources.lake import Lake
from resources.registry import Card, ModelRegistry, ModelVersion
from resources.versions import Versions

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
APPROVED = Verdict(Status.APPROVED, ("good",))


def split(last: float) -> TimeSplit:
    """One day of validation until the last day; labels take a day."""
    end = START + last * DAY
    return TimeSplit(
        Window(START, end - 2 * DAY), Window(end - DAY, end), Window(end + DAY, end + 2 * DAY), DAY
    )


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(Lake.open(str(tmp_path)))


def trained(versions: Versions, last: float, catalogue: str = "now") -> ModelVersion:
    """A model that is nothing but its card."""
    card = Card(
        feed="sim",
        intended_use="A test.",
        split=split(last),
        windows={},
        features=("amount",),
        catalogue=catalogue,
        parameters={},
        metrics={},
        limits=("A test.",),
        code_version="0",
    )
    attempt = versions.begin(ModelRegistry(versions).slot("sim"), "by-hand")
    attempt.write_bytes("card.json", card.model_dump_json().encode())
    return ModelVersion(versions, versions.publish(attempt, inputs={}), "sim")


def test_a_champion_is_the_rival_unless_it_is_the_model_reads_others_or_is_damaged(
    versions: Versions,
) -> None:
    registry = ModelRegistry(versions)
    first, second = trained(versions, 5), trained(versions, 6)
    names = (*IDENTITY, *ROLES)
    table = pl.DataFrame(schema=dict.fromkeys(names, pl.String()) | {"amount": pl.Float32()})
    rows = FeedRows("sim", split(6), table, "now")
    assert rival_of(registry, second, rows) is None
    registry.register("sim", 1, APPROVED, "gate")
    rival = rival_of(registry, second, rows)
    assert rival is not None
    assert rival.name == "sim/1"
    assert rival_of(registry, first, rows) is None
    assert rival_of(registry, second, FeedRows("sim", split(6), table, "later")) is None
    others = table.rename({"amount": "count"})
    assert rival_of(registry, second, FeedRows("sim", split(6), others, "now")) is None
    versions.lake.delete([first.manifest.key_of("card.json")])
    assert rival_of(ModelRegistry(versions), second, rows) is None


def test_a_champion_of_other_features_than_the_last_made_is_told_of(versions: Versions) -> None:
    registry = ModelRegistry(versions)
    trained(versions, 5, "before")
    table = pl.DataFrame({"transaction_id": ["a"], "amount": pl.Series([1.0], dtype=pl.Float32)})

    def prepared(key: str, catalogue: str) -> None:
        attempt = versions.begin(layers.upload_slot("prepped_transactions", "sim", key), key)
        attempt.write_table(table)
        versions.publish(attempt, inputs={"catalogue": catalogue})

    prepared("z-first", "before")
    registry.register("sim", 1, APPROVED, "gate")
    assert refused_champions(versions, ["sim", "card"]) == {}
    prepared("a-last", "now")
    told = refused_champions(versions, ["sim", "card"])
    assert list(told) == ["sim"]
    assert "(the same names, but other definitions)" in told["sim"]
