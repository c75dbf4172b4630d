"""Comparisons of the values at a path, kind by kind."""

from __future__ import annotations

from typing import Any

import pytest

from rules.comparisons import OPERATORS, describe, describe_words, operators
from rules.conditions.trait import Trait
from rules.dates import parse_date
from rules.matching import OPPOSITES, value_test, values_test

LATE: Any = parse_date("2026-03-01")

# operator, operand, values that meet it, values that do not
CASES: list[tuple[str, Any, list[Any], list[Any]]] = [
    ("eq", 1, [1, 1.0], [True, "1", 2, [1], {"a": 1}]),
    ("eq", 1.5, [1.5], [1, 2]),
    ("eq", "a", ["a"], ["A", "a ", "", 1, ["a"]]),
    ("eq", True, [True], [1, "true", False]),
    ("eq", False, [False], [0, "", True]),
    ("eq", "", [""], ["x", 0, False]),
    ("in", [1, "a", True], [1, 1.0, "a", True], [0, "b", False, [1]]),
    ("in", [], [], [1, "", False]),
    ("gt", 5, [5.000001, 6, 10**400], [5, 5.0, 4, "6", True]),
    ("gte", 5, [5, 5.0, 6], [4.999999, "5", True]),
    ("lt", 5, [4, -(10**400), 4.999999], [5, "4", False]),
    ("lte", 5, [5, 4], [5.1, "5", False]),
    ("gt", "b", ["c", "ba", "ä"], ["b", "B", "a", 3]),
    ("lt", "b", ["a", "B", "", "Z"], ["b", "ä", 1]),
    ("between", [2, 4], [2, 3, 4, 2.0], [1.9, 4.1, "3", True]),
    ("between", ["b", "d"], ["b", "c", "d", "cz"], ["a", "da", 3]),
    ("between", [4, 2], [], [2, 3, 4]),
    ("contains", "b", ["abc", "b", ["a", "b"], [["b"], "b"]], ["ac", "B", ["bc"], [["b"]], 3, [3]]),
    ("contains", 1, [[1], [1.0, "x"]], [[True], ["1"], "1", 1]),
    ("contains", True, [[True]], [[1], "true", True]),
    ("contains", "", ["", "x", [""]], [["x"], []]),
    ("starts_with", "ab", ["ab", "abc"], ["a", "Ab", "xab", ["ab"], 3]),
    ("ends_with", "bc", ["bc", "abc"], ["b", "bcd", ["bc"], 3]),
    ("matches", "b.d", ["abcde", "bxd"], ["b\nd", "BxD", "bd", 3, ["bxd"]]),
    ("matches", "^a+$", ["a", "aaa"], ["", "ab", "a\n"]),
    ("matches", "(?i)x", ["X", "axb"], ["a"]),
    ("before", LATE, ["2026-02-28", "2026-02-28T23:59:59.999Z", "2026-03-01T00:59:00+01:00"], ["2026-03-01", "", 3]),
    ("after", LATE, ["2026-03-02", "2026-03-01T00:00:00.001Z"], ["2026-03-01", "2026-03-01T00:00:00Z", "", 3]),
    ("exists", True, [0, False, "", [], {}], []),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "operand", "meets", "fails"), CASES, ids=[f"{c[0]} {c[1]!r}" for c in CASES])
def test_one_value(operator: str, operand: Any, meets: list[Any], fails: list[Any]) -> None:
    test = value_test({operator: operand})
    assert [value for value in meets if not test(value)] == []
    assert [value for value in fails if test(value)] == []


@pytest.mark.parametrize(("opposite", "positive"), OPPOSITES.items())
def test_an_opposite_is_exact_over_the_whole_path(opposite: str, positive: str) -> None:
    operand = ["x"] if positive == "in" else "x"
    yes, no = values_test({positive: operand}), values_test({opposite: operand})
    for values in ((), ("x",), ("y",), ("x", "y"), ("y", "z"), (1, True), (["x"],)):
        assert yes(values) is not no(values)


def test_absent_meets_only_the_opposites() -> None:
    operands = {"in": [1], "not_in": [1], "between": [1, 2], "exists": True}
    met = {
        operator
        for operator in OPERATORS
        if operator not in ("within_last", "older_than") and values_test({operator: operands.get(operator, "1")})(())
    }
    assert met == {"ne", "not_in", "not_contains"}
    assert values_test({"exists": False})(())
    assert not values_test({"exists": False})((0,))


def test_through_a_list_any_element_will_do_for_each_comparison_on_its_own() -> None:
    test = values_test({"gte": 10, "lte": 3})
    assert test((1, 12))
    assert not test((5, 6))


def test_several_comparisons_must_all_hold() -> None:
    test = value_test({"gte": 2, "lt": 5, "ne": 3})
    assert [value for value in range(7) if test(value)] == [2, 4]


def test_a_pattern_that_would_take_others_for_ever_is_linear() -> None:
    assert not value_test({"matches": "(a+)+$"})("a" * 30_000 + "b")


def test_large_integers_compare_as_the_doubles_they_are() -> None:
    """2^53 + 1 has no double of its own: in JSON it is 2^53."""
    assert value_test({"eq": 2**53 + 1})(float(2**53 + 1))


def test_how_they_are_told() -> None:
    assert describe({"gte": 3, "ne": 5}) == "gte 3, ne 5"
    assert describe({"between": [86_400_000, 172_800_000]}, durations=True) == "between 1d and 2d"
    assert describe_words({"gte": 3, "lt": 7}) == "at least 3 and less than 7"
    assert describe_words({"older_than": 3_600_000}) == "older than 1h"
    assert describe_words({"exists": True}) == "exists true"


def test_a_plain_value_means_eq_and_the_order_of_writing_does_not_matter() -> None:
    plain = Trait.model_validate({"trait": {"plan": "pro"}})
    written = Trait.model_validate({"trait": {"plan": {"eq": "pro"}}})
    assert operators(plain.trait["plan"]) == operators(written.trait["plan"]) == {"eq": "pro"}
    one = Trait.model_validate({"trait": {"n": {"lt": 5, "gte": 2}}})
    assert list(operators(one.trait["n"])) == ["gte", "lt"]
