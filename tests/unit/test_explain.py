"""A customer explained: in or out, every condition, and what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rules.dates import format_ms
from rules.load import load_text
from state.engine import Engine
from state.event import Event
from streams.changes import size_name
from streams.explain import ahead, meant, segments_of
from streams.http.errors import HttpError
from streams.http.lookup.explained import explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from state.profile import Profile

DAY_MS = 86_400_000
RULES = """\
segments:
  - key: buyer
    name: Buyer
    when: {all: [{did: {event: Bought, within: 10d}}, {not: {trait: {blocked: {eq: true}, plan: {eq: none}}}}]}
    min_stay: 30d
  - {key: sticky, when: {did: {event: Bought, within: 1d}}, until: {since_last: {event: Bought, gte: 5d}}}
  - {key: calm, when: {did: {event: Bought}}, until: {did: {event: Bought, within: 2d}}}
  - {key: gold, when: {did: {event: Bought, times: {gte: 3}}}}
  - {key: lately, when: {did: {event: Bought, within: 4d}}}
segmentations:
  - {key: stage, segments: [gold, lately], otherwise: visitor}
"""
LEARNED = """\
segments:
  - {key: likely, when: {score: {model: again, gte: 0.5}}}
models:
  - key: again
    kind: propensity
    target: {event: Bought, within: 90d}
    rescore: 1d
    sample: {on: [Bought], every: 90d}
    features: {orders: {did: {event: Bought, within: 365d}}}
  - key: kinds
    kind: clusters
    k: 3
    as_segmentation: true
    labels: {c1: Regulars}
    sample: {on: [Bought], every: 90d}
    features: {orders: {did: {event: Bought, within: 365d}}}
"""
NAMES = ["buyer", "calm", "sticky", "stage.gold", "stage.lately", "stage.visitor"]


@pytest.fixture
def engine() -> Engine:
    return Engine(load_text(RULES))


@pytest.fixture
def bought(engine: Engine) -> Profile:
    """Return a customer who bought at the epoch."""
    profile = engine.new("c1")
    engine.apply(profile, Event("c1", "Bought", "track", 0, 0, {}))
    return profile


def name_of(one: dict[str, Any]) -> str:
    return one["segment"] if one["segmentation"] is None else f"{one['segmentation']}.{one['segment']}"


def told(engine: Engine, profile: Profile, day: float, key: str | None = None) -> dict[str, dict[str, Any]]:
    """Return the customer explained on a day, by segment."""
    content = explained(engine, "c1", engine.encode(profile), key, int(day * DAY_MS))
    return {name_of(one): one for one in content["segments"]}


def seen(one: dict[str, Any]) -> list[tuple[str, bool, bool]]:
    """Return (path, holds, decides) of a segment's conditions."""
    return [(entry["path"], entry["holds"], entry["decides"]) for entry in one["because"]]


def test_each_segment_is_told_in_or_out_and_since_when(engine: Engine, bought: Profile) -> None:
    found = told(engine, bought, 0.5)
    assert list(found) == NAMES
    assert [name for name, one in found.items() if one["in"]] == ["buyer", "sticky", "stage.lately"]
    assert {one["since"] for one in found.values() if one["in"]} == {format_ms(0)}
    assert {one["since"] for one in found.values() if not one["in"]} == {None}
    assert (found["buyer"]["name"], found["buyer"]["segmentation"]) == ("Buyer", None)


def test_every_condition_is_told_and_which_of_them_decide(engine: Engine, bought: Profile) -> None:
    found = told(engine, bought, 0.5)
    assert seen(found["buyer"]) == [
        ("when.all[0].did", True, True),
        ("when.all[1].not.trait.blocked", False, True),
        ("when.all[1].not.trait.plan", False, True),
        ("min_stay", True, False),
    ]
    first = found["buyer"]["because"][0]
    assert (first["value"], first["wanted"]) == (1, "gte 1")
    assert seen(found["calm"]) == [("when.did", True, False), ("until.did", True, True)]
    assert seen(found["sticky"]) == [("when.did", True, True), ("until.since_last", False, False)]


def test_who_stays_by_until_or_min_stay_alone_is_told_so(engine: Engine, bought: Profile) -> None:
    engine.advance(bought, 12 * DAY_MS)
    assert seen(told(engine, bought, 12)["buyer"])[0] == ("when.all[0].did", False, False)
    assert seen(told(engine, bought, 12)["buyer"])[-1] == ("min_stay", True, True)
    assert seen(told(engine, bought, 12)["sticky"]) == [("when.did", False, True), ("until.since_last", True, False)]


