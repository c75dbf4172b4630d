"""The JSON Schema of definitions files, for editors: generated from the models, then put as editors show it best.

Pydantic's own schema has a union of fourteen kinds for a condition: an editor then says "matches none of 14". Here a
condition is one mapping with exactly one of fourteen keys, and what may be one of several types is one schema with a
list of types, so that completion and errors are at the key itself. What only code knows (references, circles, days
that no month has, patterns that are none) is left to `segue check`.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from rules.comparisons import OPERATORS
from rules.conditions import AnyCondition, Unknown
from rules.models.definition import AnyModel
from rules.paths import PATH_PATTERN
from rules.ruleset import Ruleset

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]

_DEFS: Final = "#/$defs/"
_DROPPED: Final = ("title", "default", "oneOf", "discriminator")
_RENAMED: Final = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def definitions_schema() -> Schema:
    """Return the JSON Schema (draft 2020-12) of a definitions file."""
    raw = Ruleset.model_json_schema(by_alias=True)
    tidy = _Tidy(raw.pop("$defs"))
    defs = {name: tidy.schema(one) for name, one in tidy.defs.items()}
    _merge_conditions(defs)
    _merge_models(defs)
    top = tidy.schema(raw)
    for section in top["properties"].values():
        section["type"] = ["array", "null"]  # an empty section is no error
    used = _used({**top, "Condition": defs["Condition"]}, defs)
    return {
        "$schema": DIALECT,
        "title": "segue definitions",
        **top,
        "description": "Customer segments and segmentations: one file of a ruleset.",
        "$defs": {name: defs[name] for name in sorted(used)},
    }


class _Tidy:
    """Rewrites schemas: no generated titles and defaults, no null, one `number`, one schema for several types."""

    def __init__(self, defs: Schema) -> None:
        self.defs = defs

    def schema(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.schema(item) for item in node]
        if not isinstance(node, dict):
            return node
        tidy: Schema = {}
        if "anyOf" in node:
            tidy |= self._one_of_types(node["anyOf"])
        if "oneOf" in node:  # a union with a discriminator: of conditions, or of models
            tidy["$ref"] = f"{_DEFS}{'Model' if 'discriminator' in node else 'Condition'}"
        for key, value in node.items():
            if key == "properties":
                tidy[key] = {name: self.schema(one) for name, one in value.items()}
            elif key == "patternProperties":
                ((pattern, one),) = value.items()
                tidy |= {"propertyNames": {"pattern": pattern}, "additionalProperties": self.schema(one)}
            elif key not in (*_DROPPED, "anyOf"):
                tidy[str(_RENAMED.get(key, key))] = self.schema(value)
        if isinstance(tidy.get("additionalProperties"), dict) and "propertyNames" not in tidy:
            tidy["propertyNames"] = {"pattern": PATH_PATTERN}
        _demand_a_comparison(tidy)
        return tidy

    def _one_of_types(self, choices: list[Schema]) -> Schema:
        """Return one schema for alternatives of different types: each keyword bears on its own type only."""
        choices = [choice for choice in choices if choice != {"type": "null"}]
        if len(choices) == 1:
            return dict(self.schema(choices[0]))
        merged: Schema = {}
        types = []
        for raw in choices:
            choice = self.schema(self.defs[raw["$ref"].removeprefix(_DEFS)] if "$ref" in raw else raw)
            types += choice["type"] if isinstance(choice["type"], list) else [choice["type"]]
            merged |= choice
        kept = [name for name in dict.fromkeys(types) if name != "integer" or "number" not in types]
        return {**merged, "type": kept[0] if len(kept) == 1 else kept}


def _merge_conditions(defs: Schema) -> None:
    """Put one `Condition`, with a key for each kind, in the place of the kinds."""
    properties: Schema = {}
    for kind in (get_args(member)[0] for member in get_args(get_args(AnyCondition)[0])):
        one = defs.pop(kind.__name__)
        if kind is not Unknown:
            ((key, value),) = one["properties"].items()
            properties[key] = {**value, "description": one["description"]}
    defs["Condition"] = {
        "description": "A condition: a mapping with exactly one key, its kind.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _merge_models(defs: Schema) -> None:
    """Put one `Model`, whose `kind` says what else it needs, in the place of the kinds."""
    kinds = [defs.pop(kind.__name__) for kind in get_args(get_args(AnyModel)[0])]
    properties: Schema = {}
    for one in kinds:
        properties |= one["properties"]
    target = defs.pop("ValueTarget")
    del defs["Target"]
    defs["ModelTarget"] = {**target, "required": [name for name in target["required"] if name != "of"]}
    properties["target"] = {**properties["target"], "$ref": f"{_DEFS}ModelTarget"}
    properties["kind"] = {"type": "string", "enum": [one["properties"]["kind"]["const"] for one in kinds]}
    always = [name for name in kinds[0]["required"] if all(name in one["required"] for one in kinds)]
    defs["Model"] = {
        "description": "An online model: what it predicts, from which samples, by which features.",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": always,
        "allOf": [_of_kind(one, always, properties) for one in kinds],
    }


def _of_kind(one: Schema, always: list[str], known: Schema) -> Schema:
    """Return what else a kind needs, and that it takes no part that only others `known` have."""
    kind = one["properties"]["kind"]["const"]
    then: Schema = {"required": [name for name in one["required"] if name not in always]}
    then["properties"] = {name: False for name in known if name not in one["properties"]}
    if "target" in one["properties"]:
        then["properties"]["target"] = {"required": ["of"]} if kind == "value" else {"properties": {"of": False}}
    return {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": then}


def _demand_a_comparison(one: Schema) -> None:
    """Demand one comparison at least where comparisons stand."""
    fields = set(one.get("properties", {}))
    known = [operator for operator in OPERATORS if operator in fields]
    if "lte" not in known:  # every mapping of comparisons knows that one
        return
    if set(known) == fields:
        one["minProperties"] = 1
    else:
        one["anyOf"] = [{"required": [operator]} for operator in known]


def _used(node: Any, defs: Schema) -> set[str]:
    """Return the names of all definitions that a schema needs."""
    found: set[str] = set()
    open_nodes = [node]
    while open_nodes:
        one = open_nodes.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).removeprefix(_DEFS)
            if name and name not in found:
                found.add(name)
                open_nodes.append(defs[name])
            open_nodes += one.values()
        elif isinstance(one, list):
            open_nodes += one
    return found
