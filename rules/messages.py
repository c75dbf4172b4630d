"""What pydantic finds wrong with one definition → what a person reads: the place, what is wrong, and the remedy."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from rules.comparisons import OPERATORS
from rules.json_schema import definitions_schema
from rules.models.definition import CLUSTER_PATTERN, KINDS
from rules.paths import PATH_PATTERN
from rules.wording import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError

    from rules.json_schema import Schema

Place = tuple[str | int, ...]

MOST_LISTED: Final = 24
_NAMED: Final = {PATH_PATTERN: "path: comparison", CLUSTER_PATTERN: "c1: text"}

_TYPES: Final = {
    "object": "a mapping", "array": "a list", "string": "a text", "number": "a number", "boolean": "true or false",
    "integer": "a whole number",
}  # fmt: skip

_NUMBER: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")

RELATIVE: Final = ("within_last", "older_than")


def explain(section: str, raw: Any, error: ValidationError) -> Iterator[tuple[Place, str]]:
    """Yield (path within the definition, message) of each thing that is wrong with it."""
    found: dict[Place, list[Any]] = {}
    for detail in error.errors(include_url=False):
        if detail["type"].startswith("union_tag"):  # of a model, which is the only one that says what it is
            yield ("kind",), _kind_message(raw)
            continue
        found.setdefault(_path_in(raw, detail["loc"], detail["type"]), []).append(detail)
    for path, details in found.items():
        of_kind = all(detail["type"].endswith(("_type", "_schema")) for detail in details)
        if of_kind and any(len(other) > len(path) and other[: len(path)] == path for other in found):
            continue  # another alternative of the same union took the value, and says what is wrong inside
        yield path, _message(section, path, details)


def explain_nothing(section: str, raw: Any) -> Iterator[tuple[Place, str]]:
    """Yield (path, message) of each key of a definition that stands there with no value."""
    stack: list[tuple[Place, Any]] = [((), raw)]
    while stack:
        path, value = stack.pop()
        if value is None:
            yield path, _type_message(None, section, path)
        elif isinstance(value, dict):
            stack += [((*path, key), one) for key, one in value.items()]
        elif isinstance(value, list):
            stack += [((*path, index), one) for index, one in enumerate(value)]


def _path_in(tree: Any, loc: Place, kind: str) -> Place:
    """Return the part of an error's location that is in the tree: union tags and type names are not."""
    path: list[str | int] = []
    for step in loc:
        known = step in tree if isinstance(tree, dict) else isinstance(step, int) and isinstance(tree, list)
        if known:
            tree = tree[step]
        elif kind != "missing" or step != loc[-1]:
            continue
        path.append(step)
    return tuple(path)


def _message(section: str, path: Place, details: list[Any]) -> str:
    """Return one message for the errors at one place (a union gives one for each of its kinds)."""
    kinds = {detail["type"]: detail for detail in details}
    for kind in ("value_error", "missing", "extra_forbidden"):
        if kind in kinds:
            return _one_message(section, path, kind, kinds[kind])
    others = [kind for kind in kinds if not kind.endswith("_type")]
    if others:
        return _bound_message(others[0], kinds[others[0]], _schema_at(section, path))
    return _type_message(details[0]["input"], section, path)


def _kind_message(raw: dict[str, Any]) -> str:
    kinds = f"write one of {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    if "kind" not in raw:
        return f"is required; {kinds}"
    near = nearest(str(raw["kind"]), list(KINDS))
    return f"{shown(raw['kind'])} is unknown; " + (f"did you mean {near}?" if near else kinds)


def _one_message(section: str, path: Place, kind: str, detail: Any) -> str:
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "missing":
        return "is required; add it"
    word, known = str(path[-1]), list(_schema_at(section, path[:-1]).get("properties", {}))
    if word in RELATIVE:
        return "compares with now, which only traits may; use the window of the condition (within), or before and after"
    if word in known:
        return "is for another kind of model; remove it"
    near = nearest(word, known)
    if near:
        return f"is unknown here; did you mean {near}?"
    return f"is unknown here; known are {', '.join(known[:MOST_LISTED])}" if known else "is unknown here; remove it"


