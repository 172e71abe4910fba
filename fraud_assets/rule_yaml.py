"""YAML of rules as plain values that know their lines: no keys twice, no aliases, no tags."""

from typing import Final, NamedTuple, cast

import yaml

MOST_BYTES: Final = 1_048_576
MOST_RULES: Final = 500
MOST_NODES: Final = 20_000
"""Keys, values, lists and mappings of a file. So many rules with all their keys have fewer, and a
file made to be slow is refused before it is read to its end."""

_LONGEST_NUMBER: Final = 100
_KEY: Final = "rules"
_TEXT: Final = "tag:yaml.org,2002:str"


class YamlFault(Exception):  # noqa: N818 - it is told as a mistake of the file, never raised further
    """Text that is not such YAML; `line` is None where no line is to blame."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        self.problem = problem
        self.line = line
        super().__init__(problem)


class Entry(NamedTuple):
    """One rule as written.

    Attributes:
        value: What stands there; a mapping if all is well.
        line: Line of its beginning, from 1.
        lines: Line of the value of each key.
    """

    value: object
    line: int
    lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which could make a small file huge, without tags and double keys."""

    _nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # so in its stubs
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not allowed", mark)
        event = self.peek_event()  # type: ignore[no-untyped-call] # so in its stubs
        if getattr(event, "tag", None) is not None:
            # A value of a kind that its text is not of fails anywhere in PyYAML.
            raise yaml.composer.ComposerError(
                None, None, "tags (!) are not allowed", event.start_mark
            )
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise YamlFault(
                f"there are more than {MOST_NODES:,} keys and values up to here, more than "
                f"{MOST_RULES} rules need",
                event.start_mark.line + 1,
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002 the base class decides the signature
        if isinstance(node, yaml.ScalarNode) and len(node.value) > _LONGEST_NUMBER:
            # A number of thousands of digits takes long to make, and cannot be printed.
            return str(node.value)
        try:
            return super().construct_object(node, deep)
        except ValueError:
            # 2026-13-45 or 0x_ look like a date and a number and are none. As text they become a
            # mistake of their rule, with its line, instead of hiding all others.
            if isinstance(node, yaml.ScalarNode):
                return str(node.value)
            raise

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:  # noqa: FBT001, FBT002 the base class decides the signature
        seen: set[object] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a plain text", key.start_mark
                )
            if key.tag != _TEXT:
                # Such as true, yes and True, which are one key in three spellings, and <<, which
                # gives keys of another mapping a second time.
                raise yaml.constructor.ConstructorError(
                    None, None, f"a key is a plain text, not {key.value!r}", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def entries_of(content: bytes) -> list[Entry]:
    """The rules that a file lists under its one key, `rules`.

    Raises:
        YamlFault: It is no such file.
    """
    if len(content) > MOST_BYTES:
        raise YamlFault(f"the file has more than {MOST_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
        loader = _Loader(text)
        node = loader.get_single_node()
        value = None if node is None else loader.construct_document(node)
    except UnicodeDecodeError as error:
        raise YamlFault(f"it is not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise YamlFault("it is nested too deeply") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlFault(f"U+{error.character:04X} is not allowed in YAML", line) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise YamlFault(f"it is not YAML: {problem}", mark and mark.line + 1) from error
    if not isinstance(value, dict) or list(value) != [_KEY] or not isinstance(value[_KEY], list):
        raise YamlFault(f"it holds one key, {_KEY}, with a list of rules below it")
    ((_, listed),) = cast("yaml.MappingNode", node).value
    if len(listed.value) > MOST_RULES:
        beyond = listed.value[MOST_RULES].start_mark.line + 1
        raise YamlFault(f"more than {MOST_RULES} rules", beyond)
    return [
        Entry(one, where.start_mark.line + 1, _lines_of(where))
        for one, where in zip(value[_KEY], listed.value, strict=True)
    ]


def _lines_of(node: yaml.Node) -> dict[str, int]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value.start_mark.line + 1 for key, value in node.value}
