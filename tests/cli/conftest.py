"""The command line in this process, on lakes in folders of their own.

A place is a folder with `lake/` and `home/` (the Dagster instance) in it.
"""

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

HEADER = (
    "transaction_id,occurred_at,kind,amount,currency,payer_id,payee_id,is_fraud,label_known_at\n"
)
TABLES = (
    "raw_transactions",
    "prepped_transactions",
    "augmented_transactions",
    "training_set",
    "model_evaluation",
    "account_graph",
    "account_features",
    "fraud_rings",
    "transaction_alerts",
    "ring_alerts",
    "published_alerts",
)
DAYS = 40
RING = 12


def environment(place: Path) -> dict[str, str | None]:
    return {
        "FRAUD_LAKE": str(place / "lake"),
        "DAGSTER_HOME": str(place / "home"),
        "FRAUD_DAILY_CAPACITY": "5",
        # Of so few rows a model need not be better than a regression.
        "FRAUD_GATE_MAX_AVERAGE_PRECISION_LOSS": "0.1",
        "FRAUD_GATE_RESAMPLES": "200",
        # A busy machine must not decide what the gate says.
        "FRAUD_GATE_P99_LATENCY_MS": "60000",
    }


@pytest.fixture(scope="session")
def cli() -> Callable[..., Result]:
    """`cli(place, "run", "--json")`: what the command printed, and its exit code."""
    from fraud_assets.cli import main

    def call(place: Path, *arguments: str, **more: str) -> Result:
        result = CliRunner().invoke(main, arguments, env={**environment(place), **more})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture(scope="session")
def process_environment() -> Callable[[Path], dict[str, str]]:
    """The variables of a process that works on a place."""
    import os

    def of(place: Path) -> dict[str, str]:
        chosen = {name: value for name, value in environment(place).items() if value is not None}
        return {**os.environ, **chosen}

    return of


@pytest.fixture(scope="session")
def learnable_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,024 transactions of 40 days whose frauds a model finds, with one planted ring."""
    path = tmp_path_factory.mktemp("made") / "a.csv"
    write_learnable(path)
    return path


def write_learnable(path: Path) -> None:
    path.write_text(HEADER + "".join(_learnable_rows(3000)))


def _learnable_rows(count: int) -> list[str]:
    made = random.Random(7)  # noqa: S311 - data of a test
    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows: list[tuple[datetime, str, str, float, str, str, int]] = []
    for number in range(count):
        at = start + timedelta(seconds=DAYS * 86_400 * number // count)
        fraud = made.random() < 0.12
        payee = made.randrange(4 if fraud and made.random() < 0.5 else 25)
        is_large = fraud and made.random() < 0.7
        amount = made.lognormvariate(7, 0.5) if is_large else made.lognormvariate(4, 0.7)
        kind = "transfer" if fraud or made.random() < 0.3 else "payment"
        payer = f"C{made.randrange(2000)}"
        rows.append((at, f"T{number:06d}", kind, amount, payer, f"M{payee}", int(fraud)))
    for number in range(RING):
        at = start + timedelta(days=DAYS - 3, hours=number / 2)
        later = at + timedelta(hours=8)
        rows.append((at, f"R{number:02d}", "transfer", 900 + number, f"P{number}", "MULE", 1))
        rows.append((later, f"R{number:02d}b", "transfer", 890 + number, "MULE", f"Q{number}", 1))
    return [
        f"{name},{at.isoformat()},{kind},{amount:.2f},EUR,{payer},{payee},{fraud},"
        f"{(at + timedelta(days=1)).isoformat()}\n"
        for at, name, kind, amount, payer, payee, fraud in sorted(rows)
    ]


@pytest.fixture(scope="session")
def undisturbed(
    cli: Callable[..., Result], learnable_csv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A place in which one `run` went through: nobody may change it."""
    place = tmp_path_factory.mktemp("undisturbed")
    assert cli(place, "land", str(learnable_csv), "--feed", "sim").exit_code == 0
    done = cli(place, "run", "--json")
    assert done.exit_code == 0, done.stderr
    return place


@pytest.fixture
def copied(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of the undisturbed lake, with an instance of its own."""
    place = tmp_path / "copy"
    shutil.copytree(undisturbed / "lake", place / "lake")
    return place


@pytest.fixture(scope="session")
def tables(
    cli: Callable[..., Result], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], dict[str, pl.DataFrame]]:
    """All tables of a place as `export` writes them, in an order of their own."""

    def of(place: Path) -> dict[str, pl.DataFrame]:
        found = {}
        for name in TABLES:
            path = tmp_path_factory.mktemp("export") / f"{name}.parquet"
            done = cli(place, "export", name, "--out", str(path))
            assert done.exit_code == 0, done.stderr
            found[name] = in_own_order(pl.read_parquet(path))
        return found

    return of


def in_own_order(table: pl.DataFrame) -> pl.DataFrame:
    """The rows without the run that published them: all that two ways may differ in."""
    rows = table.drop("published_in", strict=False)
    return rows.sort([name for name, dtype in rows.schema.items() if not dtype.is_nested()])
