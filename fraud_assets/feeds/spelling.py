"""How single values of a feed file may be spelt: durations, times, delimiters, formats."""

import codecs
import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

EPOCH_UNITS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Name of an epoch time format to the microseconds in one of its units."""

LEAST_LOOKBACK: Final = timedelta(days=30)
"""The longest window of the catalogue: what has no window looks back as far at least."""

_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(minute|hour|day|week)s?")
_PROBE: Final = datetime(2024, 11, 25, 13, 41, 52)  # noqa: DTZ001 formats may know no time zone


def texts(value: object) -> object:
    """One text as a list of one; numbers as their text, so that `fraud: 1` works.

    Raises:
        ValueError: A yes or no without quotes, which YAML turns into a truth value.
    """
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    if any(isinstance(item, bool) for item in values):
        raise ValueError("yes, no, on, off, true and false must be in quotes here")
    return tuple(str(item) if isinstance(item, int | float) else item for item in values)


def duration(value: object) -> object:
    """`7 days`, `36 hours`, `30 minutes` or `2 weeks` as a timedelta.

    Raises:
        ValueError: Any other text.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a number and a unit: `7 days`, `36 hours`, `30 minutes`, `2 weeks`")
    return timedelta(**{f"{match[2]}s": float(match[1])})


def lookback(value: object) -> object:
    """A duration of 30 days or more.

    Raises:
        ValueError: Any other text, or a shorter one.
    """
    found = duration(value)
    if isinstance(found, timedelta) and found < LEAST_LOOKBACK:
        raise ValueError("write `30 days` or more: the longest window of a feature")
    return found


def utc_datetime(value: object) -> object:
    """A date or an ISO 8601 time in UTC; a date means its first moment.

    Raises:
        ValueError: Anything else.
    """
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("write a date or an ISO 8601 time, as 2026-01-01 or 2026-01-01T00:00:00Z")


def delimiter_character(value: object) -> object:
    """One ASCII character, or one of the names comma, semicolon, tab and pipe.

    Raises:
        ValueError: Anything else, a quote, a line end, a letter or a digit.
    """
    text = _DELIMITERS.get(value, value) if isinstance(value, str) else ""
    usable = len(text) == 1 and text.isascii() and not text.isalnum() and text not in '"\r\n\0'
    if not usable:
        raise ValueError("write comma, semicolon, tab, pipe or one other ASCII sign")
    return text


def check_encoding(value: object) -> object:
    """A text encoding that Python knows, under its usual name.

    Raises:
        ValueError: An unknown name, or a codec that is not a text encoding.
    """
    try:
        if isinstance(value, str) and "".encode(value) is not None:
            return codecs.lookup(value).name
    except LookupError:
        pass
    raise ValueError("write the name of a text encoding: utf-8, utf-16, latin-1, cp1252, ...")


def check_timezone(value: object) -> object:
    """A time zone of the IANA database.

    Raises:
        ValueError: An unknown zone.
    """
    try:
        if isinstance(value, str) and ZoneInfo(value):
            return value
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ValueError("write a zone of the IANA database: UTC, Europe/Brussels, America/New_York")


def check_time_format(value: object) -> object:
    """`iso`, `epoch_s`, `epoch_ms`, `epoch_us` or a strptime format that reads what it writes.

    Raises:
        ValueError: Anything else, also a format without a year.
    """
    if value == "iso" or value in EPOCH_UNITS:
        return value
    if not (isinstance(value, str) and _is_readable(value)):
        raise ValueError(
            "write iso, epoch_s, epoch_ms, epoch_us or a strptime format with a year, as "
            "%d.%m.%Y %H:%M:%S"
        )
    return value


def _is_readable(text: str) -> bool:
    import polars as pl

    if "%" not in text:
        return False
    try:
        zone = "UTC" if "z" in text.replace("%:z", "%z").replace("%#z", "%z") else None
        written = pl.Series([_PROBE]).dt.replace_time_zone(zone).dt.strftime(text)
        read = written.str.to_datetime(text, time_unit="us", strict=False)
    except pl.exceptions.PolarsError:
        return False
    moment = read.to_list()[0]
    return moment is not None and moment.year == _PROBE.year
