"""The rules reference: every definition in it loads, and what it says happens does.

A `yaml` block is definitions, or a bare `when` (then of one segment). A `timeline` block plays on the definitions
before it, on a customer of its own. Its lines are an instant, what comes, and after → what changes, parted by two
spaces at least; a change is at the line's instant, or `at` another.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rules.comparisons import OPERATORS
from rules.conditions import KINDS
from rules.dates import parse_date
from rules.load import load_text
from rules.packs import PACKS
from rules.places import parse_tree
from tests.scenarios.runner import EPOCH_MS, Stage, instant, since_epoch

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TYPES = ("page", "identify")


@dataclass(frozen=True)
class Block:
    line: int
    kind: str
    text: str
    definitions: str

    @property
    def name(self) -> str:
        return f"line {self.line}: {self.text.splitlines()[0].strip()}"


def blocks() -> list[Block]:
    text, found, definitions = PAGE.read_text(encoding="utf-8"), [], ""
    for match in BLOCK.finditer(text):
        if match[1] == "yaml":
            definitions = match[2]
        found.append(Block(text.count("\n", 0, match.start()) + 1, match[1], match[2], definitions))
    return found


BLOCKS = blocks()
DEFINITIONS = [block for block in BLOCKS if block.kind == "yaml"]
TIMELINES = [block for block in BLOCKS if block.kind == "timeline"]


def tree_of(text: str) -> dict[str, Any]:
    tree: dict[str, Any] = parse_tree(text).tree
    return {"segments": [{"key": "example", **tree}]} if "when" in tree else tree


@pytest.mark.parametrize("block", DEFINITIONS, ids=[block.name for block in DEFINITIONS])
def test_every_definition_loads_without_a_warning(block: Block) -> None:
    assert load_text(json.dumps(tree_of(block.text)), json=True).warnings == ()


@pytest.mark.parametrize("block", TIMELINES, ids=[block.name for block in TIMELINES])
def test_what_it_says_happens_does(block: Block) -> None:
    stage = Stage(load_text(json.dumps(tree_of(block.definitions)), json=True))
    for line in block.text.splitlines():
        left, _, right = line.partition("→")
        at, _, what = left.strip().partition("  ")
        at = at if parse_date(at) is None else since_epoch(int(parse_date(at) or 0))
        told = [re.sub(r" by .*", "", change) for change in stage.play(step_of(at, what.strip()))]
        assert told == [expected(change.strip(), at) for change in right.split(",") if change.strip()], line


def step_of(at: str, what: str) -> dict[str, Any]:
    if what.startswith("("):
        return {"clock": at}
    name, brace, rest = what.partition(" {")
    payload = parse_tree(brace + rest).tree if brace else {}
    if name in TYPES:
        return {"type": name, "at": at, "traits" if name == "identify" else "properties": payload}
    return {"event": name, "at": at, "properties": payload}


def expected(change: str, at: str) -> str:
    verb, segment, *other = change.split(maxsplit=2)
    when = other[0].removeprefix("at ") if other else at
    return f"{since_epoch(instant(when))} {verb} {segment}"


def test_every_kind_comparison_and_pack_has_its_place() -> None:
    text = PAGE.read_text(encoding="utf-8")
    used = {
        kind
        for block in DEFINITIONS
        for segment in load_text(json.dumps(tree_of(block.text)), json=True).segments
        for _, condition in segment.conditions()
        for kind in condition.given()
    }
    assert used == set(KINDS)
    assert [operator for operator in OPERATORS if f"`{operator}" not in text] == []
    assert [pack for pack in PACKS if f"`{pack}`" not in text] == []


def test_the_epoch_of_the_timelines_is_the_day_they_name() -> None:
    assert parse_date("2026-01-01") == EPOCH_MS
