"""The packs: each says for whom it is, all load together, and every segment of theirs is entered in a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules import packs
from rules.load import load_ruleset, load_text
from rules.packs import PACKS, pack_purpose, pack_text
from tests.scenarios.runner import Stage, all_scenarios

FOR_GOOD = {"activated"}  # what a customer has once done stays done


def test_every_file_of_the_folder_is_a_known_pack() -> None:
    assert sorted(file.stem for file in Path(packs.__path__[0]).glob("*.yaml")) == sorted(PACKS)


def test_all_load_together_without_a_warning(tmp_path: Path) -> None:
    for name in PACKS:
        (tmp_path / f"{name}.yaml").write_text(pack_text(name), encoding="utf-8")
    ruleset = load_ruleset(tmp_path)
    assert ruleset.warnings == ()
    assert {segmentation.key for segmentation in ruleset.segmentations} >= {"lifecycle", "engagement", "support_tier"}


@pytest.mark.parametrize("name", PACKS)
def test_it_says_for_whom_and_which_events_it_expects(name: str) -> None:
    head = pack_text(name).partition("\nsegments:")[0]
    assert head.startswith(f"# {name}: {pack_purpose(name)}")
    assert "# For whom: " in head
    assert "# Expects: " in head


@pytest.mark.parametrize("name", PACKS)
def test_every_definition_has_a_name_and_a_description(name: str) -> None:
    ruleset = load_text(pack_text(name), name)
    bare = [one.key for one in ruleset.segments if not one.name or not one.description]
    bare += [one.key for one in ruleset.segmentations if not one.name or not one.description]
    assert bare == []


@pytest.mark.parametrize("name", PACKS)
def test_every_segment_is_entered_and_left_in_a_scenario(name: str) -> None:
    ruleset = load_text(pack_text(name), name)
    inside = {key: one.key for one in ruleset.segmentations for key in one.segments}
    known = {f"{inside[one.key]}.{one.key}" if one.key in inside else one.key for one in ruleset.segments}
    known |= {f"{one.key}.{one.otherwise}" for one in ruleset.segmentations}
    seen: dict[str, set[str]] = {"entered": set(), "exited": set()}
    for scenario in all_scenarios():
        if scenario.name.startswith(f"packs/{name}: "):
            stage = Stage(scenario.ruleset)
            for line in (line for step in scenario.steps for line in stage.play(step)):
                change, segment = line.partition(" by ")[0].split()[-2:]
                seen[change].add(segment)
    assert known - seen["entered"] == set()
    assert known - seen["exited"] == known & FOR_GOOD
