"""Contracts as Dagster asset checks that run before anything is published.

A `Contract` is a pandera schema plus the rules that a schema cannot say. The asset evaluates it on
the staged frame in its own step; `publication.publish` yields the results and publishes only when
every blocking one passed, so a rejected version never becomes visible.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import dagster as dg
import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from fraud_assets.table_keys import batches, disorder, repeated_keys
from gpu_ops.masking import masked

SAMPLE_ROWS: Final = 10
"""How many failing values a check shows, at most."""


@dataclass(frozen=True)
class Violation:
    """One way in which a table breaks its contract."""

    column: str
    rule: str
    count: int
    sample: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """What a layer's table promises.

    Attributes:
        name: The check's name in Dagster, unique within its asset.
        schema: Columns, dtypes, nullability and value rules; validated on data, in batches.
        unique: Columns that together identify a row over the whole table.
        sorted_by: Columns in whose order the rows stand.
        blocking: Whether a failure stops the version from being published.
        shows: Columns whose failing values are no identifiers and may be shown as they are.
    """

    name: str
    schema: pa.DataFrameSchema
    unique: tuple[str, ...] = ()
    sorted_by: tuple[str, ...] = ()
    blocking: bool = True
    shows: frozenset[str] = field(default_factory=frozenset)

    def spec(self, asset: str) -> dg.AssetCheckSpec:
        """The check's declaration on an asset."""
        promises = ", ".join(self.schema.columns)
        return dg.AssetCheckSpec(
            self.name,
            asset=dg.AssetKey(asset),
            blocking=self.blocking,
            description=f"Every row keeps the contract of: {promises}.",
        )

    def evaluate(self, frame: pl.LazyFrame | pl.DataFrame, rejected: str) -> dg.AssetCheckResult:
        """Validate every row.

        Args:
            frame: The staged table.
            rejected: What to call this version in the metadata. Dagster attaches a check result to
                the last published version, so the result itself must say which one it judged.
        """
        return self.result(self.violations(frame), rejected)

    def result(self, violations: Sequence[Violation], rejected: str) -> dg.AssetCheckResult:
        """The check's outcome, with counts and a capped, masked sample as metadata."""
        return _check_result(self, violations, rejected)

    def violations(self, frame: pl.LazyFrame | pl.DataFrame) -> list[Violation]:
        """All broken rules, merged over the batches, most frequent first."""
        wrong_columns = self._wrong_columns(frame)
        if wrong_columns:
            # Wrong columns are wrong in every row, and no other rule can be judged on them.
            return wrong_columns
        found: dict[tuple[str, str], Violation] = {}
        # The rules of single values and those of the whole table keep one core busy each.
        with ThreadPoolExecutor(1) as beside:
            of_table = beside.submit(lambda: list(self._table_violations(frame.lazy())))
            for batch in batches(frame):
                for violation in self._schema_violations(batch):
                    _merge(found, violation)
            for violation in of_table.result():
                _merge(found, violation)
        return sorted(found.values(), key=lambda violation: -violation.count)

    def _wrong_columns(self, frame: pl.LazyFrame | pl.DataFrame) -> list[Violation]:
        schema = frame.lazy().collect_schema()
        if _has_columns_of(self.schema, schema):
            return []
        nothing = schema.to_frame()
        return [one for one in self._schema_violations(nothing) if _is_about_columns(one)]

    def _schema_violations(self, batch: pl.DataFrame) -> Iterator[Violation]:
        try:
            self.schema.validate(batch, lazy=True)
        except SchemaErrors as errors:
            yield from self._from_failure_cases(errors.failure_cases)

    def _from_failure_cases(self, cases: pl.DataFrame) -> Iterator[Violation]:
        for (column, rule), rows in cases.group_by(["column", "check"], maintain_order=True):
            if column is None:
                # About the table's columns, not about values: each case is the name of one.
                for name in rows["failure_case"].to_list():
                    yield Violation(str(name), str(rule), 1, ())
                continue
            name = str(column)
            values = rows["failure_case"].head(SAMPLE_ROWS).to_list()
            yield Violation(
                name, str(rule), rows.height, tuple(self._shown(name, v) for v in values)
            )

    def _table_violations(self, frame: pl.LazyFrame) -> Iterator[Violation]:
        if self.unique and self.unique != self.sorted_by:
            repeated = repeated_keys(frame, self.unique)
            if repeated.height:
                first = self.unique[0]
                values = repeated[first].head(SAMPLE_ROWS).to_list()
                sample = tuple(self._shown(first, value) for value in values)
                yield Violation("+".join(self.unique), "unique", repeated.height, sample)
        if self.sorted_by:
            order = disorder(frame, self.sorted_by)
            if order.earlier:
                yield Violation("+".join(self.sorted_by), "sorted", order.earlier, ())
            if order.equal and self.unique == self.sorted_by:
                # In order, equal keys are neighbours: no group-by over all of them is needed.
                yield Violation("+".join(self.unique), "unique", order.equal, ())

    def _shown(self, column: str, value: object) -> str:
        return str(value) if column in self.shows else masked(value)


def _check_result(
    contract: Contract, violations: Sequence[Violation], rejected: str
) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {
        "version": dg.MetadataValue.text(rejected),
        "violations": dg.MetadataValue.int(sum(violation.count for violation in violations)),
    }
    if violations:
        metadata["failures"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "column": violation.column,
                        "rule": violation.rule,
                        "count": violation.count,
                        "sample": ", ".join(violation.sample),
                    }
                )
                for violation in violations
            ]
        )
    return dg.AssetCheckResult(
        check_name=contract.name,
        passed=not violations,
        severity=dg.AssetCheckSeverity.ERROR if contract.blocking else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=_summary(violations),
    )


def predicate_check(
    name: str,
    *,
    passed: bool,
    rejected: str,
    description: str,
    figures: Mapping[str, int | float | str],
    blocking: bool = True,
) -> dg.AssetCheckResult:
    """The outcome of a rule about the version as a whole, with the figures that decided it."""
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN,
        metadata={"version": rejected, **figures},
        description=description,
    )


def column_schema(contract: Contract, describe: Callable[[str], str | None]) -> dg.TableSchema:
    """The contract as the column table that the UI shows."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                type=str(column.dtype),
                description=describe(name),
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=(name,) == contract.unique
                ),
            )
            for name, column in contract.schema.columns.items()
        ]
    )


def _summary(violations: Sequence[Violation]) -> str:
    if not violations:
        return "Every row keeps the contract."
    worst = violations[0]
    return (
        f"{sum(v.count for v in violations)} violations of {len(violations)} rules; most often "
        f"{worst.column}: {worst.rule} ({worst.count})."
    )


def _has_columns_of(wanted: pa.DataFrameSchema, found: pl.Schema) -> bool:
    """Whether names and dtypes are those of the contract, which validating would take long to say.

    Where they are not, validation says what is wrong with them.
    """
    if list(found) != list(wanted.columns):
        return False
    return all(
        not column.regex and column.dtype is not None and column.dtype.type == found[name]
        for name, column in wanted.columns.items()
    )


def _is_about_columns(violation: Violation) -> bool:
    return violation.rule.startswith(("column_in", "column_ordered", "dtype("))


def _merge(found: dict[tuple[str, str], Violation], new: Violation) -> None:
    known = found.get((new.column, new.rule))
    if known is None:
        found[new.column, new.rule] = new
        return
    sample = (known.sample + new.sample)[:SAMPLE_ROWS]
    found[new.column, new.rule] = Violation(new.column, new.rule, known.count + new.count, sample)
