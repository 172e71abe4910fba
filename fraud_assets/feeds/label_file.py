"""Files of labels that arrive apart from their transactions: read, typed, checked row by row.

The columns are the same for every feed, so no feed file has to name them: `transaction_id`,
`is_fraud`, `known_at`, and where a file has them `source`, `by` and `reason`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import (
    FAULT_SCHEMA,
    QUARANTINE_SCHEMA,
    RefusedError,
    no_faults,
    too_many_faults,
)
from fraud_assets.feeds.judged import Judged, Rule, blank, judge, preview, value
from fraud_assets.feeds.model import Feed, TimeStep
from fraud_assets.feeds.reading import SOURCE_ROW, Batch, held, open_table
from fraud_assets.feeds.times import read_times
from fraud_assets.feeds.values import to_text
from gpu_ops.canonical import UTC_MICROSECONDS

COLUMNS: Final = ("transaction_id", "is_fraud", "known_at", "source", "by", "reason")
OPTIONAL: Final = ("source", "by", "reason")

LABEL_SCHEMA: Final[dict[str, pl.DataType]] = {
    "transaction_id": pl.String(),
    "is_fraud": pl.Boolean(),
    "known_at": UTC_MICROSECONDS,
    "source": pl.String(),
    "by": pl.String(),
    "reason": pl.String(),
    "source_file": pl.String(),
    SOURCE_ROW: pl.Int64(),
}
"""What a file of labels becomes; `is_fraud` null means unsure."""

FRAUD: Final = ("fraud", "1", "true", "True", "TRUE", "yes")
GENUINE: Final = ("genuine", "legitimate", "0", "false", "False", "FALSE", "no")
UNSURE: Final = ("unsure",)
DEFAULT_SOURCE: Final = "file"

CONTRADICTION: Final = "the same source says both of it at one moment; neither counts"
_SOURCE: Final = r"^[a-z][a-z0-9_]{0,39}$"
_LONGEST_ID: Final = 256
_WORDS: Final = {"fraud": True, "genuine": False, "unsure": None}


@dataclass(frozen=True)
class LabelLayout:
    """How a file of labels is written; stands where a `Feed` stands for files of transactions."""

    delimiter: str
    encoding: str

    @property
    def source_columns(self) -> dict[str, tuple[str, ...]]:
        """The columns are called what they are."""
        return {name: (name,) for name in COLUMNS}

    def is_optional(self, canonical: str) -> bool:
        """Whether a file may do without the column."""
        return canonical in OPTIONAL


@dataclass(frozen=True)
class ReadLabels:
    """What became of the rows of a file: received = rows + duplicate + quarantined.

    Attributes:
        table: `LABEL_SCHEMA`, sorted by (transaction_id, known_at, source).
        duplicate: Rows that say what an earlier row of the file says.
        quarantined: `QUARANTINE_SCHEMA`, one line a bad row, sorted by row.
        received: Data rows of the file.
    """

    table: pl.DataFrame
    duplicate: int
    quarantined: pl.DataFrame
    received: int


def read_labels(path: Path, feed: Feed, *, source_file: str) -> ReadLabels:
    """Reads a file of labels of a feed's transactions.

    Text is comma-separated UTF-8, or written as the feed's own files are. Verdicts are the words
    of the feed's `labels`, or fraud, genuine, unsure, 1, 0, true, false, yes, no. Times without a
    zone are in the feed's.

    Args:
        path: Where the bytes are.
        feed: Whose transactions are judged.
        source_file: Name as landed; its ending tells the format, and rows carry it.

    Raises:
        RefusedError: The file as a whole is unusable, or more of its rows than the feed's
            `bad_row_limit`.
        OSError: The disk or its permissions, not the file, are the matter.
    """
    received = 0
    tables: list[pl.DataFrame] = []
    faults: list[pl.DataFrame] = [no_faults()]
    for batch in _batches(path, feed, source_file):
        table, misfits = _mapped(batch.rows, feed)
        tables.append(table)
        faults += [batch.faults, misfits]
        received += batch.received
    if not received:
        raise RefusedError("the file has a header and no data rows")
    bad = pl.concat(faults)
    refusal = too_many_faults(bad, received, feed.bad_row_limit)
    if refusal is not None:
        raise RefusedError(refusal)
    rows = pl.concat(tables).sort("transaction_id", "known_at", "source", SOURCE_ROW)
    key = ["transaction_id", "known_at", "source"]
    verdict = pl.col("is_fraud").cast(pl.UInt8)
    is_both = verdict.min().over(key) != verdict.max().over(key)
    contradicting = rows.filter(is_both & pl.col("is_fraud").is_not_null())
    agreed = rows.filter(~is_both.fill_null(value=False) | pl.col("is_fraud").is_null())
    kept = agreed.unique([*key, "is_fraud"], keep="first", maintain_order=True)
    quarantined = pl.concat([bad, faults_of(contradicting, "is_fraud", CONTRADICTION)])
    return ReadLabels(
        table=kept.with_columns(source_file=pl.lit(source_file)).select(*LABEL_SCHEMA),
        duplicate=agreed.height - kept.height,
        quarantined=in_quarantine(quarantined, source_file),
        received=received,
    )


def faults_of(rows: pl.DataFrame, column: str, reason: str) -> pl.DataFrame:
    """Rows of `LABEL_SCHEMA` as faults, each with its transaction id, masked."""
    return pl.DataFrame(
        {
            "row": rows[SOURCE_ROW],
            "column": pl.Series([column] * rows.height, dtype=pl.String),
            "reason": pl.Series([reason] * rows.height, dtype=pl.String),
            "value_masked": preview(rows["transaction_id"], is_account=True),
        },
        schema=FAULT_SCHEMA,
    )


def in_quarantine(faults: pl.DataFrame, source_file: str) -> pl.DataFrame:
    """Faults with the name of their file, in the order of the file."""
    named = faults.sort("row").select(pl.lit(source_file).alias("file"), *FAULT_SCHEMA)
    return named.cast(pl.Schema(QUARANTINE_SCHEMA))


def verdict_text(*, is_fraud: bool | None) -> str:
    """The word that a file of labels writes for a verdict."""
    return next(word for word, meaning in _WORDS.items() if meaning is is_fraud)


def _batches(path: Path, feed: Feed, source_file: str) -> Iterator[Batch]:
    """The batches of a file in the standard layout, or else in that of the feed's own files."""
    standard, own = LabelLayout(",", "utf-8"), LabelLayout(feed.delimiter, feed.encoding)
    layout = standard
    if own != standard:
        try:
            with open_table(path, standard, source_file) as source:
                for _ in source.batches:
                    pass
        except RefusedError as error:
            try:
                with open_table(path, own, source_file):
                    layout = own
            except RefusedError:
                raise error from None
    with open_table(path, layout, source_file) as source:
        yield from source.batches