def _bound_message(kind: str, detail: Any, schema: Schema) -> str:
    """Return the message of a value of the right type that is out of bounds."""
    given, bounds = shown(detail["input"]), detail.get("ctx", {})
    match kind:
        case "string_pattern_mismatch" if bounds["pattern"] == CLUSTER_PATTERN:
            return f"{given} is no key of a cluster; write c1, c2 and so on"
        case "string_pattern_mismatch":
            return f"{given} is no key; write at most 64 lower-case letters, digits and _, a letter first"
        case "string_too_short":
            return "is an empty text; write a word"
        case "too_short" | "too_long":
            wanted = bounds.get("min_length", bounds.get("max_length"))
            exact = schema.get("minItems") == schema.get("maxItems") == wanted
            most = "" if exact else "at least " if kind == "too_short" else "at most "
            return f"has {_plural(len(detail['input']))}; write {most}{wanted}"
        case "literal_error":
            return f"{given} is unknown; write one of {bounds['expected'].replace(chr(39), '')}"
        case "greater_than_equal" | "less_than_equal" | "greater_than" | "less_than":
            ((_, bound),) = bounds.items()
            above = kind.startswith("less")
            word = ("above" if above else "below") if kind.endswith("equal") else f"not {'below' if above else 'above'}"
            if schema.get("type") == "integer" or bound not in (0, 1):
                return f"{given} is {word} {bound}; write {bound} or {'less' if above else 'more'}"
            return f"{given} is {word} {bound}; a share goes from 0 to 1, so 10 % is 0.1"
        case _:
            return f"{given}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _plural(count: int) -> str:
    return f"{count} entry" if count == 1 else f"{count} entries"


def _type_message(value: Any, section: str, path: Place) -> str:
    """Return the message of a value that is of another type than what belongs there."""
    schema = _schema_at(section, path)
    types = schema.get("type", "object")
    types = [types] if isinstance(types, str) else types
    wanted = _wanted(schema, types)
    if value is None:
        needed = bool(path) and path[-1] in _schema_at(section, path[:-1]).get("required", [])
        return f"is empty; write {wanted}" + ("" if needed else ", or remove it")
    if section == "segmentations" and path[:1] == ("segments",) and not isinstance(value, str):
        return "a segment is named by its key here; define it under segments"
    given = shown(value)
    match value:
        case str() if "number" in types and _NUMBER.fullmatch(plain := value.strip().replace("_", "")):
            return f"{given} is a text; write {plain}" + (" without quotes" if plain == value else "")
        case bool() | int() | float() if "string" in types:
            return f"{given} is not {wanted}; put it in quotes: {json.dumps(given)}"
        case dict() | list() if types == ["array"]:
            return f"{given} is not a list; begin each entry with '- '"
        case _ if types == ["array"]:
            return f"{given} is not a list; write [{value}]"
        case _:
            same = wanted == _kinds(types)
            return f"{given} is not {wanted}" if same else f"{given} is not {_kinds(types)}; write {wanted}"


def _kinds(types: list[str]) -> str:
    return " or ".join(_TYPES[name] for name in types if name in _TYPES)


def _wanted(schema: Schema, types: list[str]) -> str:
    """Return in words what belongs in a place."""
    if schema.get("examples"):
        return f"{_kinds(types)} like {schema['examples'][0]}"
    keys = list(schema.get("properties", {}))
    if keys and set(keys) <= set(OPERATORS) and "required" not in schema:
        return " or ".join(["a comparison like {gte: 3}" if name == "object" else _TYPES[name] for name in types])
    if keys:
        needed = [key for key in schema.get("required", []) if key in keys]
        rest = [key for key in keys if key not in needed]
        return f"{_kinds(types)} of {', '.join((needed + rest)[:MOST_LISTED])}"
    named = schema.get("propertyNames", {}).get("pattern")
    return _kinds(types) + (f" of {_NAMED.get(named, 'key: feature')}" if named else "")


@cache
def _schema() -> Schema:
    return definitions_schema()


def _schema_at(section: str, path: Place) -> Schema:
    """Return what the schema says of a place in a definition; empty where it says nothing."""
    node = _resolved(_schema()["properties"][section]["items"])
    for step in path:
        if isinstance(step, int):
            node = node.get("items", {})
        else:
            extra = node.get("additionalProperties") or {}
            node = node.get("properties", {}).get(step, extra)
        node = _resolved(node)
    return node


def _resolved(node: Schema) -> Schema:
    if "$ref" not in node:
        return node
    return {**_schema()["$defs"][node["$ref"].rpartition("/")[2]], **node}
