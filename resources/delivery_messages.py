"""What leaves the project: one message an alert or a failed run, without account numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from gpu_ops.masking import masked
from resources.scrubbing import scrubbed

SHORTENED: Final = " … [shortened]"
"""Ends an explanation that had to be cut."""

_FORMAT: Final = 1
_LONGEST_ID: Final = 128
_LEAST_EXPLANATION: Final = 200
_AS_IT_IS: Final = (
    "alert_id",
    "alert_type",
    "feed",
    "subject_id",
    "event_day",
    "rank",
    "expected_loss",
    "ranked_by",
    "reasons",
    "explanation",
    "occurred_at",
    "kind",
    "amount",
    "currency",
    "fraud_probability",
    "anomaly_score",
    "model_version",
    "related_transaction_ids",
    "pattern",
    "score",
    "transaction_ids",
    "first_at",
    "last_at",
)
_ACCOUNTS: Final = ("payer", "payee", "accounts")
_FILTERED: Final = ("alert_type", "feed", "ranked_by", "rank", "expected_loss")
_FAILURE: Final = ("run_id", "job", "reason", "recorded_at")

Attributes = Mapping[str, str | float]


class UnfitMessageError(ValueError):
    """A line of the outbox from which no message can be made."""


@dataclass(frozen=True)
class Message:
    """What a target gets to send.

    Attributes:
        message_id: The same whenever the message is sent again, so that a receiver can drop the
            second: the alert's id, or `run-` and the run's id.
        stream: `alerts` or `failures`; messages of one stream keep their order.
        attributes: What receivers filter by.
        content: What it says, as JSON.
    """

    message_id: str
    stream: str
    attributes: Attributes
    content: Mapping[str, JsonValue]

    def body(self, most_bytes: int | None = None) -> bytes:
        """The content as one line of ASCII JSON.

        Args:
            most_bytes: A limit. What is longer loses the end of its explanation first, then the
                ends of its lists; `left_out` says how many entries of each.

        Raises:
            UnfitMessageError: It is too long even so.
        """
        data = _json(self.content)
        if most_bytes is None or len(data) <= most_bytes:
            return data
        return _fitted(dict(self.content), most_bytes)


def alert_message(line: Mapping[str, JsonValue], sequence: str) -> Message:
    """The message of an alert as the outbox holds it.

    Only columns that are known to be harmless go out, so a new one stays in until it is listed
    here; accounts are masked, and empty values are left out. Transaction ids go out as sent.

    Args:
        line: A line of `outbox/alerts/<n>.jsonl`.
        sequence: Its place in the outbox; receivers without an order of their own sort by it.

    Raises:
        UnfitMessageError: The line has no alert id, or one that could be no id of a message.
    """
    alert_id = line.get("alert_id")
    if not (isinstance(alert_id, str) and _is_message_id(alert_id)):
        raise UnfitMessageError("the line has no usable alert_id")
    content: dict[str, JsonValue] = {"format": _FORMAT, "event": "alert", "sequence": sequence}
    content |= {name: line[name] for name in _AS_IT_IS if line.get(name) is not None}
    content |= {name: _masked(line[name]) for name in _ACCOUNTS if line.get(name) is not None}
    attributes: dict[str, str | float] = {"event": "alert"}
    for name in _FILTERED:
        value = content.get(name)
        if isinstance(value, str | int | float) and value != "":
            attributes[name] = value
    return Message(alert_id, "alerts", attributes, content)


def failure_message(record: Mapping[str, JsonValue]) -> Message:
    """The message of a failed run as the outbox holds it.

    Args:
        record: `outbox/failures/<run id>.json`.

    Raises:
        UnfitMessageError: The record has no run id.
    """
    run_id = record.get("run_id")
    if not (isinstance(run_id, str) and _is_message_id(run_id)):
        raise UnfitMessageError("the record has no usable run_id")
    content: dict[str, JsonValue] = {"format": _FORMAT, "event": "run_failed"}
    # Scrubbed once more: somebody may have written the object by hand.
    content |= {name: scrubbed(str(record[name])) for name in _FAILURE if name in record}
    # The longest run id and the prefix are more than a message id may have.
    message_id = f"run-{run_id}"[:_LONGEST_ID]
    return Message(message_id, "failures", {"event": "run_failed"}, content)


def _is_message_id(text: str) -> bool:
    """Letters, digits and signs of ASCII, 128 at most: what SNS and HTTP headers both take."""
    return (
        0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable() and " " not in text
    )


def _masked(value: JsonValue) -> JsonValue:
    return [masked(one) for one in value] if isinstance(value, list) else masked(value)


def _json(content: Mapping[str, JsonValue]) -> bytes:
    """ASCII only: some services refuse characters that JSON allows, such as U+FFFE."""
    return json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()


def _fitted(content: dict[str, JsonValue], most_bytes: int) -> bytes:
    """The content with as much cut off as is needed."""
    explanation = content.get("explanation")
    if isinstance(explanation, str) and len(explanation) > _LEAST_EXPLANATION:
        least = explanation[:_LEAST_EXPLANATION] + SHORTENED
        if len(_json(content | {"explanation": least})) <= most_bytes:
            return _longest(content, explanation, most_bytes)
        content["explanation"] = least
    left_out: dict[str, JsonValue] = {}
    while len(data := _json(content)) > most_bytes:
        lists = {
            name: value for name, value in content.items() if isinstance(value, list) and value
        }
        if not lists:
            raise UnfitMessageError(f"it has more than {most_bytes:,} bytes even when shortened")
        name = max(lists, key=lambda one: len(_json({one: lists[one]})))
        kept = len(lists[name]) // 2
        before = left_out.get(name, 0)
        left_out[name] = (before if isinstance(before, int) else 0) + len(lists[name]) - kept
        content[name] = lists[name][:kept]
        content["left_out"] = dict(left_out)
    return data


def _longest(content: Mapping[str, JsonValue], explanation: str, most_bytes: int) -> bytes:
    """The content with the longest beginning of its explanation that fits, by halving."""
    fits, too_long = _LEAST_EXPLANATION, len(explanation)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if len(_json({**content, "explanation": explanation[:middle] + SHORTENED})) <= most_bytes:
            fits = middle
        else:
            too_long = middle
    return _json({**content, "explanation": explanation[:fits] + SHORTENED})
