"""Feed files: YAML to `Feed`, with every mistake in them named."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fraud_assets.feeds.consistency import inconsistencies
from fraud_assets.feeds.model import (
    Backtest,
    Columns,
    Entities,
    Feed,
    Labels,
    Source,
    TimeColumn,
    TimeStep,
)

SHIPPED: Final = Path(__file__).parent
"""The folder of the feeds that come with the project."""

_TAGS: Final[dict[str, type[BaseModel]]] = {"column rule": TimeColumn, "step rule": TimeStep}
_SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "columns": Columns,
    "labels": Labels,
    "entities": Entities,
    "backtest": Backtest,
}
_PLAIN_WORDS: Final = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_type": "text (a number or a date in quotes)",
    "dict_type": "a mapping",
}
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True)
class Mistake:
    """One mistake in a feed file."""

    file: str
    key: str
    found: str
    accepted: str

    def __str__(self) -> str:
        """File, key, what was found and what is accepted, in one line."""
        found = f"found {self.found}; " if self.found else ""
        return f"{self.file}: {self.key or 'the file'}: {found}{self.accepted}"


class FeedError(Exception):
    """Feed files with mistakes; `mistakes` holds all of them."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


def load_feeds(extra_dir: Path | None = None) -> dict[str, Feed]:
    """Name to feed, shipped ones first, then those of the user, who may replace shipped ones.

    Args:
        extra_dir: The user's folder of `*.yaml` and `*.yml` files.

    Raises:
        FeedError: Mistakes in any file (all files are read first), two feeds of one name in one
            folder, or no such folder.
    """
    feeds: dict[str, Feed] = {}
    mistakes: list[Mistake] = []
    for folder in [SHIPPED] if extra_dir is None else [SHIPPED, extra_dir]:
        if not folder.is_dir():
            accepted = "accepted: an existing folder of feed files (setting FRAUD_FEEDS_DIR)"
            raise FeedError((Mistake(str(folder), "", "no such folder", accepted),))
        _load_folder(folder, feeds, mistakes)
    if mistakes:
        raise FeedError(tuple(mistakes))
    return feeds


def _load_folder(folder: Path, feeds: dict[str, Feed], mistakes: list[Mistake]) -> None:
    owners: dict[str, Path] = {}
    files = (file for file in folder.iterdir() if file.suffix.lower() in {".yaml", ".yml"})
    for file in sorted(files):
        if file.exists() and not file.is_file():
            # Reading a named pipe would wait for a writer.
            mistakes.append(Mistake(str(file), "", "no plain file", "accepted: a text file"))
            continue
        try:
            feed = parse_feed(file.read_bytes(), str(file))
        except FeedError as error:
            mistakes.extend(error.mistakes)
            continue
        if feed.name in owners:
            accepted = f"{owners[feed.name].name} has this name too; accepted: one feed a name"
            mistakes.append(Mistake(str(file), "name", repr(feed.name), accepted))
            continue
        owners[feed.name] = file
        feeds[feed.name] = feed


def parse_feed(content: bytes | str, file: str) -> Feed:
    """The feed that a YAML text describes.

    Args:
        content: The text; bytes are read as UTF-8.
        file: What the errors call it.

    Raises:
        FeedError: Every mistake in it, with key, what was found and what is accepted.
    """
    raw = _read_yaml(content, file)
    try:
        return Feed.model_validate(raw)
    except ValidationError as error:
        mistakes = [_mistake(file, details) for details in error.errors() if details["loc"]]
        # Pydantic compares the parts only once each of them is right; compare what can be now.
        found = inconsistencies(raw) if mistakes else error.errors()[0]["ctx"]["found"]
        known = {mistake.key for mistake in mistakes}
        mistakes += [Mistake(file, key, "", problem) for key, problem in found if key not in known]
        raise FeedError(tuple(mistakes)) from error


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key given twice, where the standard keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 the base class decides the signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read_yaml(content: bytes | str, file: str) -> dict[str, object]:
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        raw = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 a SafeLoader with one more check
    except UnicodeDecodeError as error:
        found = f"a byte that is not UTF-8 at offset {error.start}"
        raise FeedError((Mistake(file, "", found, "accepted: UTF-8 text"),)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML lets a ValueError through for a date such as 2026-13-45.
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        found = f"text that is not YAML{place}: {problem}"
        raise FeedError((Mistake(file, "", found, "accepted: YAML"),)) from error
    if not isinstance(raw, dict):
        accepted = f"accepted: a mapping with the keys {', '.join(_required(Feed))}"
        raise FeedError((Mistake(file, "", type(raw).__name__, accepted),))
    return {str(key): value for key, value in raw.items()}


def _required(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if field.is_required()]


def _mistake(file: str, details: ErrorDetails) -> Mistake:
    path = [str(part) for part in details["loc"] if str(part) not in _TAGS]
    key = ".".join(path)
    if details["type"] == "missing":
        return Mistake(file, key, "nothing", "this key is required")
    if details["type"] == "extra_forbidden":
        return Mistake(file, key, "an unknown key", _accepted_keys(details["loc"]))
    return Mistake(file, key, _shown(details["input"]), _accepted_values(details))


def _accepted_values(details: ErrorDetails) -> str:
    if details["type"] == "literal_error":
        return f"accepted: {details['ctx']['expected'].replace(' or ', ', ')}"
    if details["type"] == "model_type":
        return f"accepted: a mapping with the keys {', '.join(_fields(details['loc']))}"
    if details["type"] == "string_pattern_mismatch":
        return "accepted: a small letter, then small letters, digits and _"
    if details["type"] in _PLAIN_WORDS:
        return f"accepted: {_PLAIN_WORDS[details['type']]}"
    message = details["msg"].removeprefix("Value error, ")
    return message.replace("Input should be ", "accepted: ")


def _accepted_keys(location: tuple[int | str, ...]) -> str:
    names = _fields(location[:-1])
    near = difflib.get_close_matches(str(location[-1]), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}accepted: {', '.join(names)}"


def _fields(location: tuple[int | str, ...]) -> list[str]:
    return list(_model_at(location).model_fields)


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    if not location:
        return Feed
    last = str(location[-1])
    if last in _TAGS:
        return _TAGS[last]
    return _SECTIONS[last] if len(location) == 1 else Source


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
