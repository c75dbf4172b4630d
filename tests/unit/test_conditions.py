"""What each kind of condition keeps, until when it holds, and how it explains itself."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from rules.conditions import KINDS, AnyCondition, Condition
from rules.features import NEVER, Count, Newest, NewestTimes, Oldest, Selector, Sequence, Step, Total
from rules.load import load_text
from rules.needs import Needs
from rules.places import parse_tree
from state.engine import Engine
from state.event import Event
from tests.unit.examples import probe

DAY_MS = 86_400_000
T0 = 1_767_225_600_000
X, Y = Selector(("X",)), Selector(("Y",))


def condition(text: str) -> Condition:
    parsed: Condition = TypeAdapter(AnyCondition).validate_python(parse_tree(text).tree)
    return parsed


# What is kept

NEEDED: list[tuple[str, list[Any]]] = [
    ("did: {event: X}", [Count(X)]),
    ("did: {event: X, within: 1d}", [Newest(X)]),  # one time decides "at least once"
    ("did: {event: X, times: 0, within: 1d}", [Newest(X)]),
    ("did: {event: X, times: {gte: 3}, within: 1d}", [NewestTimes(X, 3, DAY_MS)]),
    ("did: {event: X, times: 3, within: 1d}", [NewestTimes(X, 4, DAY_MS)]),
    ("did: {event: X, times: {gte: 2.5}, within: 1d}", [NewestTimes(X, 3, DAY_MS)]),
    ("did: {event: [Y, X, Y]}", [Count(Selector(("X", "Y")))]),
    (
        "did: {event: X, where: {b: 1, a: {lt: 2}}}",
        [Count(Selector(("X",), (("a", (("lt", 2),)), ("b", (("eq", 1),)))))],
    ),
    ("total: {event: X, of: v, agg: sum, gte: 1}", [Total(X, "v", "numbers", None)]),
    ("total: {event: X, of: v, agg: last, within: 1d, eq: a}", [Total(X, "v", "scalars", DAY_MS)]),
    ("total: {event: X, of: v, agg: distinct, gte: 1}", [Total(X, "v", "distinct", None)]),
    ("since_last: {event: X, gte: 1d}", [Newest(X)]),
    ("since_first: {event: X, gte: 1d}", [Oldest(X)]),
    ("sequence: {steps: [{event: X}, {event: Y, within: 1d}], within: 7d}", [Sequence((Step(X), Step(Y, DAY_MS)))]),
    ("then_not: {event: X, but: {event: Y}, wait: 1d}", [Newest(X), Newest(Y)]),
    ("all: [{since_last: {event: X, gte: 1d}}, {not: {since_last: {event: X, gte: 9d}}}]", [Newest(X)]),
    ("trait: {plan: pro}", []),
    ("chance: {salt: a, lt: 0.5}", []),
]


@pytest.mark.parametrize(("text", "specs"), NEEDED, ids=[text for text, _ in NEEDED])
def test_a_condition_keeps_what_it_needs_and_no_more(text: str, specs: list[Any]) -> None:
    assert Needs.of(condition(text)).specs == specs


def test_conditions_that_need_the_same_share_it() -> None:
    text = """
    segments:
      - {key: a, when: {since_last: {event: X, gte: 1d}}}
      - {key: b, when: {did: {event: X, within: 3d}}}
      - {key: c, when: {total: {event: X, of: v, agg: sum, within: 1d, gte: 1}}}
      - {key: d, when: {total: {event: X, of: v, agg: max, within: 1d, gte: 1}}}
    """
    assert len(Engine(load_text(text)).compiled.specs) == 2


def test_needs_in_words() -> None:
    needs = Needs.of(
        condition("""
        all:
          - did: {event: [X, Y], where: {total: {gte: 5, lt: 9}, plan: {in: [a, b]}}, times: {gte: 2}, within: 36h}
          - total: {event: "*", of: v, agg: distinct, gte: 1}
          - sequence: {steps: [{event: X}, {event: Y}]}
          - trait: {plan: pro, address.city: Berlin}
          - score: {model: churn, gte: 0.5}
          - in_segment: lifecycle.lapsed
        """)
    )
    assert list(needs.words()) == [
        "newest 2 times of X or Y where plan in a and b and total gte 5, lt 9 within 36h",
        "distinct values of v over any event",
        "times of the steps X → Y",
        "the traits address, plan",
        "what the model churn says",
        "whether in lifecycle.lapsed",
    ]


# Until when


def engine_with(text: str) -> Engine:
    others = "{key: other, when: {did: {event: X}}}"
    return Engine(load_text(f"segments:\n  - {others}\n  - key: probe\n    when: {{{text}}}\n"))


UNTIL: list[tuple[str, int, bool, int]] = [
    # condition, evaluated so many ms after X at T0 (which has v: 5), holds, until (ms after T0)
    ("did: {event: X}", 0, True, NEVER),
    ("did: {event: Y}", 0, False, NEVER),
    ("did: {event: X, within: 10s}", 0, True, 10_000),
    ("did: {event: X, within: 10s}", 10_000, False, NEVER),
    ("did: {event: X, times: {lt: 2}, within: 10s}", 0, True, NEVER),  # with no event the count only falls
    ("did: {event: X, times: {gte: 2}, within: 10s}", 0, False, NEVER),
    ("did: {event: X, times: 2, within: 10s}", 0, False, NEVER),
    ("did: {event: X, times: {lt: 1}, within: 10s}", 0, False, 10_000),
    ("did: {event: X, times: {ne: 1}, within: 10s}", 0, False, 10_000),
    ("total: {event: X, of: v, agg: sum, within: 10s, gte: 5}", 9_999, True, 10_000),
    ("total: {event: X, of: v, agg: sum, gte: 5}", 0, True, NEVER),
    ("total: {event: X, of: v, agg: sum, within: 10s, gte: 9}", 0, False, 10_000),  # what leaves may be below 0
    ("total: {event: X, of: v, agg: distinct, within: 10s, gte: 1}", 0, True, 10_000),
    ("total: {event: X, of: v, agg: distinct, within: 10s, gte: 2}", 0, False, NEVER),  # with no event they only fall
    ("total: {event: X, of: v, agg: distinct, within: 10s, eq: 2}", 0, False, 10_000),
    ("total: {event: X, of: v, agg: max, within: 10s, gt: 5}", 0, False, NEVER),
    ("total: {event: X, of: v, agg: max, within: 10s, lt: 5}", 0, False, 10_000),
    ("total: {event: X, of: v, agg: min, within: 10s, lt: 5}", 0, False, NEVER),
    ("total: {event: X, of: v, agg: min, within: 10s, gt: 5}", 0, False, 10_000),
    ("since_last: {event: X, gte: 10s}", 0, False, 10_000),
    ("since_last: {event: X, gt: 10s}", 0, False, 10_001),
    ("since_last: {event: X, lt: 10s}", 3, True, 10_000),
    ("since_last: {event: X, lte: 10s}", 3, True, 10_001),
    ("since_first: {event: X, between: [1s, 2s]}", 1_000, True, 2_001),
    ("sequence: {steps: [{event: X}], within: 10s}", 5, True, 10_000),
    ("sequence: {steps: [{event: X}, {event: Y}], within: 10s}", 5, False, NEVER),
    ("then_not: {event: X, but: {event: Y}, wait: 1s, within: 3s}", 0, False, 1_000),
    ("then_not: {event: X, but: {event: Y}, wait: 1s, within: 3s}", 1_000, True, 3_000),
    ("in_segment: other", 0, True, NEVER),
    ("in_segment: {key: other, at_least: 4s}", 0, False, 4_000),
    ("all: [{did: {event: X, within: 10s}}, {did: {event: X, within: 5s}}]", 0, True, 5_000),
    ("all: [{since_last: {event: X, gte: 9s}}, {since_last: {event: X, gte: 5s}}]", 0, False, 9_000),
    ("all: [{did: {event: Y}}, {since_last: {event: X, gte: 5s}}]", 0, False, NEVER),
    ("any: [{did: {event: X, within: 10s}}, {did: {event: X, within: 5s}}]", 0, True, 10_000),
    ("any: [{did: {event: X}}, {did: {event: X, within: 5s}}]", 0, True, NEVER),
    ("any: [{since_last: {event: X, gte: 9s}}, {since_last: {event: X, gte: 5s}}]", 0, False, 5_000),
    ("not: {did: {event: X, within: 10s}}", 0, False, 10_000),
    ("all: []", 0, True, NEVER),
    ("any: []", 0, False, NEVER),
]


@pytest.mark.parametrize(("text", "after_ms", "holds", "until_ms"), UNTIL, ids=[f"{u[0]} +{u[1]}" for u in UNTIL])
def test_no_timer_comes_earlier_than_it_must(text: str, after_ms: int, holds: bool, until_ms: int) -> None:
    """Laws hold `until` to be never late; here it is not needlessly early either."""
    engine = engine_with(text)
    profile = engine.new("c1")
    engine.apply(profile, Event("c1", "X", "track", T0, T0, {"type": "track", "event": "X", "properties": {"v": 5}}))
    until = until_ms if until_ms == NEVER else T0 + until_ms
    assert probe(engine).evaluate(profile, T0 + after_ms) == (holds, until)


# Why

SCORES: dict[str, list[Any]] = {"churn": [0.7, 3, "d"], "taste": ["c1", 4, "d"]}  # what was said, version, definition
ASKED: dict[str, dict[str, Any]] = {  # what asks a model says which, and which version answered
    "score: {model: churn, gte: 0.5}": {"model": "churn", "version": 3},
    "score: {model: spend, gte: 0.5}": {"model": "spend", "version": None},
    "cluster: {model: taste, is: c2}": {"model": "taste", "version": 4},
}

# condition, two hours after X: path, holds, value, wanted, text
EXPLAINED: list[tuple[str, str, bool, Any, str, str]] = [
    ("did: {event: X}", "did", True, 1, "gte 1", "did X (1)"),
    ("did: {event: X, times: 1}", "did", True, 1, "eq 1", "did X exactly 1 time (1)"),
    ("did: {event: X, times: {lt: 3}, within: 3d}", "did", True, 1, "lt 3", "did X less than 3 times within 3d (1)"),
    ("did: {event: X, within: 3d}", "did", True, 1, "gte 1", "did X within 3d (at least 1)"),
    (
        "total: {event: X, of: v, agg: sum, within: 3d, between: [5, 6]}",
        *("total", True, 5, "between 5 and 6", "sum of v over X within 3d between 5 and 6 (5)"),
    ),
    (
        "total: {event: Y, of: v, agg: avg, gte: 5}",
        *("total", False, None, "gte 5", "avg of v over Y at least 5 (no value)"),
    ),
    (
        "since_last: {event: X, gte: 30d}",
        *("since_last", False, "2h", "gte 30d", "last X at least 30d ago (2h)"),
    ),
    (
        "since_first: {event: Y, lt: 30d}",
        *("since_first", False, None, "lt 30d", "first Y less than 30d ago (never)"),
    ),
    (
        "sequence: {steps: [{event: X}], within: 1d}",
        *("sequence", True, "2h", "1 step within 1d", "X within 1d (completed 2h ago)"),
    ),
    (
        "then_not: {event: X, but: {event: Y}, wait: 1h}",
        *("then_not", True, "2h", "no Y for 1h", "X, then no Y for 1h (2h ago)"),
    ),
    ("trait: {plan: pro}", "trait.plan", False, None, "eq pro", "trait plan exactly pro (absent)"),
    (
        "in_segment: {key: other, at_least: 1h}",
        *("in_segment", True, "2h", "in other for at least 1h", "is in other for at least 1h (2h)"),
    ),
    ("score: {model: churn, gte: 0.5}", "score", True, 0.7, "gte 0.5", "score churn at least 0.5 (0.7, version 3)"),
    ("score: {model: spend, gte: 0.5}", "score", False, None, "gte 0.5", "score spend at least 0.5 (no score yet)"),
    ("cluster: {model: taste, is: c2}", "cluster", False, "c1", "is c2", "cluster taste is c2 (c1, version 4)"),
    (
        "chance: {salt: cart-recovery, lt: 0.9}",
        *("chance", True, 0.705898, "lt 0.9", "chance cart-recovery lt 0.9 (0.705898)"),
    ),
]


@pytest.mark.parametrize("said", EXPLAINED, ids=[said[0] for said in EXPLAINED])
def test_each_kind_says_why_in_words_and_numbers(said: tuple[str, str, bool, Any, str, str]) -> None:
    engine = engine_with(said[0])
    profile = engine.new("c1")
    profile.scores |= SCORES
    engine.apply(profile, Event("c1", "X", "track", T0, T0, {"type": "track", "event": "X", "properties": {"v": 5}}))
    names = ("path", "holds", "value", "wanted", "text")
    entry = dict(zip(names, (f"when.{said[1]}", *said[2:]), strict=True)) | ASKED.get(said[0], {})
    assert list(probe(engine).explain(profile, T0 + 7_200_000)) == [entry]


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ([2**53 - 1, 1], 2**53),
        ([2**53, 2], float(2**53 + 2)),
        ([1e22], 1e22),
        ([18446744073709551615], 18446744073709551616.0),
        ([1.7e308, 1.7e308], 1.7976931348623157e308),
        ([-1.7e308, -1.7e308], -1.7976931348623157e308),
        ([0.1, 0.2], 0.3),
    ],
)
def test_a_sum_is_said_as_json_can_hold_it(values: list[float], value: float) -> None:
    body = {"type": "track", "event": "X", "properties": {"v": [{"n": one} for one in values]}}
    engine = engine_with("total: {event: X, of: v.n, agg: sum, ne: 0}")
    profile = engine.new("c1")
    engine.apply(profile, Event("c1", "X", "track", T0, T0, body))
    because = list(probe(engine).explain(profile, T0))
    found = because[0]["value"]
    assert (found, type(found)) == (value, type(value))
    assert orjson.loads(orjson.dumps(because)) == because


@pytest.mark.parametrize("leaf", ["trait: {t: {ne: %d}}", "total: {event: identify, of: traits.t, agg: last, ne: %d}"])
@pytest.mark.parametrize("value", ["x" * 30_000, ["x" * 100] * 300, {"a": {"b": "é" * 9_000}}])
def test_a_long_value_is_quoted_by_its_beginning(leaf: str, value: Any) -> None:
    """A change has room for what its definition asks, whatever a sender puts into a trait."""
    engine = engine_with(f"any: [{', '.join(f'{{{leaf % number}}}' for number in range(100))}]")
    profile = engine.new("c1")
    body = {"type": "identify", "traits": {"t": value}}
    engine.apply(profile, Event("c1", "identify", "identify", T0, T0, body))
    because = list(probe(engine).explain(profile, T0))
    assert len(because) == 100
    assert len(orjson.dumps(because)) < 100_000


def test_a_sum_meets_the_double_that_a_bound_is() -> None:
    engine = engine_with("total: {event: X, of: v, agg: sum, eq: 9007199254740993}")
    body = {"type": "track", "event": "X", "properties": {"v": 9007199254740993}}
    profile = engine.new("c1")
    engine.apply(profile, Event("c1", "X", "track", T0, T0, body))
    assert next(iter(probe(engine).explain(profile, T0)))["holds"]


def test_every_kind_that_stands_alone_is_explained_here() -> None:
    explained = {said[0].partition(":")[0] for said in EXPLAINED}
    assert explained == set(KINDS) - {"all", "any", "not"}


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        # A false all: what fails. A true all: everything. A true any: what holds. A false any: everything.
        ("all: [{did: {event: X}}, {did: {event: Y}}]", ["when.all[1].did"]),
        ("all: [{did: {event: X}}, {not: {did: {event: Y}}}]", ["when.all[0].did", "when.all[1].not.did"]),
        ("any: [{did: {event: X}}, {did: {event: Y}}]", ["when.any[0].did"]),
        ("any: [{did: {event: Y}}, {did: {event: Z}}]", ["when.any[0].did", "when.any[1].did"]),
        ("not: {any: [{did: {event: X}}, {did: {event: Y}}]}", ["when.not.any[0].did"]),
        ("trait: {plan: pro, age: {exists: false}}", ["when.trait.plan"]),
    ],
)
def test_because_names_the_conditions_that_decide(text: str, paths: list[str]) -> None:
    engine = engine_with(text)
    profile = engine.new("c1")
    engine.apply(profile, Event("c1", "X", "track", T0, T0, {"type": "track", "event": "X"}))
    assert [entry["path"] for entry in probe(engine).explain(profile, T0)] == paths
