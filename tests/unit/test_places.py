"""The tree of a definitions text: YAML 1.2's core schema to the letter, and JSON as JSON means it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.load import load_text
from rules.places import parse_tree

PLAIN: list[tuple[str, Any]] = [
    ("yes", "yes"),
    ("on", "on"),
    ("2026-03-01", "2026-03-01"),
    ("12:30", "12:30"),
    ("~", None),
    ("", None),
    ("nUll", "nUll"),
    ("TRUE", True),
    ("tRUE", "tRUE"),
    ("012", 12),
    ("+1", 1),
    ("0o17", 15),
    ("0o8", "0o8"),
    ("0x1F", 31),
    ("-0x1F", "-0x1F"),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    (".5", 0.5),
    ("-.5", -0.5),
    ("1.", 1.0),
    ("1e3", 1000.0),
    ("'5'", "5"),
    ("!!str 5", "5"),
    ("!!float 5", 5.0),
]


@pytest.mark.parametrize(("text", "value"), PLAIN, ids=[text or "empty" for text, _ in PLAIN])
def test_scalars_are_what_the_core_schema_says(text: str, value: Any) -> None:
    found = parse_tree(f"a: {text}").tree["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ['!!float ""', "!!bool yes", "!!int abc", "!!int 1.5", "!!null x"])
def test_a_tag_on_what_is_none_of_its_kind_is_a_fault(text: str) -> None:
    faults = parse_tree(f"x: 1\na: {text}").faults
    assert [(fault.line, fault.path) for fault in faults] == [(2, ("a",))]
    assert "remove the tag" in faults[0].message


@pytest.mark.parametrize(
    "character", [chr(code) for code in (0x7F, 0x80, 0x85, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)]
)
def test_json_keeps_every_character_that_json_allows(character: str) -> None:
    tree = {"a": f"x {character} y", "b": [f"{character}", "\t\\/"]}
    assert parse_tree(json.dumps(tree, ensure_ascii=False), json=True).tree == tree


def test_what_the_definitions_say_can_be_read_back_from_their_canonical_json() -> None:
    text = r'segments: [{key: a, name: "a \x7f \x85 \u2028 z", when: {did: {event: "\u2029\uFEFF"}}}]'
    ruleset = load_text(text)
    assert load_text(ruleset.source, json=True).version == ruleset.version
