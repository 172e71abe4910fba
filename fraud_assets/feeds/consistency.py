"""Whether the parts of a feed agree with each other."""

from collections.abc import Iterator, Mapping
from typing import Final

from gpu_ops.canonical import KINDS

_CURRENCY_LETTERS: Final = 3


def inconsistencies(feed: Mapping[str, object]) -> list[tuple[str, str]]:
    """Key and problem of every disagreement.

    It works on a feed as it was written too, where single keys may be missing or of a wrong type:
    such keys are left to the check of that key, so that one reading reports both sorts of mistake.
    """
    return [
        *_kinds(feed),
        *_currency(feed),
        *_labels(feed),
        *_parties(feed),
        *_optional(feed),
        *_times(feed),
    ]


def _mapping(feed: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = feed.get(key)
    return value if isinstance(value, Mapping) else {}


def _constant(source: object) -> object:
    return source.get("constant") if isinstance(source, Mapping) else None


def _column(source: object) -> object:
    return source.get("column") if isinstance(source, Mapping) else source


def _kinds(feed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    constant = _constant(_mapping(feed, "columns").get("kind"))
    if constant is None:
        return
    if constant not in KINDS:
        yield "columns.kind.constant", f"{constant!r} is no kind; accepted: {', '.join(KINDS)}"
    if feed.get("kinds"):
        yield "kinds", "columns.kind is a constant, so no value is ever looked up; remove one"


def _currency(feed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    constant = _constant(_mapping(feed, "columns").get("currency"))
    if isinstance(constant, str) and not is_currency(constant):
        yield (
            "columns.currency.constant",
            f"{constant!r} is no currency; accepted: an ISO 4217 code as EUR, or XXX for none",
        )


def is_currency(text: str) -> bool:
    """Whether a text has the form of an ISO 4217 code."""
    return len(text) == _CURRENCY_LETTERS and text.isascii() and text.isalpha() and text.isupper()


def _labels(feed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    columns, labels = _mapping(feed, "columns"), _mapping(feed, "labels")
    has_label, has_time = columns.get("is_fraud"), columns.get("label_known_at")
    if has_label and not has_time and feed.get("label_delay") is None:
        yield (
            "label_delay",
            "labels need a time: give label_delay, as `7 days`, or columns.label_known_at",
        )
    if has_time and not has_label:
        yield "columns.label_known_at", "there is no columns.is_fraud whose time it could be"
    both = _as_set(labels.get("fraud")) & _as_set(labels.get("genuine"))
    if both:
        yield "labels", f"{', '.join(sorted(both))} cannot mean both fraud and genuine"


def _as_set(value: object) -> set[str]:
    values = value if isinstance(value, list | tuple) else () if value is None else (value,)
    return {str(item) for item in values}


def _parties(feed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    columns = _mapping(feed, "columns")
    payer, payee = _column(columns.get("payer_id")), _column(columns.get("payee_id"))
    if payer is not None and payer == payee:
        yield "columns.payee_id", "reads the same column as columns.payer_id"


def _optional(feed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    columns = _mapping(feed, "columns")
    for name in sorted(_as_set(feed.get("optional"))):
        if not columns.get(name):
            yield "optional", f"{name} is not among the columns, so it cannot be optional"


def _times(feed: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    earliest, latest = feed.get("earliest"), feed.get("latest")
    try:
        is_empty = earliest is not None and latest is not None and latest <= earliest  # type: ignore[operator]
    except TypeError:
        return
    if is_empty:
        yield "latest", "must be after earliest"