def test_in_a_segmentation_what_stands_before_has_a_say(engine: Engine, bought: Profile) -> None:
    found = told(engine, bought, 1)
    assert seen(found["stage.gold"]) == [("gold.when.did", False, True)]
    assert seen(found["stage.lately"]) == [("gold.when.did", False, False), ("lately.when.did", True, True)]
    assert seen(found["stage.visitor"]) == [("gold.when.did", False, False), ("lately.when.did", True, True)]
    for number in (1, 2):
        engine.apply(bought, Event("c1", "Bought", "track", number, number, {}))
    assert seen(told(engine, bought, 1)["stage.lately"]) == [
        ("gold.when.did", True, True),
        ("lately.when.did", True, False),
    ]
    other = engine.new("c1")
    engine.apply(other, Event("c1", "Seen", "track", 0, 0, {}))
    assert all(decides for _, _, decides in seen(told(engine, other, 1)["stage.visitor"]))


def test_what_comes_next_is_what_then_comes(engine: Engine, bought: Profile) -> None:
    found = told(engine, bought, 0.5)
    came: dict[str, Any] = {}
    for change in engine.advance(bought, 1_000 * DAY_MS):
        came.setdefault(size_name(change), (change.change, format_ms(change.at), change.other, change.because))
    said = {name: tuple(one["next"].values()) for name, one in found.items() if one["next"]}
    assert said == came
    assert set(said) == {"buyer", "sticky", "calm", "stage.lately", "stage.visitor"}
    assert said["buyer"][:2] == ("exited", format_ms(30 * DAY_MS))


def test_it_is_told_of_the_instant_up_to_which_timers_have_fired(engine: Engine, bought: Profile) -> None:
    data = engine.encode(bought)
    late = explained(engine, "c1", data, None, 1_000 * DAY_MS)
    assert late["at"] == format_ms(bought.due - 1)
    assert explained(engine, "c1", data, None, -5)["at"] == format_ms(0)
    assert [one["in"] for one in late["segments"]] == [one["in"] for one in told(engine, bought, 0.5).values()]


def test_a_key_means_a_segment_or_a_whole_segmentation(engine: Engine, bought: Profile) -> None:
    for key, names in {
        "buyer": ["buyer"],
        "stage.gold": ["stage.gold"],
        "gold": ["stage.gold"],
        "stage": ["stage.gold", "stage.lately", "stage.visitor"],
    }.items():
        assert list(told(engine, bought, 1, key)) == names
    assert meant(segments_of(engine), "") == []


@pytest.mark.parametrize(
    ("key", "remedy"),
    [("byer", "did you mean buyer?"), ("stage.god", "did you mean stage.gold?"), ("", "/v1/segments")],
)
def test_an_unknown_segment_is_answered_with_what_was_meant(
    engine: Engine, bought: Profile, key: str, remedy: str
) -> None:
    with pytest.raises(HttpError) as caught:
        told(engine, bought, 1, key)
    assert (caught.value.status, caught.value.code) == (404, "unknown_segment")
    assert remedy in caught.value.message


def test_a_customer_of_an_older_ruleset_is_told_so_and_not_what_comes(engine: Engine, bought: Profile) -> None:
    newer = Engine(load_text(RULES.replace("times: {gte: 3}", "times: {gte: 1}")))
    content = explained(newer, "c1", engine.encode(bought), None, DAY_MS)
    assert (content["ruleset"], content["active_ruleset"]) == (engine.version, newer.version)
    assert {one["next"] for one in content["segments"]} == {None}
    assert [name_of(one) for one in content["segments"] if one["in"]] == ["buyer", "sticky", "stage.lately"]


def test_the_future_is_followed_no_further_than_is_said(engine: Engine, bought: Profile) -> None:
    some = ahead(engine, bought, {"buyer"}, most=1)
    assert some.until_ms == bought.due
    assert "buyer" not in some.changes
    assert ahead(engine, bought, {"buyer"}).until_ms is None


class Says:
    """A scorer that says one thing of everybody."""

    version = 3
    titles: Mapping[str, str] = {}

    def __init__(self, said: Any) -> None:
        self._said = said

    def score(self, x: Sequence[float], before: Any) -> Any:
        del x, before
        return self._said


def test_models_have_said_what_they_said_last_and_their_timers_are_followed() -> None:
    ruleset = load_text(LEARNED)
    workers, ours = Engine(ruleset, scorers={"again": Says(0.7), "kinds": Says("c2")}), Engine(ruleset)
    profile = workers.new("c1")
    workers.apply(profile, Event("c1", "Bought", "track", 0, 0, {}))
    assert profile.due == DAY_MS  # for another score
    content = explained(ours, "c1", workers.encode(profile), None, DAY_MS // 2)
    found = {name_of(one): one for one in content["segments"]}
    assert [(name, one["name"], one["in"]) for name, one in found.items()] == [
        ("likely", "likely", True),
        ("kinds.c1", "Regulars", False),
        ("kinds.c2", "c2", True),
    ]
    reason = found["likely"]["because"][0]
    assert (reason["value"], reason["version"], reason["decides"]) == (0.7, 3, True)
    assert found["kinds.c2"]["because"][0]["value"] == "c2"
    assert {one["next"] for one in found.values()} == {None}
    assert content["sure_until"] is None
