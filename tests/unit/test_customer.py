"""What a person is told of one customer, and of one change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rules.dates import format_ms
from rules.load import load_text
from state.engine import Engine
from state.event import Event
from streams.customer import memberships, next_changes
from streams.readable import LEFT_OVER, because, change_line

if TYPE_CHECKING:
    from state.profile import Profile

DAY_MS = 86_400_000
RULES = """\
segments:
  - {key: buyer, name: Buyer, when: {did: {event: Bought, within: 10d}}, min_stay: 30d}
  - {key: sticky, when: {did: {event: Bought, within: 1d}}, until: {since_last: {event: Bought, gte: 5d}}}
  - {key: loyal, name: Loyal, when: {did: {event: Bought, times: {gte: 2}}}}
segmentations:
  - {key: stage, segments: [loyal], otherwise: visitor}
"""


@pytest.fixture
def engine() -> Engine:
    return Engine(load_text(RULES))


@pytest.fixture
def bought(engine: Engine) -> Profile:
    """Return a customer who bought at the epoch."""
    profile = engine.new("c1")
    engine.apply(profile, Event("c1", "Bought", "track", 0, 0, {}))
    return profile


def reasons(engine: Engine, profile: Profile, day: float) -> dict[str, str]:
    return {one.name: because(one.because) for one in memberships(engine, profile, int(day * DAY_MS))}


def test_each_segment_is_told_with_its_name_since_when_and_why(engine: Engine, bought: Profile) -> None:
    found = memberships(engine, bought, 0)
    assert [(one.name, one.title, one.since_ms) for one in found] == [
        ("buyer", "Buyer", 0),
        ("sticky", "sticky", 0),
        ("stage.visitor", "visitor", 0),
    ]
    assert "Bought" in because(found[0].because)
    assert not any(condition["holds"] for condition in found[2].because)


def test_who_stays_only_by_until_or_min_stay_is_told_so(engine: Engine, bought: Profile) -> None:
    assert reasons(engine, bought, 0.5)["sticky"].startswith("did Bought")
    engine.advance(bought, 2 * DAY_MS)
    assert reasons(engine, bought, 2)["sticky"].startswith("not: last Bought")
    engine.advance(bought, 12 * DAY_MS)
    assert reasons(engine, bought, 12) == {
        "buyer": "stays at least 30d (12d)",
        "stage.visitor": reasons(engine, bought, 12)["stage.visitor"],
    }


def test_a_segment_that_the_active_ruleset_no_longer_has_is_told_by_its_key(engine: Engine, bought: Profile) -> None:
    renamed = Engine(load_text(RULES.replace("loyal", "faithful").replace("visitor", "guest")))
    profile = renamed.decode("c1", engine.encode(bought))
    assert [(one.name, one.title) for one in memberships(renamed, profile, 0)][-1] == ("stage.visitor", "visitor")


def test_what_comes_next_passes_over_timers_that_find_nothing_changed(engine: Engine, bought: Profile) -> None:
    told = []
    while changes := next_changes(engine, bought):
        told += [(change.change, change.segment, change.at // DAY_MS) for change in changes]
    assert told == [("exited", "sticky", 5), ("exited", "buyer", 30)]


def test_nothing_that_comes_after_the_year_9999_is_told(engine: Engine) -> None:
    profile = engine.new("c1")
    late_ms = 253_402_300_799_000
    engine.apply(profile, Event("c1", "Bought", "track", late_ms, late_ms, {}))
    assert next_changes(engine, profile) == []


HELD = {"path": "when.did", "holds": True, "value": 2, "wanted": "gte 2", "text": "did Bought twice (2)"}


def change(**fields: Any) -> dict[str, Any]:
    return {
        "customer_id": "c1", "change": "entered", "segment": "loyal", "segmentation": None, "other": None,
        "at": format_ms(1), "cause": {"type": "event"}, "because": [HELD],
    } | fields  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "1970-01-01 00:00:00.001Z  c1  → loyal  did Bought twice (2)"),
        ({"at": format_ms(0)}, "1970-01-01 00:00:00Z  c1  → loyal  did Bought twice (2)"),
        (
            {"segmentation": "stage", "other": "visitor", "because": [HELD | {"path": "loyal.when.did"}]},
            "1970-01-01 00:00:00.001Z  c1  → stage.loyal (from visitor)  did Bought twice (2)",
        ),
        (
            {"change": "exited", "segmentation": "stage", "other": "visitor", "cause": {"type": "timer"}},
            "1970-01-01 00:00:00.001Z  c1  ← stage.loyal (to visitor)  did Bought twice (2) [timer]",
        ),
        (
            {"because": [{"path": "when.not.did", "holds": False, "text": "did Bought"}]},
            "1970-01-01 00:00:00.001Z  c1  → loyal  not: did Bought",
        ),
        (
            {
                "segmentation": "stage",
                "because": [{"path": "loyal.when.not.did", "holds": False, "text": "did Bought"}],
            },
            "1970-01-01 00:00:00.001Z  c1  → stage.loyal  not: did Bought",
        ),
        (
            {"segmentation": "stage", "because": [{"path": "new.when.not.did", "holds": True, "text": "did Bought"}]},
            f"1970-01-01 00:00:00.001Z  c1  → stage.loyal  {LEFT_OVER}",
        ),
        (
            {"change": "exited", "because": [{"holds": False, "text": "a"}, {"holds": False, "text": "b"}]},
            "1970-01-01 00:00:00.001Z  c1  ← loyal  not: a; not: b",
        ),
        (
            {"customer_id": "é\n\x1b[2J\u202e", "because": [HELD | {"text": "trait plan exists (\x07\U0001f600)"}]},
            "1970-01-01 00:00:00.001Z  é\\n\\x1b[2J\\u202e  → loyal  trait plan exists (\\x07\U0001f600)",
        ),
    ],
)
def test_a_change_is_one_line_with_its_reason(fields: dict[str, Any], line: str) -> None:
    assert change_line(change(**fields)) == line
