"""The feed: how one kind of file becomes canonical transactions, as a checked value."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from fraud_assets.feeds.consistency import inconsistencies
from fraud_assets.feeds.spelling import (
    check_encoding,
    check_time_format,
    check_timezone,
    delimiter_character,
    duration,
    lookback,
    texts,
    utc_datetime,
)
from gpu_ops.feature_terms import LOOKBACK

Kind = Literal["payment", "transfer", "cash_out", "cash_in", "debit", "card"]
Optional = Literal["payer_balance_before", "payee_balance_before", "is_fraud", "label_known_at"]

Texts = Annotated[tuple[str, ...], BeforeValidator(texts)]
UtcTime = Annotated[datetime, BeforeValidator(utc_datetime)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Lookback = Annotated[timedelta, BeforeValidator(lookback)]
TimeFormat = Annotated[str, BeforeValidator(check_time_format)]
Timezone = Annotated[str, BeforeValidator(check_timezone)]
ColumnName = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Part):
    """Where a canonical column comes from: a column of the file, or the same text in every row."""

    column: ColumnName | None = None
    constant: ColumnName | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        if (self.column is None) == (self.constant is None):
            raise ValueError("give either a column name or `constant: VALUE`")
        return self


def _named(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


ColumnOrConstant = Annotated[Source, BeforeValidator(_named)]


class Columns(_Part):
    """The source of every canonical column; times have a rule of their own.

    There is no place for balances after the event: they are the outcome of the decision, so a
    model that read them would know the answer.
    """

    transaction_id: ColumnName | None = None
    kind: ColumnOrConstant
    amount: ColumnName
    currency: ColumnOrConstant
    payer_id: ColumnOrConstant
    payee_id: ColumnOrConstant
    payer_balance_before: ColumnName | None = None
    payee_balance_before: ColumnName | None = None
    is_fraud: ColumnName | None = None
    label_known_at: ColumnName | None = None


class TimeColumn(_Part):
    """The event time stands in a column, or in several that are joined with a blank."""

    column: Texts = Field(min_length=1)
    format: Annotated[tuple[TimeFormat, ...], BeforeValidator(texts)] = ("iso",)
    timezone: Timezone = "UTC"


class TimeStep(_Part):
    """The event time is a count of hours or days since a start, as simulators write it."""

    step: ColumnName
    unit: Literal["minute", "hour", "day"]
    start: UtcTime
    first_step: int = 0


def _time_rule(value: object) -> str:
    if isinstance(value, TimeStep) or (isinstance(value, Mapping) and "step" in value):
        return "step rule"
    return "column rule"


TimeRule = Annotated[
    Annotated[TimeColumn, Tag("column rule")] | Annotated[TimeStep, Tag("step rule")],
    Discriminator(_time_rule),
]


class Labels(_Part):
    """Which texts of the label column mean fraud, and how the time of the label is written."""

    fraud: Texts = Field(("1", "true", "True", "TRUE"), min_length=1)
    genuine: Texts = Field(("0", "false", "False", "FALSE"), min_length=1)
    known_at_format: Annotated[tuple[TimeFormat, ...], BeforeValidator(texts)] = ("iso",)


class Entities(_Part):
    """What a payer and a payee are; equal ids of one entity kind are one account."""

    payer: Word
    payee: Word


class Backtest(_Part):
    """How backtests count what reviewers find.

    Attributes:
        entity: Who is reviewed, found, and gone from the test once found.
        k: How many of them can be reviewed a day.
        scenario: Column of the file that names the kind of fraud. It tells the label, so only
            backtests read it, to report each kind apart.
    """

    entity: Literal["payer", "payee"] = "payer"
    k: int = Field(100, ge=1)
    scenario: ColumnName | None = None


class Feed(_Part):
    """One kind of file and the way from its columns to the canonical transaction.

    Attributes:
        name: Letter first, then letters, digits and `_`; names the landing folder.
        description: For people; part of no digest.
        columns: Source column of every canonical column.
        time: Rule for `occurred_at`.
        kinds: Source value to canonical kind; empty means that the file writes canonical kinds.
        labels: Texts of the label column.
        label_delay: `label_known_at` is `occurred_at` plus this where no column says it.
        label_maturity: A transaction without a label is legitimate once it is older than this;
            none: it stays unknown. Part of no digest, since files are read the same.
        backtest: How backtests count; part of no digest, for the same reason.
        lookback: How far features without a window look back: ages, first times, runs. Part of no
            digest, since files are read the same; another one makes features stale.
        entities: Entity kinds of payer and payee.
        optional: Canonical columns whose source the file may lack; their cells may be blank.
        delimiter: One character between the fields of delimited text.
        encoding: Of text files; a byte order mark in the file goes before it.
        decimal_comma: Whether numbers are written `12,50`.
        null_values: Texts that mean "nothing here", in any mapped column.
        amount_divisor: Amounts are divided by it; 100 where the file counts in cents.
        allow_zero_amount: Whether an amount of 0 is a transaction or a fault.
        max_amount: Larger amounts, in major units, are faults.
        earliest: Earlier times are faults.
        latest: Later times are faults; None means one day after the reading.
        bad_row_limit: A file with a larger share of bad rows is refused whole, from the second
            bad row on; 0: from the first.
    """

    name: Word
    description: str = ""
    columns: Columns
    time: TimeRule
    kinds: dict[str, Kind] = Field(default_factory=dict)
    labels: Labels = Field(default_factory=lambda: Labels.model_validate({}))
    label_delay: Duration | None = None
    label_maturity: Duration | None = None
    lookback: Lookback = LOOKBACK
    backtest: Backtest = Field(default_factory=lambda: Backtest.model_validate({}))
    entities: Entities
    optional: Annotated[tuple[Optional, ...], BeforeValidator(texts)] = ()
    delimiter: Annotated[str, BeforeValidator(delimiter_character)] = ","
    encoding: Annotated[str, BeforeValidator(check_encoding)] = "utf-8"
    decimal_comma: bool = False
    null_values: Texts = ()
    amount_divisor: float = Field(1.0, gt=0)
    allow_zero_amount: bool = False
    max_amount: float = Field(1e9, gt=0)
    earliest: UtcTime = datetime(1970, 1, 1, tzinfo=UTC)
    latest: UtcTime | None = None
    bad_row_limit: float = Field(0.05, ge=0, le=1)

    @field_validator("kinds", mode="before")
    @classmethod
    def _kind_codes_are_texts(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        if any(isinstance(code, bool) for code in value):
            raise ValueError("a kind of yes, no, on, off, true or false must be in quotes")
        return {str(code): kind for code, kind in value.items()}

    @model_validator(mode="after")
    def _parts_agree(self) -> "Feed":
        found = inconsistencies(self.model_dump())
        if found:
            text = "; ".join(f"{key}: {problem}" for key, problem in found)
            # The text goes in as a value, since braces in it would be read as placeholders.
            raise PydanticCustomError("inconsistent", "{text}", {"text": text, "found": found})
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what decides how a file is read.

        Comments, the order of keys, defaults written out and the description do not matter.
        """
        content = self.model_dump(exclude={"backtest", "label_maturity", "lookback", "description"})
        text = json.dumps(content, sort_keys=True, default=_plain, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def source_columns(self) -> dict[str, tuple[str, ...]]:
        """Canonical column to the file's columns it is made of, constants left out."""
        return dict(self._sources())

    def is_optional(self, canonical: str) -> bool:
        """Whether a file may lack the source of this canonical column."""
        return canonical in self.optional

    def _sources(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name in Columns.model_fields:
            source = getattr(self.columns, name)
            column = source.column if isinstance(source, Source) else source
            if column is not None:
                yield name, (column,)
        rule = self.time
        yield "occurred_at", (rule.step,) if isinstance(rule, TimeStep) else rule.column


def _plain(value: object) -> str | float | Sequence[str]:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no canonical text for {type(value).__name__}")
