"""YAML 1.2 (core schema) or JSON text → a plain tree, and the line on which each part of it stands."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]

DEEPEST: Final = 100
MOST_NODES: Final = 1_000_000

_TAG: Final = "tag:yaml.org,2002:"


class Fault(Exception):
    """The text is no tree; `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        """Keep the place apart from the text."""
        self.line = line
        self.message = message
        super().__init__(message)


class _CoreLoader(yaml.BaseLoader):
    """PyYAML's reader with the resolvers of YAML 1.2's core schema: `on`, `yes` and dates stay strings."""


for _kind, _pattern, _first in (
    ("null", r"^(?:null|Null|NULL|~|)$", ["n", "N", "~", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        "float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
):
    _CoreLoader.add_implicit_resolver(_TAG + _kind, re.compile(_pattern), _first)


def parse_tree(text: str, *, json: bool = False) -> tuple[Any, dict[Path, int]]:
    """Return (tree, path → line); raises Fault with the line of the first thing that is no tree."""
    if json:
        text = text.replace("\t", " ")  # JSON allows tabs between tokens (and nowhere else), YAML's reader does not
    loader = _CoreLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Fault(mark.line + 1 if mark else 1, f"is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise Fault(1, f"is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise Fault(1, f"is nested deeper than {DEEPEST} levels") from None
    finally:
        loader.dispose()
    builder = _Builder()
    return (None if node is None else builder.build(node, (), 0)), builder.lines


class _Builder:
    """Makes a tree of nodes, noting lines."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.nodes = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.nodes += 1
        if depth > DEEPEST:
            raise Fault(line, f"is nested deeper than {DEEPEST} levels")
        if self.nodes > MOST_NODES:
            raise Fault(line, f"has more than {MOST_NODES:,} parts once its aliases are followed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return _scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise Fault(line, "a key is a word, not a list or a mapping")
            key = _joined(key_node.value, line)
            if key in tree:
                raise Fault(line, f"the key {key!r} stands twice in one mapping; remove one")
            self.lines[(*path, key)] = line
            tree[key] = self.build(value_node, (*path, key), depth + 1)
        return tree


def _scalar(node: yaml.Node, line: int) -> Any:
    text = node.value
    match node.tag.removeprefix(_TAG):
        case "str":
            return _joined(text, line)
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _number(int(text, 0) if text[:2] in ("0x", "0o") else _integer(text), text, line)
        case "float":
            return _number(math.inf if text[-1].isalpha() else float(text), text, line)
        case _:
            raise Fault(line, f"has the tag {node.tag}; only plain values are known here")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python refuses to read thousands of digits
        return 10**400


def _number(number: float, text: str, line: int) -> int | float:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        raise Fault(line, f"{text[:40]} is no number that JSON can hold")
    return number


def _joined(text: str, line: int) -> str:
    """Return the text with surrogate pairs joined, as JSON escapes write characters beyond the first plane."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise Fault(line, "has a lone surrogate; write the whole character") from None
