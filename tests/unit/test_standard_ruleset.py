"""The benchmarks' standard ruleset: 20 segments, every kind of condition, three features or more for every event."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.conditions import KINDS
from rules.load import load_ruleset
from state.cost import full_state
from state.engine import Engine
from state.event import Event

FILE = Path(__file__).parents[2] / "benchmarks" / "standard.yaml"
EVENTS = ("Page Viewed", "Product Viewed", "Product Added", "Order Completed", "Chat Started", "Email Opened")
"""The names of the load's events; each has the properties `total` and `sku`."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_ruleset(FILE))


def test_it_has_twenty_segments_and_no_warning_but_that_its_models_are_not_there(engine: Engine) -> None:
    assert len(engine.ruleset.segments) == 20
    warnings = [warning.message.partition(";")[0] for warning in engine.ruleset.warnings]
    unknown = "warning: never holds: no model has the key"
    assert warnings == [f"{unknown} 'churn'", f"{unknown} 'taste'"]


def test_it_has_every_kind_of_condition(engine: Engine) -> None:
    found = {
        kind
        for segment in engine.ruleset.segments
        for _, condition in segment.conditions()
        for kind in condition.given()
    }
    assert found == set(KINDS)


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_changes_three_features_or_more(engine: Engine, name: str) -> None:
    """On a profile that has seen every event: the first step of a sequence alone would hide the others."""
    profile = engine.new("c")
    body = {"type": "track", "event": name, "properties": {"total": 70.5, "sku": "s1"}}
    for number, before in enumerate(EVENTS):
        engine.apply(profile, Event("c", before, "track", number * 1000, 0, {**body, "event": before}))
    snapshot = engine.encode(profile)
    engine.apply(profile, Event("c", name, "track", 60_000, 0, body))
    earlier = engine.decode("c", snapshot)
    touched = [
        spec for spec, old, new in zip(engine.compiled.specs, earlier.slots, profile.slots, strict=True) if old != new
    ]
    assert len(touched) >= 3, touched


def test_every_feature_is_one_whose_bound_is_known(engine: Engine) -> None:
    assert all(full_state(spec) is not None for spec in engine.compiled.specs)
