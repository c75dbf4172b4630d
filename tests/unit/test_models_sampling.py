"""When a customer is sampled and scored, and when a label is known: the spec's rules, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rules.load import load_text
from state.engine import Engine
from state.event import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from state.models.sample import Sample
    from state.profile import Profile

T0 = 1_767_225_600_000
HOUR = 3_600_000
DAY = 24 * HOUR

RULES = """
models:
  - key: back
    kind: propensity
    target: {event: Order, within: 2d}
    sample: {on: [Order], every: 1d, silent_for: 4d}
    rescore: 6h
    features:
      orders: {did: {event: Order, within: 3d}}
      quiet: {since_last: {event: "*"}, unit: h, missing: 99}
segments:
  - {key: leaving, when: {score: {model: back, lt: 0.5}}}
"""
WORTH = """
models:
  - key: worth
    kind: value
    target: {event: Order, where: {paid: true}, of: total, within: 2d}
    sample: {every: 1d, silent_for: 3d}
    features: {orders: {did: {event: Order}}}
"""
ALIKE = """
models:
  - key: alike
    kind: clusters
    k: 2
    sample: {on: Order, every: 1d}
    features: {orders: {did: {event: Order}}}
    as_segmentation: true
    labels: {c1: Few}
"""


class Scripted:
    """A scorer that says what a function of the vector says."""

    def __init__(self, say: Callable[[Sequence[float]], float | str], version: int = 1) -> None:
        self.titles: Mapping[str, str] = {}
        self.say = say
        self.version = version

    def score(self, x: Sequence[float], before: float | str | None) -> float | str:
        del before
        return self.say(x)


def event(at_ms: int, name: str = "Order", **properties: Any) -> Event:
    body = {"type": "track", "event": name, "properties": properties}
    return Event("c", name, "track", T0 + at_ms, T0 + at_ms, body)


class Shop:
    """One customer under one ruleset."""

    def __init__(self, rules: str, **scorers: Scripted) -> None:
        self.engine = Engine(load_text(rules, "rules.yaml"), scorers=dict(scorers))
        self.profile = self.engine.new("c")

    def come(self, *events: Event) -> list[Any]:
        return [change for one in events for change in self.engine.apply(self.profile, one).changes]

    def wait(self, until_ms: int) -> list[Any]:
        return self.engine.advance(self.profile, T0 + until_ms + 1)

    def taken(self) -> list[Sample]:
        return self.profile.released


def instants(samples: Sequence[Sample]) -> list[tuple[float, str]]:
    """Return (days since T0, why) of each sample."""
    return [((sample.at - T0) / DAY, sample.why) for sample in samples]


def test_samples_are_taken_at_events_not_sooner_than_every_and_with_no_event_when_every_is_over() -> None:
    shop = Shop(RULES)
    shop.come(event(0), event(12 * HOUR), event(30 * HOUR))
    shop.wait(20 * DAY)
    # 30 h is a day after the first one, which the timer has taken at 24 h; then a day after each, until four days of
    # silence are over at 5.25 d
    assert instants(shop.taken()) == [
        (0, "event"),
        (1, "timer"),
        (2, "timer"),
        (3, "timer"),
        (4, "timer"),
        (5, "timer"),
    ]


def test_an_event_at_the_instant_of_a_timed_sample_is_that_sample() -> None:
    shop = Shop(RULES)
    shop.come(event(0), event(DAY))
    shop.wait(3 * DAY)
    assert instants(shop.taken()) == [(0, "event"), (1, "event")]
    assert shop.taken()[1].x == (2.0, 0.0)


def test_a_label_counts_targets_after_the_sample_up_to_and_including_its_end() -> None:
    shop = Shop(RULES)
    shop.come(event(0), event(2 * DAY))
    assert [(sample.y, sample.released_at - T0) for sample in shop.taken()] == [(1.0, 2 * DAY)]
    again = Shop(RULES)
    again.come(event(0), event(2 * DAY + 1))
    assert [(sample.y, sample.released_at - T0) for sample in again.taken()] == [(0.0, 2 * DAY)]


def test_a_positive_label_is_not_released_before_the_negative_ones_of_its_cohort() -> None:
    shop = Shop(RULES)
    shop.come(event(0), event(HOUR))
    shop.wait(2 * DAY - 1)
    assert shop.taken() == []
    shop.wait(2 * DAY)
    assert [sample.y for sample in shop.taken()] == [1.0]


def test_a_late_target_counts_where_it_belongs_as_long_as_the_label_is_open() -> None:
    shop = Shop(RULES)
    shop.come(event(0), event(40 * HOUR, "Page Viewed"), event(HOUR))
    shop.wait(2 * DAY)
    assert shop.taken()[0].y == 1.0


def test_a_value_is_the_sum_over_the_targets_that_match() -> None:
    shop = Shop(WORTH)
    shop.come(event(0, total=5, paid=True))
    shop.come(
        event(DAY + HOUR, total=0.1, paid=True),
        event(DAY + 2 * HOUR, total=0.2, paid=True),
        event(DAY + 3 * HOUR, total=70, paid=False),
        event(DAY + 4 * HOUR, total="9", paid=True),
    )
    shop.wait(3 * DAY)
    # with no `on`, the first sample is a day after the first event
    first = shop.taken()[0]
    assert (first.at - T0, first.why, first.y, first.x) == (DAY, "timer", 0.3, (1.0,))


def test_after_a_silence_the_next_event_begins_the_timed_samples_anew() -> None:
    shop = Shop(WORTH)
    shop.come(event(0))
    shop.come(event(10 * DAY, "Page Viewed"), event(10 * DAY + 6 * HOUR, "Page Viewed"))
    shop.wait(30 * DAY)
    assert instants(shop.taken()) == [
        *[(days, "timer") for days in (1, 2)],
        *[(days, "timer") for days in (11, 12, 13)],
    ]


def test_a_silent_customer_is_scored_again_until_the_silence_is_too_long() -> None:
    scored: list[Sequence[float]] = []

    def say(x: Sequence[float]) -> float:
        scored.append(x)
        return x[1]

    shop = Shop(RULES, back=Scripted(say))
    shop.come(event(0, "Page Viewed"))
    shop.wait(30 * DAY)
    assert [x[1] for x in scored] == [6 * step for step in range(16)]
    assert shop.profile.scores["back"][:2] == [90, 1]


def test_a_score_turns_a_segment_with_no_event_and_the_reason_names_model_and_version() -> None:
    shop = Shop(RULES, back=Scripted(lambda x: 0.9 if x[1] < 12 else 0.2, version=7))
    assert shop.come(event(0, "Page Viewed")) == []
    (change,) = shop.wait(DAY)
    assert (change.at - T0, change.change, change.cause["type"]) == (12 * HOUR, "entered", "timer")
    (why,) = change.because
    assert (why["model"], why["version"], why["value"]) == ("back", 7, 0.2)


def test_a_sample_has_the_score_given_at_its_instant() -> None:
    shop = Shop(RULES, back=Scripted(lambda x: x[0] / 10, version=3))
    shop.come(event(0), event(HOUR))
    shop.wait(3 * DAY)
    assert [(sample.score, sample.version) for sample in shop.taken()] == [(0.1, 3), (0.2, 3)]


def test_clusters_are_released_at_once_and_are_a_segmentation() -> None:
    shop = Shop(ALIKE, alike=Scripted(lambda x: "c1" if x[0] < 2 else "c2", version=2))
    assert [(change.segment, change.segmentation, change.other) for change in shop.come(event(0))] == [
        ("c1", "alike", None)
    ]
    assert [(sample.at, sample.released_at, sample.y, sample.score) for sample in shop.taken()] == [
        (T0, T0, None, "c1")
    ]
    assert shop.engine.show(shop.profile)["segmentations"]["alike"]["name"] == "Few"
    moved = shop.come(event(HOUR))
    assert [(change.change, change.segment, change.other) for change in moved] == [
        ("exited", "c1", "c2"),
        ("entered", "c2", "c1"),
    ]
    view = shop.engine.show(shop.profile)
    assert (view["scores"], view["score_versions"]) == ({"alike": "c2"}, {"alike": 2})


def test_what_waits_for_its_label_is_stored_with_the_profile() -> None:
    shop = Shop(RULES, back=Scripted(lambda x: 0.25, version=4))
    shop.come(event(0))
    shop.profile = shop.engine.decode("c", shop.engine.encode(shop.profile))
    shop.wait(2 * DAY)
    (sample,) = [one for one in shop.taken() if one.why == "event"]
    assert (sample.x, sample.y, sample.score, sample.version, sample.customer) == ((1.0, 0.0), 0.0, 0.25, 4, "c")


@pytest.mark.parametrize(("within", "kept"), [("2d", True), ("3d", False)])
def test_a_score_of_an_edited_model_does_not_meet_conditions(within: str, kept: bool) -> None:
    before = Shop(RULES, back=Scripted(lambda x: 0.2))
    assert [change.segment for change in before.come(event(0))] == ["leaving"]
    edited = RULES.replace("within: 2d}\n", f"within: {within}}}\n").replace("rescore: 6h", "rescore: 8h")
    after = Engine(load_text(edited, "rules.yaml"))
    profile: Profile = after.decode("c", before.engine.encode(before.profile))
    changes = after.adopt(profile, T0 + HOUR)
    assert [(change.change, change.cause["type"]) for change in changes] == ([] if kept else [("exited", "definition")])
    assert list(profile.scores) == (["back"] if kept else [])
    # what waited under the old definition is no sample of the new one
    after.advance(profile, T0 + 2 * DAY + 1)
    assert len(profile.released) == (1 if kept else 0)
