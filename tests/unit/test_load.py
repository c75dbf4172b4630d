"""Definitions as a person writes them, wrong ones above all: file, line, path and remedy, every error in one run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from rules.compile import unit_order
from rules.errors import DefinitionError
from rules.features import feature_key
from rules.json_schema import definitions_schema
from rules.load import load_ruleset, load_text
from rules.needs import Needs
from rules.packs import PACKS, pack_text
from rules.places import parse_tree
from tests.unit.faulty import FAULTY, SEEN_BY_SCHEMA, Faulty

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "segments:\n  - key: a\n    when: {did: {event: X}}\n"


def problems(text: str, *, json: bool = False) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load_text(text, "s.yaml", json=json)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("case", FAULTY, ids=[case.name for case in FAULTY])
def test_each_fault_has_its_place_and_its_remedy(case: Faulty) -> None:
    assert problems(case.text, json=case.json) == [f"s.yaml:{line}" for line in case.said]


def test_every_error_of_every_file_comes_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "segments:\n  - key: A\n    when: {did: {evnt: X, within: 30 days}}\n    untill: 1\n"
    )
    (tmp_path / "b.yaml").write_text("segments:\n  - key: b\n    key: c\n    when: {dit: {}}\n")
    (tmp_path / "c.yaml").write_text("segments:\n\t- key: c\n")
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(DefinitionError) as caught:
        load_ruleset(tmp_path)
    places = [
        (problem.file.removeprefix(f"{tmp_path}/"), problem.line, problem.path) for problem in caught.value.problems
    ]
    assert places == [
        ("a.yaml", 2, "segments[0].key"),
        ("a.yaml", 3, "segments[0].when.did.event"),
        ("a.yaml", 3, "segments[0].when.did.evnt"),
        ("a.yaml", 3, "segments[0].when.did.within"),
        ("a.yaml", 4, "segments[0].untill"),
        ("b.yaml", 3, "segments[0]"),
        ("b.yaml", 4, "segments[0].when"),
        ("c.yaml", 2, ""),
        ("d.json", 1, ""),
    ]  # fmt: skip
    assert str(caught.value).count("\n") == 8


class TestWhatIsGood:
    def test_a_byte_order_mark_and_windows_lines_are_no_fault(self, tmp_path: Path) -> None:
        plain, windows = tmp_path / "plain.yaml", tmp_path / "windows.yaml"
        plain.write_text(GOOD)
        windows.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
        assert load_ruleset(windows).version == load_ruleset(plain).version

    def test_yaml_1_2_has_no_other_words_for_true_and_no_dates(self) -> None:
        tree = parse_tree("[on, yes, no, off, 2026-03-01, 1_000, 0o17, 0x1F, 017, 1e3, ~, null, true]").tree
        assert tree == ["on", "yes", "no", "off", "2026-03-01", "1_000", 15, 31, 17, 1000.0, None, None, True]

    def test_an_alias_repeats_a_value(self) -> None:
        text = (
            "segments:\n  - {key: a, when: &buys {did: {event: Order Completed}}}\n  - {key: b, when: {not: *buys}}\n"
        )
        assert len(load_text(text).segments) == 2

    def test_json_may_be_indented_with_tabs_and_escape_what_it_likes(self) -> None:
        text = (
            '{\n\t"segments": [\n\t\t{"key": "a",\t"name": "\\u00e9 \\ud83d\\ude00 \\/", "when": {"all": []}}\n\t]\n}'
        )
        assert load_text(text, json=True).segments[0].name == "é 😀 /"

    def test_ninety_levels_are_not_too_deep(self) -> None:
        text = "segments:\n  - key: a\n    when: " + "{not: " * 90 + "{did: {event: X}}" + "}" * 90
        assert load_text(text).warnings == ()

    @pytest.mark.parametrize("text", ["", "# nothing yet\n", "segments:\n", "segments: []\nsegmentations:\n"])
    def test_nothing_at_all_is_a_ruleset_with_a_warning(self, text: str) -> None:
        ruleset = load_text(text, "s.yaml")
        assert [str(warning) for warning in ruleset.warnings] == [
            "s.yaml:1: warning: no segments are defined; begin with segments:"
        ]


class TestFolders:
    def test_all_files_make_one_ruleset_whatever_their_form(self, tmp_path: Path) -> None:
        (tmp_path / "b.yml").write_text("segments:\n  - {key: b, when: {in_segment: c}}\n")
        (tmp_path / "a.YAML").write_text("segments:\n  - {key: a, when: {in_segment: b}}\n")
        (tmp_path / "deep" / "er").mkdir(parents=True)
        (tmp_path / "deep" / "er" / "c.json").write_text('{"segments": [{"key": "c", "when": {"all": []}}]}')
        (tmp_path / ".hidden.yaml").write_text("nonsense")
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "x.yaml").write_text("nonsense")
        (tmp_path / "notes.txt").write_text("nonsense")
        assert [segment.key for segment in load_ruleset(tmp_path).segments] == ["a", "b", "c"]

    def test_a_key_taken_in_another_file_is_named_with_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(GOOD)
        (tmp_path / "b.yaml").write_text("\n" + GOOD)
        with pytest.raises(DefinitionError) as caught:
            load_ruleset(tmp_path)
        expected = f"{tmp_path}/b.yaml:3: segments[0].key: 'a' is taken already ({tmp_path}/a.yaml:2); choose another"
        assert str(caught.value) == expected

    def test_an_empty_folder_and_a_missing_file_say_so(self, tmp_path: Path) -> None:
        with pytest.raises(
            DefinitionError, match=r":1: holds no definitions; add a file that ends in .yaml, .yml, .json"
        ):
            load_ruleset(tmp_path)
        with pytest.raises(DefinitionError, match=r"nowhere\.yaml:1: is not there; name a definitions file"):
            load_ruleset(tmp_path / "nowhere.yaml")

    def test_a_file_in_another_encoding_says_where(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_bytes("segments:\n  - key: a\n    name: Käufer\n".encode("latin-1"))
        with pytest.raises(DefinitionError, match=r"a\.yaml:3: is not UTF-8 \(byte 32\); save it as UTF-8"):
            load_ruleset(tmp_path)


class TestVersion:
    def test_it_is_of_what_is_said_not_of_how_it_is_written(self) -> None:
        as_yaml = (
            "segments:\n  - when:\n      total: {gte: 5.0, event: X, of: total, agg: sum}\n    key: a  # a comment\n"
        )
        as_json = {"segments": [{"key": "a", "when": {"total": {"event": "X", "of": "total", "agg": "sum", "gte": 5}}}]}
        assert load_text(as_yaml).version == load_text(json.dumps(as_json), json=True).version

    def test_it_is_twelve_hex_digits_of_the_sha_256_of_the_canonical_json(self) -> None:
        # printf '{"segments":[{"key":"a","when":{"did":{"event":"X"}}}]}' | sha256sum
        assert load_text(GOOD).version == "b75c5d55d7d1"

    def test_what_has_the_same_version_needs_the_same_features(self) -> None:
        text = "segments: [{key: a, when: {did: {event: X, where: {n: {gte: 100.0, in: [1e2, 2.5]}}}}}]"
        file = load_text(text)
        stored = load_text(file.source, json=True)
        assert stored.version == file.version
        assert [*map(feature_key, Needs.of(stored.segments[0].when).specs)] == [
            *map(feature_key, Needs.of(file.segments[0].when).specs)
        ]

    def test_another_bound_is_another_version(self) -> None:
        other = GOOD.replace("event: X", "event: X, times: 2")
        assert load_text(other).version != load_text(GOOD).version


class TestHostileFiles:
    def test_a_tree_of_aliases_is_refused_before_it_fills_the_memory(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        assert problems("\n".join(lines))[0].endswith("has more than 1,000,000 parts once its aliases are followed")

    def test_thousands_of_levels_are_one_clear_line(self) -> None:
        deep = '{"segments":' + "[" * 100_000 + "]" * 100_000 + "}"
        assert problems(deep, json=True) == [
            "s.yaml:1: is nested deeper than 100 levels, or in itself through an alias"
        ]

    def test_a_chain_of_thousands_of_segments_has_an_order(self) -> None:
        chain = [{"key": f"s{n}", "when": {"in_segment": f"s{n + 1}"}} for n in range(3_000)]
        tree = {"segments": [*chain, {"key": "s3000", "when": {"did": {"event": "X"}}}]}
        ordered = unit_order(load_text(json.dumps(tree), json=True))
        assert [unit.key for unit in ordered] == [f"s{n}" for n in range(3_000, -1, -1)]


WARNED = [
    ("did: {event: X, times: {gte: 0}}", "did.times", "gte 0 always holds"),
    ("did: {event: X, times: {lt: 0}}", "did.times", "lt 0 never holds"),
    ("did: {event: X, within: 0s}", "did.within", "0s counts no event"),
    ("did: {event: X, where: {a: {in: []}}}", "did.where.a.in", "never holds: the list is empty"),
    ("trait: {a: {not_in: []}}", "trait.a.not_in", "always holds: the list is empty"),
    ("trait: {a: {between: [2, 1]}}", "trait.a.between", "never holds: the first bound is above the second; swap them"),
    ("trait: {a: {gte: true}}", "trait.a.gte", "never holds: true and false have no order; write eq"),
    (
        "trait: {a: {between: [1, b]}}",
        "trait.a.between",
        "never holds: the bounds are of two kinds; write two numbers, or two texts",
    ),
    ("all: []", "all", "always holds: the list is empty"),
    ("any: []", "any", "never holds: the list is empty"),
    ("since_last: {event: X, gt: 5d, lt: 3d}", "since_last", "never holds: no time meets all of it"),
    ("since_first: {event: X, eq: 5d, ne: 5d}", "since_first", "never holds: no time meets all of it"),
    ("total: {event: X, of: a, agg: sum, gte: '3'}", "total.gte", "never holds: sum is a number, and this is none"),
    (
        "total: {event: X, of: a, agg: max, after: 2026-01-01}",
        "total.after",
        "never holds: max is a number, and this is none",
    ),
    (
        "then_not: {event: X, but: {event: Y}, wait: 2h, within: 2h}",
        "then_not.within",
        "never holds: 2h is not longer than wait 2h",
    ),
    (
        "sequence: {steps: [{event: X}, {event: Y, after: 2h, within: 1h}]}",
        "sequence.steps[1]",
        "never holds: after 2h is above within 1h",
    ),
    ("sequence: {steps: [{event: X}], within: 0s}", "sequence.within", "0s holds for no event"),
    ("chance: {salt: x, lt: 1}", "chance.lt", "1 always holds"),
]


@pytest.mark.parametrize(("condition", "path", "text"), WARNED, ids=[condition for condition, _, _ in WARNED])
def test_what_always_or_never_holds_is_a_warning(condition: str, path: str, text: str) -> None:
    ruleset = load_text(f"segments:\n  - key: a\n    when:\n      all:\n        - {condition}\n", "s.yaml")
    assert [str(warning) for warning in ruleset.warnings] == [
        f"s.yaml:5: segments[0].when.all[0].{path}: warning: {text}"
    ]


class TestSchema:
    validator = jsonschema.Draft202012Validator(definitions_schema())

    def test_it_is_valid_itself(self) -> None:
        jsonschema.Draft202012Validator.check_schema(definitions_schema())

    @pytest.mark.parametrize("name", PACKS)
    def test_the_packs_are_valid_by_it(self, name: str) -> None:
        assert [error.message for error in self.validator.iter_errors(parse_tree(pack_text(name)).tree)] == []

    @pytest.mark.parametrize("case", SEEN_BY_SCHEMA, ids=[case.name for case in SEEN_BY_SCHEMA])
    def test_it_finds_a_fault_where_the_loader_does(self, case: Faulty) -> None:
        found = {_written(error) for error in self.validator.iter_errors(parse_tree(case.text, json=case.json).tree)}
        assert found == case.places

    def test_it_finds_all_that_needs_no_code(self) -> None:
        """Were it to stop finding anything, the matrix above would shrink and nobody notice."""
        assert len(SEEN_BY_SCHEMA) > len(FAULTY) / 2


def _written(error: jsonschema.ValidationError) -> str:
    text = ""
    for step in error.absolute_path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
