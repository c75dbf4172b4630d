"""`segue check`, `segue schema` and `segue init`, as a person runs them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from rules.load import load_ruleset
from rules.packs import PACKS
from streams.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

ONE = "segments:\n  - key: buyers\n    when: {did: {event: Order Completed, times: {gte: 3}, within: 90d}}\n"


def segue(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "one.yaml"


class TestCheck:
    def test_names_every_segment_with_what_is_kept_and_its_bytes(self, file: Path) -> None:
        file.write_text(ONE)
        result = segue("check", file)
        assert result.exit_code == 0, result.output
        # 1 byte for the list, 9 for each time
        assert re.search(r"buyers +newest 3 times of Order Completed within 90d +28\b", result.output)
        assert load_ruleset(file).version in result.output

    def test_names_are_shown_as_they_are(self, file: Path) -> None:
        file.write_text('segments:\n  - key: a\n    when: {did: {event: "[bold]Sale :fire:", times: {gte: 2}}}\n')
        assert "number of [bold]Sale :fire:" in segue("check", file).output

    def test_what_is_left_over_in_a_segmentation_is_there_too(self, file: Path) -> None:
        file.write_text(ONE + "segmentations:\n  - {key: stage, segments: [buyers], otherwise: visitor}\n")
        assert "stage.buyers" in segue("check", file).output
        assert "stage.visitor" in segue("check", file).output

    def test_every_error_is_a_line_with_its_place_and_the_exit_status_is_1(self, file: Path) -> None:
        file.write_text("segments:\n  - key: A\n    when: {did: {event: X, within: 30 days}}\n")
        result = segue("check", file)
        assert result.exit_code == 1
        lines = result.stderr.splitlines()
        assert lines[0].startswith(f"{file}:2: segments[0].key: ")
        assert lines[1] == f"{file}:3: segments[0].when.did.within: '30 days' is no duration; write 30d"
        assert len(lines) == 2

    def test_a_warning_is_shown_and_is_no_error(self, file: Path) -> None:
        file.write_text("segments:\n  - key: a\n    when: {did: {event: X, times: {gte: 0}}}\n")
        result = segue("check", file)
        assert result.exit_code == 0
        assert f"{file}:3: segments[0].when.did.times: warning: " in result.output

    def test_a_folder_that_is_not_there_is_one_clear_line(self, tmp_path: Path) -> None:
        result = segue("check", tmp_path / "nowhere")
        assert result.exit_code == 1
        assert "nowhere:1: is not there" in result.stderr

    def test_says_what_a_model_keeps_of_a_customer(self, file: Path) -> None:
        file.write_text(
            "models:\n  - key: back\n    kind: propensity\n    target: {event: Order, within: 30d}\n"
            "    sample: {every: 10d}\n    features: {orders: {did: {event: Order}}}\n"
        )
        result = segue("check", file)
        assert result.exit_code == 0, result.output
        assert "0 segments, 0 segmentations, 1 model: ruleset" in result.output
        assert re.search(r"model back +number of Order +\d+\b", result.output)
        assert "newest time of any event" in result.output
        assert "3 samples that wait for their label" in result.output


class TestSchema:
    def test_prints_a_json_schema(self) -> None:
        result = segue("schema")
        assert result.exit_code == 0
        assert json.loads(result.output)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


class TestInit:
    def test_writes_all_packs_and_the_schema_and_they_pass_the_check(self, tmp_path: Path) -> None:
        folder = tmp_path / "some" / "segments"
        assert segue("init", folder).exit_code == 0
        assert sorted(file.name for file in folder.iterdir()) == sorted(
            [".segue.schema.json", *(f"{name}.yaml" for name in PACKS)]
        )
        assert segue("check", folder).exit_code == 0

    def test_each_file_names_the_schema_beside_it_in_its_first_line(self, tmp_path: Path) -> None:
        segue("init", tmp_path)
        for name in PACKS:
            head = (tmp_path / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
            schema = tmp_path / head.removeprefix("# yaml-language-server: $schema=")
            assert json.loads(schema.read_text(encoding="utf-8"))["title"] == "segue definitions"

    def test_one_pack_and_then_another(self, tmp_path: Path) -> None:
        assert segue("init", tmp_path, "--pack", "b2b").exit_code == 0
        assert segue("init", tmp_path, "--pack", "lifecycle", "--pack", "engagement").exit_code == 0
        assert {file.stem for file in tmp_path.glob("*.yaml")} == {"b2b", "lifecycle", "engagement"}

    def test_writes_nothing_where_one_file_is_there(self, tmp_path: Path) -> None:
        mine = tmp_path / "b2b.yaml"
        mine.write_text("mine")
        result = segue("init", tmp_path)
        assert result.exit_code == 1
        assert f"{mine}: there already" in result.stderr
        assert [file.name for file in tmp_path.iterdir()] == ["b2b.yaml"]
        assert mine.read_text() == "mine"

    def test_a_pack_that_is_none_is_named_with_those_there_are(self, tmp_path: Path) -> None:
        result = segue("init", tmp_path, "--pack", "b2c")
        assert result.exit_code == 2
        assert "b2c" in result.stderr
        assert "b2b" in result.stderr
        assert not list(tmp_path.iterdir())
