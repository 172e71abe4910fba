"""Times of a source column as UTC; what cannot be read becomes null."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Final

import polars as pl

from fraud_assets.feeds.faults import RefusedError
from fraud_assets.feeds.model import TimeStep
from fraud_assets.feeds.spelling import EPOCH_UNITS
from fraud_assets.feeds.values import is_textual, to_number
from gpu_ops.canonical import UTC_MICROSECONDS

_CLOCKS: Final = ("%H:%M:%S%.f", "%H:%M:%S", "%H:%M:%S.%6f", "%H:%M:%S.%3f", "%H:%M")
_ISO: Final = (
    *(f"%Y-%m-%d{sep}{clock}{zone}" for sep, clock, zone in product("T ", _CLOCKS, ("", "Z"))),
    *(f"%Y-%m-%d{sep}%H:%M:%S%.f%#z" for sep in "T "),
    "%Y-%m-%d",
)
_STEP_MICROSECONDS: Final = {"minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}
_FIRST: Final = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_LAST: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000


def read_times(raw: pl.Series, formats: Sequence[str], timezone: str) -> pl.Series:
    """Event times as Datetime(us, UTC).

    Columns that hold times already are taken as they are. A local hour that the end of summer time
    repeats means its first pass; one that the start of it skips is unreadable.

    Args:
        raw: Source column: texts, numbers, dates or times.
        formats: `iso`, `epoch_s`, `epoch_ms`, `epoch_us` or strptime formats, tried in order.
        timezone: Zone of times that name none.

    Raises:
        RefusedError: The column holds numbers and no epoch format is given, or neither texts nor
            numbers nor times.
    """
    if raw.dtype.is_temporal() and raw.dtype not in (pl.Time, pl.Duration):
        return _in_utc(raw.cast(pl.Datetime("us", getattr(raw.dtype, "time_zone", None))), timezone)
    units = [EPOCH_UNITS[name] for name in formats if name in EPOCH_UNITS]
    if raw.dtype.is_numeric() and units:
        return _epoch(raw, units[0])
    if not is_textual(raw.dtype):
        raise RefusedError(
            f"column {raw.name!r} holds {raw.dtype}, which the time format {', '.join(formats)} "
            "cannot read; for numbers set `format` in the feed to epoch_s, epoch_ms or epoch_us"
        )
    text = raw.cast(pl.String)
    patterns = [
        pattern
        for name in formats
        if name not in EPOCH_UNITS
        for pattern in (_ISO if name == "iso" else (name,))
    ]
    times = _parse(text, patterns, timezone)
    if units:
        left = times.is_null()
        times = times.zip_with(~left, _epoch(text, units[0]))
    return times


def step_times(raw: pl.Series, rule: TimeStep) -> pl.Series:
    """Start of each step as Datetime(us, UTC); null where the step is not a whole number.

    Raises:
        RefusedError: The column holds neither texts nor numbers.
    """
    steps = to_number(raw)
    steps = steps.set((steps != steps.floor()) | ~steps.is_finite(), None) - rule.first_step
    length = _STEP_MICROSECONDS[rule.unit]
    start = int(rule.start.timestamp() * 1_000_000)
    return _from_microseconds(steps * length + start)


def _epoch(raw: pl.Series, unit: int) -> pl.Series:
    numbers = to_number(raw)
    return _from_microseconds(numbers.set(~numbers.is_finite(), None) * unit)


def _from_microseconds(microseconds: pl.Series) -> pl.Series:
    # Clipped, so that a count in a wrong unit is a time in the far future and not an overflow.
    return microseconds.round().clip(_FIRST, _LAST).cast(pl.Int64).cast(UTC_MICROSECONDS)


def _in_utc(times: pl.Series, timezone: str) -> pl.Series:
    if getattr(times.dtype, "time_zone", None) is not None:
        return times.dt.convert_time_zone("UTC")
    if timezone == "UTC":
        return times.dt.replace_time_zone("UTC")
    local = times.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _parse(text: pl.Series, patterns: Sequence[str], timezone: str) -> pl.Series:
    times = pl.Series(text.name, dtype=UTC_MICROSECONDS).extend_constant(None, text.len())
    left = text.is_not_null().arg_true()
    for pattern in _most_likely_first(text, patterns):
        if left.len() == 0:
            break
        everything = left.len() == text.len()
        values = text if everything else text.gather(left)
        found = _parse_one(values, pattern, timezone)
        times = found if everything else times.scatter(left, found)
        left = left.filter(found.is_null())
    return times


def _parse_one(text: pl.Series, pattern: str, timezone: str) -> pl.Series:
    parsed = text.str.strip_chars().str.to_datetime(pattern, time_unit="us", strict=False)
    return _in_utc(parsed, "UTC" if pattern.endswith("Z") else timezone)


def _most_likely_first(text: pl.Series, patterns: Sequence[str]) -> list[str]:
    """Patterns that read the first value go first, quick fixed-width ones before general ones."""
    first = text.drop_nulls().head(1)
    general = [pattern for pattern in patterns if "%.f" in pattern]
    ordered = [pattern for pattern in patterns if "%.f" not in pattern] + general
    if len(patterns) == 1 or first.is_empty():
        return ordered

    def misses(pattern: str) -> bool:
        return _parse_one(first, pattern, "UTC").null_count() > 0

    return sorted(ordered, key=misses)
