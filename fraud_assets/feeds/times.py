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

_ISO: Final = (
    *(
        f"%Y-%m-%d{separator}{clock}{zone}"
        for separator, clock, zone in product("T ", ("%H:%M:%S%.f", "%H:%M"), ("", "%#z"))
    ),
    "%Y-%m-%d",
)
# Each is a special case of one above, and Polars reads these fixed widths three times as fast.
_QUICK_ISO: Final = tuple(
    f"%Y-%m-%d{separator}%H:%M:%S{fraction}{zone}"
    for separator, fraction, zone in product("T ", ("", ".%6f", ".%3f"), ("", "Z", "+00:00"))
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
    patterns: list[str] = []
    for name in formats:
        if name == "iso":
            patterns += [*_quick_iso(text), *_ISO]
        elif name not in EPOCH_UNITS:
            patterns.append(name)
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
    for pattern in patterns:
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
    # A zone written as literal text leaves a naive time behind.
    return _in_utc(parsed, "UTC" if pattern.endswith(("Z", "+00:00")) else timezone)


def _quick_iso(text: pl.Series) -> list[str]:
    """The fixed-width pattern that reads the first value, if any does."""
    first = text.drop_nulls().head(1)
    return [
        pattern
        for pattern in _QUICK_ISO
        if first.len() and _parse_one(first, pattern, "UTC").null_count() == 0
    ][:1]
