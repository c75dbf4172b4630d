"""The page on models: every definition in it loads without a warning, and every option, source and measure is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from rules.load import load_text
from rules.models.definition import KINDS, Anomaly, Clusters, Propensity, Value
from rules.models.feature import SOURCES, Feature
from rules.places import parse_tree
from state.models.drift import DriftEvent
from state.models.snapshot import Snapshot, decode
from streams.samples import decode_sample

if TYPE_CHECKING:
    from rules.ruleset import Ruleset

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = [
    (TEXT.count("\n", 0, match.start()) + 1, match[1], match[2])
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
]
DEFINITIONS = [pytest.param(text, id=f"line {line}") for line, kind, text in BLOCKS if kind == "yaml"]
RECORDS = [json.loads(text) for _, kind, text in BLOCKS if kind == "json"]


def loaded(text: str) -> Ruleset:
    return load_text(json.dumps(parse_tree(text).tree), json=True)


@pytest.mark.parametrize("text", DEFINITIONS)
def test_every_definition_loads_without_a_warning(text: str) -> None:
    assert loaded(text).warnings == ()


def test_every_kind_has_an_example_and_every_option_and_source_is_used_in_one() -> None:
    models = [model for one in DEFINITIONS for model in loaded(str(one.values[0])).models]
    assert {model.kind for model in models} == set(KINDS)
    options = {name for model in models for name in model.model_fields_set}
    assert {name for kind in (Anomaly, Clusters, Propensity, Value) for name in kind.model_fields} == options
    features = [feature for model in models for feature in model.features.values()]
    assert {feature.source for feature in features} == set(SOURCES)
    words = {name for feature in features for name in feature.model_fields_set}
    assert words == set(Feature.model_fields)


def test_every_option_is_explained() -> None:
    kinds = (Anomaly, Clusters, Propensity, Value)
    names = {name for kind in kinds for name in kind.model_fields} | set(Feature.model_fields)
    assert [name for name in sorted(names) if f"`{name}" not in TEXT] == []


def test_the_records_are_what_goes_over_the_topics() -> None:
    sample, snapshot, drift = RECORDS
    assert decode_sample(json.dumps(sample).encode()).source() == (3, 1204, 0)
    assert decode(json.dumps(snapshot).encode()).version == 17
    assert set(snapshot) == set(Snapshot.__struct_fields__)
    assert set(drift) == set(DriftEvent.__struct_fields__)
    msgspec.convert(drift, DriftEvent)


def test_what_the_page_leads_to_is_there() -> None:
    lines = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    headings = {re.sub(r"[^a-z0-9_ -]", "", line.lower()).replace(" ", "-") for line in lines}
    assert [link for link in re.findall(r"\]\(#([^)]+)\)", TEXT) if link not in headings] == []
    assert [link for link in re.findall(r"\]\(([^)#]+\.md)", TEXT) if not (PAGE.parent / link).exists()] == []
