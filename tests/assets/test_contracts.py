"""Contracts: a valid row passes, every kind of rule fails on its own, samples are masked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import dagster as dg
import polars as pl
import pytest

from fraud_assets import model_schemas, prepped, schemas, table_keys
from fraud_assets.checks import Contract
from gpu_ops.features import CATALOGUE

Row: TypeAlias = Mapping[str, object]
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
FEATURES = [feature.name for feature in CATALOGUE]


@dataclass(frozen=True)
class Table:
    """A contract and one row that keeps it."""

    contract: Contract
    row: Row
    dtypes: Mapping[str, pl.DataType] = field(default_factory=dict)

    def frame(self, *changes: Row) -> pl.DataFrame:
        """One row a change of the valid one."""
        wanted = {name: column.dtype.type for name, column in self.contract.schema.columns.items()}
        rows = [{**self.row, **change} for change in changes]
        return pl.DataFrame(
            {name: [row[name] for row in rows] for name in rows[0]},
            schema_overrides={**wanted, **self.dtypes},
            strict=False,
        )


RAW = Table(
    schemas.RAW,
    {
        "transaction_id": "transaction-0001",
        "occurred_at": AT,
        "kind": "transfer",
        "amount": 10.0,
        "currency": "EUR",
        "payer_id": "payer-00000001",
        "payee_id": "payee-00000001",
        "payer_balance_before": None,
        "payee_balance_before": None,
        "is_fraud": None,
        "label_known_at": None,
        "source_file": "week1.csv",
        "source_row": 1,
    },
)
PREPPED = Table(
    schemas.prepped_contract(
        {"payer_count_1h": pl.UInt32(), "payer_sum_1h": pl.Float32(), "ratio": pl.Float32()},
        ["payer_count_1h", "payer_sum_1h"],
    ),
    {
        "transaction_id": "transaction-0001",
        "occurred_at": AT,
        "payer_count_1h": 0,
        "payer_sum_1h": 0.0,
        "ratio": None,
    },
)
AUGMENTED = Table(
    schemas.AUGMENTED,
    {
        "transaction_id": "transaction-0001",
        "occurred_at": AT,
        "feed": "sim",
        "kind": "transfer",
        "amount": 10.0,
        "currency": "EUR",
        "payer": "sim:account:payer-00000001",
        "payee": "sim:account:payee-00000001",
        "is_fraud": None,
        "label_known_at": None,
        "anomaly_score": 0.5,
        "fraud_margin": None,
        "fraud_probability": None,
        "expected_loss": None,
        "decision": None,
        "in_sample": False,
        "may_alert": False,
        "reasons": [],
        "contributions": [],
        "model_version": None,
        "payer_ring_score": None,
        "payee_ring_score": None,
        "challenger_probability": None,
        "challenger_version": None,
    },
)
ACCOUNT_GRAPH = Table(
    schemas.ACCOUNT_GRAPH,
    {
        "feed": "sim",
        "payer": "sim:account:payer-00000001",
        "payee": "sim:account:payee-00000001",
        "n_transactions": 1,
        "amount_sum": 10.0,
        "amount_max": 10.0,
        "first_at": AT,
        "last_at": AT,
        "max_probability": None,
        "mean_anomaly": 0.5,
    },
)
ACCOUNT_FEATURES = Table(
    schemas.ACCOUNT_FEATURES,
    {
        "feed": "sim",
        "account": "sim:account:payer-00000001",
        "in_degree": 0,
        "out_degree": 1,
        "n_in": 0,
        "n_out": 1,
        "amount_in": 0.0,
        "amount_out": 10.0,
        "pass_through": 0.0,
        "pagerank": 0.5,
        "component": 0,
        "component_size": 2,
        "community": 0,
        "community_size": 1,
        "is_hub": False,
        "max_probability": None,
    },
)
RINGS = Table(
    schemas.RINGS,
    {
        "ring_id": "ring-00000001",
        "feed": "sim",
        "pattern": "fan_in",
        "horizon": "burst",
        "score": 0.9,
        "accounts": ["sim:account:payer-00000001"],
        "transaction_ids": ["transaction-0001"],
        "first_at": AT,
        "last_at": AT,
        "known_at": AT,
        "amount": 10.0,
        "exposure": 10.0,
        "n_accounts": 2,
        "n_transactions": 1,
        "centre": None,
        "surprise": 3.5,
        "surprise_of_habit": -0.5,
        "surprise_of_order": 4.0,
        "surprise_of_amounts": 0.0,
        "shape": 1.0,
        "coherence": 0.5,
        "probability": None,
        "confirmed_share": None,
        "community_share": None,
        "merged_into": None,
    },
)
_ALERT: Row = {
    "alert_id": "tx-0123456789abcdef",
    "alert_type": "transaction",
    "feed": "sim",
    "subject_id": "transaction-0001",
    "event_day": date(2026, 3, 2),
    "rank": 1,
    "expected_loss": None,
    "ranked_by": "rules",
    "reasons": ["ANOMALY_HIGH"],
}
_TRANSACTION: Row = {
    "occurred_at": AT,
    "kind": "transfer",
    "amount": 10.0,
    "currency": "EUR",
    "payer": "sim:account:payer-00000001",
    "payee": "sim:account:payee-00000001",
    "fraud_probability": None,
    "anomaly_score": 0.5,
    "model_version": None,
    "related_transaction_ids": [],
}
_RING: Row = {
    "pattern": "fan_in",
    "score": 0.9,
    "accounts": ["sim:account:payer-00000001"],
    "transaction_ids": ["transaction-0001"],
    "first_at": AT,
    "last_at": AT,
}
_RANKED: Row = {"explanation": "A transfer.", "published_in": None}
TRANSACTION_ALERTS = Table(schemas.TRANSACTION_ALERTS, {**_ALERT, **_TRANSACTION, **_RANKED})
RING_ALERTS = Table(
    schemas.RING_ALERTS,
    {**_ALERT, "alert_type": "ring", **_RING, "amount": 10.0, **_RANKED},
)
PUBLISHED_ALERTS = Table(
    schemas.PUBLISHED_ALERTS,
    {
        **_ALERT,
        **_TRANSACTION,
        "explanation": "A transfer.",
        "published_in": "run-1",
        **dict.fromkeys(_RING),
    },
)
TRAINING_SET = Table(
    model_schemas.TRAINING_SET,
    {
        "transaction_id": "transaction-0001",
        "occurred_at": AT,
        "feed": "sim",
        "payer_id": "payer-00000001",
        "transaction_amount": 10.0,
        "window": "train",
        "is_fraud": True,
        "weight": 1.0,
        **dict.fromkeys(FEATURES),
    },
)
EVALUATION = Table(
    model_schemas.EVALUATION,
    {
        "feed": "sim",
        "metric": "roc_auc",
        "value": 0.8,
        "ceiling": 1.0,
        "random": 0.5,
        "champion": None,
    },
)
IMPORTANCE = Table(
    model_schemas.IMPORTANCE,
    {"feed": "sim", "feature": "amount", "gain": 2.5, "gain_share": 1.0, "splits": 3},
)
VERDICTS = Table(
    model_schemas.VERDICTS,
    {
        "feed": "sim",
        "model": "sim-1",
        "verdict": "Approved",
        "metric": "roc_auc",
        "value": 0.8,
        "champion": None,
        "bar": ">= 0.7000",
        "outcome": "Approved",
    },
)
TABLES = {
    "raw": RAW,
    "prepped": PREPPED,
    "augmented": AUGMENTED,
    "account_graph": ACCOUNT_GRAPH,
    "account_features": ACCOUNT_FEATURES,
    "rings": RINGS,
    "transaction_alerts": TRANSACTION_ALERTS,
    "ring_alerts": RING_ALERTS,
    "published_alerts": PUBLISHED_ALERTS,
    "training_set": TRAINING_SET,
    "evaluation": EVALUATION,
    "importance": IMPORTANCE,
    "verdicts": VERDICTS,
}

MAY_BE_NULL: dict[str, set[str]] = {
    "raw": {"payer_balance_before", "payee_balance_before", "is_fraud", "label_known_at"},
    "prepped": {"ratio"},
    "augmented": {
        "is_fraud",
        "label_known_at",
        "fraud_margin",
        "fraud_probability",
        "expected_loss",
        "decision",
        "model_version",
        "payer_ring_score",
        "payee_ring_score",
        "challenger_probability",
        "challenger_version",
    },
    "account_graph": {"max_probability"},
    "account_features": {"max_probability"},
    "rings": {"centre", "probability", "confirmed_share", "community_share", "merged_into"},
    "transaction_alerts": {
        "expected_loss",
        "fraud_probability",
        "model_version",
        "published_in",
    },
    "ring_alerts": {"expected_loss", "published_in"},
    # Alerts of transactions and of rings in one table; all have an amount.
    "published_alerts": {"expected_loss", *_TRANSACTION, *_RING} - {"amount"},
    "training_set": set(FEATURES),
    "evaluation": {"value", "ceiling", "random", "champion"},
    "verdicts": {"value", "champion"},
}
NAN, INFINITE = float("nan"), float("inf")
# Table, what is wrong with the only row, and how the broken rule begins; the column is the key.
WRONG_VALUES: list[tuple[str, Row, str]] = [
    ("raw", {"transaction_id": None}, "not_nullable"),
    ("raw", {"transaction_id": ""}, "str_length"),
    ("raw", {"occurred_at": None}, "not_nullable"),
    ("raw", {"kind": "gift"}, "isin"),
    ("raw", {"amount": -0.01}, "in_range"),
    ("raw", {"amount": NAN}, "in_range"),
    ("raw", {"amount": INFINITE}, "in_range"),
    ("raw", {"amount": 1.1e15}, "in_range"),
    ("raw", {"currency": "EURO"}, "str_length"),
    ("raw", {"payer_id": None}, "not_nullable"),
    ("raw", {"payee_id": ""}, "str_length"),
    ("raw", {"source_file": None}, "not_nullable"),
    ("raw", {"source_row": 0}, "greater_than_or_equal_to"),
    ("prepped", {"transaction_id": None}, "not_nullable"),
    ("prepped", {"payer_count_1h": None}, "not_nullable"),
    ("prepped", {"payer_sum_1h": -1.0}, "greater_than_or_equal_to"),
    ("augmented", {"kind": None}, "not_nullable"),
    ("augmented", {"amount": -1.0}, "in_range"),
    ("augmented", {"anomaly_score": 1.01}, "in_range"),
    ("augmented", {"anomaly_score": None}, "not_nullable"),
    ("augmented", {"fraud_probability": -0.01}, "in_range"),
    ("augmented", {"fraud_probability": NAN}, "in_range"),
    ("augmented", {"fraud_margin": NAN}, "in_range"),
    ("augmented", {"fraud_margin": INFINITE}, "in_range"),
    ("augmented", {"decision": "refuse"}, "isin"),
    ("augmented", {"expected_loss": -1.0}, "in_range"),
    ("augmented", {"expected_loss": INFINITE}, "in_range"),
    ("augmented", {"expected_loss": NAN}, "in_range"),
    ("augmented", {"payee_ring_score": 2.0}, "in_range"),
    ("augmented", {"reasons": None}, "not_nullable"),
    ("augmented", {"payee": ""}, "str_length"),
    ("augmented", {"in_sample": None}, "not_nullable"),
    ("account_graph", {"n_transactions": 0}, "greater_than_or_equal_to"),
    ("account_graph", {"amount_sum": -5.0}, "in_range"),
    ("account_graph", {"payer": None}, "not_nullable"),
    ("account_graph", {"last_at": None}, "not_nullable"),
    ("account_features", {"pagerank": 1.5}, "in_range"),
    ("account_features", {"community_size": 0}, "greater_than_or_equal_to"),
    ("account_features", {"account": ""}, "str_length"),
    ("rings", {"pattern": "snowflake"}, "isin"),
    ("rings", {"score": 1.2}, "in_range"),
    ("rings", {"accounts": None}, "not_nullable"),
    ("rings", {"amount": -1.0}, "in_range"),
    ("rings", {"n_accounts": 1}, "greater_than_or_equal_to"),
    ("rings", {"surprise": NAN}, "in_range"),
    ("rings", {"coherence": 1.5}, "in_range"),
    ("account_graph", {"mean_anomaly": None}, "not_nullable"),
    ("account_features", {"pass_through": 1.5}, "in_range"),
    ("account_features", {"is_hub": None}, "not_nullable"),
    ("transaction_alerts", {"alert_type": "rumour"}, "isin"),
    ("transaction_alerts", {"rank": 0}, "greater_than_or_equal_to"),
    ("transaction_alerts", {"explanation": ""}, "str_length"),
    ("transaction_alerts", {"event_day": None}, "not_nullable"),
    ("transaction_alerts", {"payer": None}, "not_nullable"),
    ("ring_alerts", {"pattern": None}, "not_nullable"),
    ("ring_alerts", {"score": 1.2}, "in_range"),
    ("published_alerts", {"published_in": None}, "not_nullable"),
    ("published_alerts", {"kind": "gift"}, "isin"),
    ("training_set", {"window": "holdout"}, "isin"),
    ("training_set", {"is_fraud": None}, "not_nullable"),
    ("importance", {"gain": -1.0}, "in_range"),
    ("verdicts", {"outcome": ""}, "str_length"),
    ("training_set", {"weight": 0.0}, "greater_than"),
    ("evaluation", {"metric": None}, "not_nullable"),
]


@pytest.mark.parametrize("name", TABLES)
def test_a_valid_row_keeps_the_contract_in_every_form(name: str) -> None:
    table = TABLES[name]
    frame = table.frame({})
    for form in (frame, frame.lazy(), frame.clear(), frame.clear().lazy()):
        assert table.contract.violations(form) == []
    result = table.contract.evaluate(frame, "attempt=1")
    assert result.passed
    assert result.metadata["violations"] == dg.MetadataValue.int(0)


@pytest.mark.parametrize("name", TABLES)
def test_only_these_columns_may_be_null(name: str) -> None:
    columns = TABLES[name].contract.schema.columns
    assert {one for one, column in columns.items() if column.nullable} == MAY_BE_NULL.get(
        name, set()
    )


def test_no_contract_is_left_out() -> None:
    contracts = {
        id(one)
        for module in (schemas, model_schemas)
        for one in vars(module).values()
        if isinstance(one, Contract)
    }
    assert contracts == {id(table.contract) for name, table in TABLES.items() if name != "prepped"}


@pytest.mark.parametrize(("name", "change", "rule"), WRONG_VALUES, ids=str)
def test_one_wrong_value_names_its_column_and_rule(name: str, change: Row, rule: str) -> None:
    table = TABLES[name]
    (column,) = change
    found = table.contract.violations(table.frame(change).lazy())
    assert {one.column for one in found} == {column}
    assert any(one.rule.startswith(rule) for one in found)
    assert {one.count for one in found} == {1}


@pytest.mark.parametrize("name", TABLES)
def test_columns_that_are_missing_or_of_another_dtype_are_named(name: str) -> None:
    table = TABLES[name]
    frame = table.frame({})
    first, *_, last = table.contract.schema.columns
    missing = table.contract.violations(frame.drop(first, last).lazy())
    assert {(one.column, one.rule) for one in missing} == {
        (first, "column_in_dataframe"),
        (last, "column_in_dataframe"),
    }
    other = table.contract.violations(frame.with_columns(pl.lit(value=True).alias(first)).lazy())
    assert (first, "dtype('String')") in {(one.column, one.rule) for one in other}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_these_columns_in_this_order_and_no_more(name: str) -> None:
    table = TABLES[name]
    frame = table.frame({})
    (more,) = table.contract.violations(frame.with_columns(stranger=pl.lit(1)))
    assert (more.column, more.rule) == ("stranger", "column_in_schema")
    swapped = frame.select(*reversed(frame.columns))
    assert {one.rule for one in table.contract.violations(swapped)} == {"column_ordered"}


@pytest.mark.parametrize("name", TABLES)
def test_a_repeated_key_is_found_over_the_whole_table(name: str) -> None:
    table = TABLES[name]
    found = table.contract.violations(table.frame({}, {}).lazy())
    assert [(one.column, one.rule, one.count) for one in found] == [
        ("+".join(table.contract.unique), "unique", 1)
    ]


@pytest.mark.parametrize("name", ["raw", "prepped", "augmented"])
def test_rows_out_of_order_are_found(name: str) -> None:
    table = TABLES[name]
    early = {"occurred_at": AT, "transaction_id": "transaction-0002"}
    late = {"occurred_at": AT + timedelta(microseconds=1), "transaction_id": "transaction-0001"}
    tie = {"occurred_at": AT, "transaction_id": "transaction-0003"}
    assert table.contract.violations(table.frame(early, tie, late).lazy()) == []
    for wrong in ((late, early), (tie, early)):
        found = table.contract.violations(table.frame(*wrong).lazy())
        assert [(one.column, one.rule) for one in found] == [
            ("occurred_at+transaction_id", "sorted")
        ]


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_disorder_is_found_within_and_between_batches(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_keys, "BATCH_ROWS", at_once)
    seconds = (5, 6, 4, 4, 7, 3)
    rows = [
        {"occurred_at": AT + timedelta(seconds=second), "transaction_id": f"transaction-{n:04d}"}
        for n, second in enumerate(seconds)
    ]
    found = schemas.RAW.violations(RAW.frame(*rows).lazy())
    assert [(one.rule, one.count) for one in found] == [("sorted", 2)]


def test_the_prepped_contract_covers_every_feature() -> None:
    contract = prepped.CONTRACT
    assert list(contract.schema.columns)[:2] == ["transaction_id", "occurred_at"]
    for name in ("payer_count_1h", "payee_distinct_payers_30d", "payer_amount_sum_30d"):
        assert not contract.schema.columns[name].nullable
    for name in ("payer_amount_mean_30d", "amount_to_payer_mean_30d"):
        assert contract.schema.columns[name].nullable


def test_batches_merge_their_counts_and_cap_their_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_keys, "BATCH_ROWS", 3)
    rows = [
        {
            "transaction_id": f"transaction-{number:04d}",
            "occurred_at": AT + timedelta(seconds=number),
            "amount": float(-number),
            "kind": "gift" if number == 13 else "transfer",
        }
        for number in range(14)
    ]
    for frame in (RAW.frame(*rows), RAW.frame(*rows).lazy()):
        amount, kind = schemas.RAW.violations(frame)
        # 0.0 is allowed; the ten shown are the first ones, over four batches.
        assert (amount.column, amount.count) == ("amount", 13)
        assert amount.sample == tuple(f"{float(-number)}" for number in range(1, 11))
        assert (kind.column, kind.count, kind.sample) == ("kind", 1, ("gift",))


def test_a_key_repeated_in_two_batches_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_keys, "BATCH_ROWS", 1)
    later = {"occurred_at": AT + timedelta(seconds=1)}
    found = schemas.RAW.violations(RAW.frame({}, later).lazy())
    assert [(one.column, one.rule) for one in found] == [("transaction_id", "unique")]


@pytest.mark.parametrize(
    ("name", "change", "shown"),
    [
        ("training_set", {"window": "telltale-99998888"}, "…8888"),
        ("raw", {"kind": "telltale-99998888"}, "telltale-99998888"),
    ],
)
def test_failing_values_are_masked_unless_the_contract_shows_them(
    name: str, change: Row, shown: str
) -> None:
    table = TABLES[name]
    result = table.contract.evaluate(table.frame(change), "attempt=1")
    records = result.metadata["failures"]
    assert isinstance(records, dg.TableMetadataValue)
    assert [record.data["sample"] for record in records.records] == [shown]
    assert ("telltale" in str(result)) == (shown == "telltale-99998888")


@pytest.mark.parametrize(
    ("table", "secret"),
    [
        (RAW, "transaction-0001"),
        (ACCOUNT_GRAPH, "payer-00000001"),
        (TRANSACTION_ALERTS, "tx-0123456789abcdef"),
    ],
)
def test_repeated_ids_are_masked(table: Table, secret: str) -> None:
    result = table.contract.evaluate(table.frame({}, {}), "attempt=1")
    assert not result.passed
    assert secret not in str(result)
    assert secret[-4:] in str(result.metadata["failures"])


def test_a_short_id_is_not_told_by_the_name_before_it() -> None:
    row = {"account": "card:customer:596"}
    result = schemas.ACCOUNT_FEATURES.evaluate(ACCOUNT_FEATURES.frame(row, row), "attempt=1")
    assert not result.passed
    assert "596" not in str(result)


def test_a_result_names_the_rejected_version_and_counts_violations() -> None:
    frame = RAW.frame({"amount": -1.0, "kind": "gift"}, {"amount": -2.0, "transaction_id": "b"})
    result = schemas.RAW.evaluate(frame, "raw/attempt=7")
    assert result.metadata["version"] == dg.MetadataValue.text("raw/attempt=7")
    assert result.metadata["violations"] == dg.MetadataValue.int(4)
    assert result.severity is dg.AssetCheckSeverity.ERROR
    assert result.description is not None
    assert "amount: in_range" in result.description
