"""Answers of language models in the lake, so that no question is paid for twice."""

from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from resources.errors import MissingObjectError
from resources.lake import Lake

CACHE: Final = "explanations/cache"


class Entry(BaseModel):
    """An answer.

    Attributes:
        generator: Who made it: model and version of the prompt.
        alert_id: The alert that was first explained by it.
        text: What it says; None if it could not be used.
        refused: Why it could not be used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generator: str
    alert_id: str
    text: str | None = None
    refused: str | None = None


class ExplanationCache:
    """The answers that are known.

    Removing `explanations/cache/` is always safe: what is needed again is asked again.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def get(self, key: str) -> Entry | None:
        """The answer to a question; None if there is none that can be read."""
        try:
            return Entry.model_validate_json(self._lake.get(f"{CACHE}/{key}.json"))
        except (MissingObjectError, ValidationError):
            return None

    def put(self, key: str, entry: Entry) -> None:
        """Keeps an answer; one that is there is replaced."""
        self._lake.put(f"{CACHE}/{key}.json", entry.model_dump_json(indent=1).encode())
