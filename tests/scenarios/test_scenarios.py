"""Plays every scenario: each step's changes, their instants, their order and their causes."""

from __future__ import annotations

import pytest

from rules.conditions import KINDS
from tests.scenarios.runner import Scenario, Stage, all_scenarios

SCENARIOS = all_scenarios()


@pytest.mark.parametrize("reload", [False, True], ids=["kept", "reloaded"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_scenario(scenario: Scenario, reload: bool) -> None:
    stage = Stage(scenario.ruleset, scenario.scorers, reload=reload)
    told, wanted = [], []
    for number, step in enumerate(scenario.steps):
        told += [f"step {number}: {line}" for line in stage.play(step)]
        wanted += [f"step {number}: {line}" for line in step.get("expect", [])]
        if scenario.samples:
            told += [f"step {number}: released {line}" for line in stage.released]
            wanted += [f"step {number}: released {line}" for line in step.get("released", [])]
        if "because" in step:
            assert stage.because == step["because"]
    assert told == wanted


def test_every_scenario_expects_a_change() -> None:
    """A scenario in which nothing ever happens would hold on an engine that does nothing."""
    mute = [one.name for one in SCENARIOS if not any(step.get("expect", step.get("released")) for step in one.steps)]
    assert mute == []


def test_names_are_unique() -> None:
    names = [one.name for one in SCENARIOS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_condition_has_scenarios_of_its_own(kind: str) -> None:
    told = [
        one.name
        for one in SCENARIOS
        if one.name.startswith("language/")
        for segment in one.ruleset.segments
        for _, condition in segment.conditions()
        if kind in condition.given()
    ]
    assert len(told) >= 1
