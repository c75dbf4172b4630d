"""YAML 1.2 (core schema) or JSON text → a plain tree, the line on which each part of it stands, and what is wrong."""

from __future__ import annotations

import json as json_reader
import math
import re
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

Path = tuple[str | int, ...]

DEEPEST: Final = 100
MOST_NODES: Final = 1_000_000

_TAG: Final = "tag:yaml.org,2002:"
_TOO_DEEP: Final = f"is nested deeper than {DEEPEST} levels, or in itself through an alias"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with the text itself; `line` counts from 1.

    With `covers`, the tree has None in place of what stands at the path: whatever else is said of it is of no use.
    """

    line: int
    path: Path
    message: str
    covers: bool = False


@dataclass
class Parsed:
    """A tree (None where there is none), the line of each part by its path, and every fault found."""

    tree: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class _CoreLoader(yaml.BaseLoader):
    """PyYAML's reader with the resolvers of YAML 1.2's core schema: `on`, `yes` and dates stay strings."""


_FORMS: Final[dict[str, re.Pattern[str]]] = {}

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
    _FORMS[_kind] = re.compile(_pattern)
    _CoreLoader.add_implicit_resolver(_TAG + _kind, _FORMS[_kind], _first)


def parse_tree(text: str, *, json: bool = False) -> Parsed:
    """Return the tree of a text; what is no YAML (or, with `json`, no JSON) at all has one fault and no tree."""
    text = text.removeprefix("\ufeff")
    parsed = Parsed()
    fault = _json_fault(text) if json else None
    if fault is None:
        node, fault = _compose(_as_yaml(text) if json else text)
        if node is not None:
            builder = _Builder(parsed, json=json)
            try:
                parsed.tree = builder.build(node, (), 0)
            except _TooMuch as too_much:
                fault = Fault(too_much.line, (), f"has more than {MOST_NODES:,} parts once its aliases are followed")
    if fault is not None:
        return Parsed(faults=[fault])
    return parsed


def _as_yaml(text: str) -> str:
    """Return JSON so that YAML's reader gets the same of it: JSON allows tabs between tokens (and nowhere else)."""
    return _ONLY_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("\t", " "))


_ONLY_JSON: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What may stand in a JSON string, and what YAML forbids or takes for the end of a line."""


def _json_fault(text: str) -> Fault | None:
    try:
        json_reader.loads(text, parse_int=lambda _: 0, parse_float=lambda _: 0.0)
    except json_reader.JSONDecodeError as error:
        return Fault(error.lineno, (), f"is no JSON: {error.msg} (column {error.colno})")
    except RecursionError:
        return Fault(1, (), _TOO_DEEP)
    return None


def _compose(text: str) -> tuple[yaml.Node | None, Fault | None]:
    loader = None
    try:
        loader = _CoreLoader(text)
        return loader.get_single_node(), None
    except yaml.MarkedYAMLError as error:
        marks = (error.context_mark, error.problem_mark)
        mark = marks[0] if error.problem == _UNCLOSED and marks[0] else marks[1] or marks[0]
        return None, Fault(mark.line + 1 if mark else 1, (), f"is no YAML: {_explained(error)}")
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return None, Fault(line, (), f"has the character U+{error.character:04X}, which YAML forbids; remove it")
    except RecursionError:
        return None, Fault(1, (), _TOO_DEEP)
    finally:
        if loader is not None:
            loader.dispose()


_UNCLOSED: Final = "found unexpected end of stream"
_REMEDIES: Final = (
    (r"found character '\\t'", "a tab stands where only spaces may; indent with spaces"),
    (r"mapping values are not allowed", "a second ': ' in one line, or a wrong indentation; quote text with a :"),
    (r"found undefined alias '(.*)'", r"the alias *\1 has no anchor &\1 before it; quote text that begins with *"),
    (r"expected alphabetic or numeric character", 'a lone * or & wants quotes: "*"'),
    (r"but found another document", "a second document begins here (---); put it into a file of its own"),
    (_UNCLOSED, "a quote that opens here is never closed"),
    (r"expected <block end>", "this line is indented otherwise than those it belongs to"),
    (r"could not find expected ':'", "a key wants a : behind it"),
    (r"but (got|found) '<stream end>'", "a bracket that is opened before is never closed"),
    (r"expected ',' or '(.)', but got '(.*)'", r"'\2' stands where ',' or '\1' should; quote text that holds it"),
)  # fmt: skip
"""What the reader says → what a person can do about it."""


def _explained(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or error.context or "it cannot be read"
    for pattern, remedy in _REMEDIES:
        found = re.search(pattern, said)
        if found:
            return found.expand(remedy)
    return said


class _TooMuch(Exception):
    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


class _Builder:
    """Makes a tree of nodes, noting lines and faults; what has a fault is None in the tree."""

    def __init__(self, parsed: Parsed, *, json: bool) -> None:
        self.lines = parsed.lines
        self.faults = parsed.faults
        self.json = json
        self.nodes = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise _TooMuch(line)
        if depth > DEEPEST:
            self.faults.append(Fault(line, path[:2], _TOO_DEEP, covers=True))
        elif isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        elif isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        else:
            try:
                return _scalar(node, json=self.json)
            except ValueError as error:
                self.faults.append(Fault(line, path, str(error), covers=True))
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            try:
                key = _key(key_node)
                if key in tree:
                    message = f"the key {key!r} stands twice in one mapping; remove one"
                    raise ValueError(message)
            except ValueError as error:
                self.faults.append(Fault(line, path, str(error)))
                continue
            self.lines[(*path, key)] = line
            tree[key] = self.build(value_node, (*path, key), depth + 1)
        return tree


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        message = "a key is a word, not a list or a mapping"
        raise ValueError(message)
    if node.value == "<<":
        message = "<< (merging) is not part of YAML 1.2; write the keys out, or give a whole value an alias"
        raise ValueError(message)
    return _joined(node.value)


def _scalar(node: yaml.Node, *, json: bool) -> Any:
    """Return the value of a scalar; raises ValueError where it has none here."""
    text = node.value
    plain_json = json and getattr(node, "style", None) is None
    kind = node.tag.removeprefix(_TAG)
    if kind in _FORMS and not _FORMS[kind].match(text):  # only where a tag like !!bool is written out
        message = f"{text!r} is no {kind}; remove the tag"
        raise ValueError(message)
    match kind:
        case "str" if plain_json:
            message = f"{text} is no number that JSON can hold"
            raise ValueError(message)
        case "str":
            return _joined(text)
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return _number(int(text, 0) if text[:2] in ("0x", "0o") else _integer(text), text)
        case "float":
            return _number(math.inf if text[-1].isalpha() else float(text), text)
        case _:
            message = f"has the tag {node.tag}; only plain values are known here, remove it"
            raise ValueError(message)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # Python refuses to read thousands of digits
        return 10**400


def _number(number: float, text: str) -> int | float:
    try:
        finite = math.isfinite(number)
    except OverflowError:
        finite = False
    if not finite:
        message = f"{text[:40]} is no number that JSON can hold; leave the bound out"
        raise ValueError(message)
    return number


def _joined(text: str) -> str:
    """Return the text with surrogate pairs joined, as JSON escapes write characters beyond the first plane."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        message = "has a lone surrogate; write the whole character"
        raise ValueError(message) from None