def _mapped(rows: pl.DataFrame, feed: Feed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Good rows, and the faults of the others: the first column that is wrong."""
    judged = {
        "transaction_id": _transaction_id(rows[held("transaction_id")]),
        "is_fraud": _verdict(rows[held("is_fraud")], feed),
        "known_at": _known_at(rows[held("known_at")], feed),
        "source": _source(rows),
    }
    values = {
        **{name: one.values for name, one in judged.items()},
        **{name: _text(rows, name) for name in ("by", "reason")},
    }
    table = pl.DataFrame(
        {name: values[name].cast(LABEL_SCHEMA[name]) for name in COLUMNS}
    ).with_columns(rows[SOURCE_ROW])
    found = [one.faults for one in judged.values() if one.faults is not None]
    if not any(fault.height for fault in found):
        return table, no_faults()
    first = pl.concat(found).unique("at", keep="first", maintain_order=True).sort("at")
    faults = first.select(
        rows[SOURCE_ROW].gather(first["at"]).alias("row"), "column", "reason", "value_masked"
    ).cast(pl.Schema(FAULT_SCHEMA))
    return table.filter(~pl.int_range(pl.len()).is_in(first["at"].implode())), faults


def _transaction_id(raw: pl.Series) -> Judged:
    ids = to_text(raw)
    return judge(
        ids,
        ids.str.len_bytes() <= _LONGEST_ID,
        raw,
        [(value.is_null(), "transaction_id is missing")],
        otherwise=f"transaction_id is longer than {_LONGEST_ID} bytes",
        column="transaction_id",
        is_account=True,
    )


def _verdict(raw: pl.Series, feed: Feed) -> Judged:
    # What the feed says of its own files goes before the words that every feed knows.
    standard = dict.fromkeys(FRAUD, 1) | dict.fromkeys(GENUINE, 0) | dict.fromkeys(UNSURE, 2)
    own = dict.fromkeys(feed.labels.fraud, 1) | dict.fromkeys(feed.labels.genuine, 0)
    meaning = standard | own
    codes = to_text(raw).replace_strict(
        list(meaning), list(meaning.values()), default=None, return_dtype=pl.UInt8
    )
    judged = judge(
        codes,
        codes.is_not_null(),
        raw,
        [(blank, "the label is missing")],
        otherwise="a label that is none of: fraud, genuine, unsure, and the feed's own `labels`",
        column="is_fraud",
    )
    is_sure = judged.values != 2  # noqa: PLR2004 the code of unsure
    return Judged((judged.values == 1).set(~is_sure.fill_null(value=False), None), judged.faults)


def _known_at(raw: pl.Series, feed: Feed) -> Judged:
    timezone = "UTC" if isinstance(feed.time, TimeStep) else feed.time.timezone
    formats: Sequence[str] = tuple(dict.fromkeys(("iso", *feed.labels.known_at_format)))
    times = read_times(raw, formats, timezone)
    rules: list[Rule] = [
        (blank, "the time of the label is missing"),
        (value < feed.earliest, f"the time is before {feed.earliest:%Y-%m-%d}"),
    ]
    good = times >= feed.earliest
    return judge(times, good, raw, rules, otherwise="not a time", column="known_at")


def _source(rows: pl.DataFrame) -> Judged:
    written = _text(rows, "source").str.to_lowercase()
    sources = written.fill_null(DEFAULT_SOURCE)
    return judge(
        sources,
        sources.str.contains(_SOURCE),
        written,
        [],
        otherwise="a source is a word of small letters, digits and _: analyst, chargeback, file",
        column="source",
    )


def _text(rows: pl.DataFrame, name: str) -> pl.Series:
    if held(name) not in rows.columns:
        return pl.repeat(None, rows.height, dtype=pl.String, eager=True).alias(name)
    return to_text(rows[held(name)]).alias(name)
