"""Laws that every kind of condition holds, each over examples and histories, with ids `kind[number]:law`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from rules.conditions import KINDS
from tests.oracle.truth import holds as truly_holds
from tests.unit.examples import (
    CONDITIONS,
    EXAMPLES,
    Example,
    apply_to_twin,
    engine_of,
    fresh,
    history,
    probe,
    rules_with,
    twin,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from state.change import Change
    from state.engine import Engine
    from state.event import Event
    from state.profile import Profile

SEEDS = (1, 2)
LOOK_AHEAD_MS = 95
"""Longer than any duration of the examples."""


def applied(engine: Engine, profile: Profile, events: list[Event]) -> list[Change]:
    return [change for event in events for change in engine.apply(profile, event).changes]


def replaying_is_idempotent(example: Example) -> None:
    """Take the same messages for duplicates: no change, and not a byte of the profile."""
    engine = engine_of(example.tree)
    for seed in SEEDS:
        profile, events = fresh(engine), history(seed)
        applied(engine, profile, events)
        before = engine.encode(profile)
        again = [engine.apply(profile, event) for event in events]
        assert all(one.duplicate and not one.changes for one in again)
        assert engine.encode(profile) == before


def the_same_history_says_the_same(example: Example) -> None:
    """Two profiles with one history have the same changes and the same bytes."""
    engine = engine_of(example.tree)
    for seed in SEEDS:
        one, two = fresh(engine), fresh(engine)
        assert applied(engine, one, history(seed)) == applied(engine, two, history(seed))
        assert engine.encode(one) == engine.encode(two)


def a_snapshot_round_trips(example: Example) -> None:
    """Go on from a profile's bytes, after any event, as if nothing had been."""
    engine = engine_of(example.tree)
    for seed in SEEDS:
        kept, stored = fresh(engine), fresh(engine)
        for event in history(seed):
            data = engine.encode(stored)
            stored = engine.decode("c1", data)
            assert engine.encode(stored) == data
            assert engine.apply(stored, event).changes == engine.apply(kept, event).changes
        end = kept.clock + LOOK_AHEAD_MS
        assert engine.advance(engine.decode("c1", engine.encode(stored)), end) == engine.advance(kept, end)


def customers_do_not_matter_to_each_other(example: Example) -> None:
    """However two customers' events are mixed, each has the changes that they have alone."""
    engine = engine_of(example.tree)
    for seed in SEEDS:
        histories = {name: history(seed * 10 + number, name) for number, name in enumerate(("c1", "c2"))}
        alone = {name: applied(engine, fresh(engine, name), events) for name, events in histories.items()}
        profiles = {name: fresh(engine, name) for name in histories}
        mixed: dict[str, list[Change]] = {name: [] for name in histories}
        queues = {name: list(events) for name, events in histories.items()}
        draw = random.Random(seed)
        while any(queues.values()):
            name = draw.choice([name for name, queue in queues.items() if queue])
            mixed[name] += engine.apply(profiles[name], queues[name].pop(0)).changes
        assert mixed == alone


def when_a_timer_is_looked_at_does_not_matter(example: Example) -> None:
    """Say the same, in the same order, where a sweeper comes by before the next event."""
    engine = engine_of(example.tree)
    for seed in SEEDS:
        events = history(seed)
        draw = random.Random(seed)
        unswept, swept, told = fresh(engine), fresh(engine), []
        for event in events:
            certain = max(event.ts, event.floor)
            for before in sorted(draw.randrange(certain - 40, certain + 1) for _ in range(3)):
                told += engine.advance(swept, before)
            told += engine.apply(swept, event).changes
        assert told == applied(engine, unswept, events)


def the_truth_is_the_naive_evaluators(example: Example) -> None:
    """After each event, at every millisecond to come, the check says what the full history says."""
    engine, check = engine_of(example.tree), probe(engine_of(example.tree))
    for seed in SEEDS:
        profile, naive = fresh(engine), twin(example.tree)
        for event in history(seed):
            engine.apply(profile, event)
            apply_to_twin(naive, event)
            for t in range(profile.clock, profile.clock + LOOK_AHEAD_MS):
                assert check.evaluate(profile, t)[0] is truly_holds(naive.facts, example.condition, t), (seed, event, t)


def until_is_never_late(example: Example) -> None:
    """Up to `until` the truth is what it is now: no change is ever slept through. And `until` lies ahead."""
    engine, check = engine_of(example.tree), probe(engine_of(example.tree))
    for seed in SEEDS:
        profile, naive = fresh(engine), twin(example.tree)
        for event in history(seed):
            engine.apply(profile, event)
            apply_to_twin(naive, event)
            for now in (profile.clock, profile.clock + 7):
                holds, until = check.evaluate(profile, now)
                assert until > now
                for t in range(now, min(until, now + LOOK_AHEAD_MS)):
                    assert truly_holds(naive.facts, example.condition, t) is holds, (seed, event, now, t)


def de_morgan(example: Example) -> None:
    """`not all` is `any not`, `not any` is `all not`, and `not not` is nothing, at every millisecond."""
    other = {"did": {"event": "B", "within": "25ms"}}
    both = [example.condition, other]
    neither = [{"not": condition} for condition in both]
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"not": {"all": both}}, {"any": neither}),
        ({"not": {"any": both}}, {"all": neither}),
        ({"not": {"not": example.condition}}, example.condition),
    ]
    engine = engine_of(rules_with(*(side for pair in pairs for side in pair)))
    checks = [probe(engine, f"probe{number or ''}") for number in range(2 * len(pairs))]
    for seed in SEEDS:
        profile = fresh(engine)
        for event in history(seed):
            engine.apply(profile, event)
            for t in range(profile.clock, profile.clock + 60):
                truths = [check.evaluate(profile, t)[0] for check in checks]
                assert truths[0::2] == truths[1::2], (seed, event, t)


def an_explanation_agrees(example: Example) -> None:
    """Explain the verdict in what is ready for JSON, each condition with its place."""
    engine, check = engine_of(example.tree), probe(engine_of(example.tree))
    for seed in SEEDS:
        profile = fresh(engine)
        for event in history(seed):
            engine.apply(profile, event)
            for entry in check.explain(profile, profile.clock):
                assert entry["path"].startswith("when")
                assert type(entry["value"]) in (str, int, float, bool, type(None), list)
                assert entry["text"]
                assert isinstance(entry["wanted"], str)
                assert isinstance(entry["holds"], bool)


LAWS: list[Callable[[Example], None]] = [
    replaying_is_idempotent,
    the_same_history_says_the_same,
    a_snapshot_round_trips,
    customers_do_not_matter_to_each_other,
    when_a_timer_is_looked_at_does_not_matter,
    the_truth_is_the_naive_evaluators,
    until_is_never_late,
    de_morgan,
    an_explanation_agrees,
]


@pytest.mark.parametrize(
    ("example", "law"),
    [pytest.param(example, law, id=f"{example.name}:{law.__name__}") for example in EXAMPLES for law in LAWS],
)
def test_law(example: Example, law: Callable[[Example], None]) -> None:
    law(example)


def test_every_kind_of_condition_is_held_to_the_laws() -> None:
    assert set(CONDITIONS) == set(KINDS)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.name for example in EXAMPLES])
def test_the_histories_meet_both_sides_of_an_example(example: Example) -> None:
    """A law over a condition that never turns would say nothing; those that cannot turn are named here."""
    engine, check = engine_of(example.tree), probe(engine_of(example.tree))
    found: set[bool] = set()
    for seed in (*SEEDS, 3):
        for customer in ("c1", "c2"):  # of whom chance draws one
            profile = fresh(engine, customer)
            for event in history(seed, customer):
                engine.apply(profile, event)
                for t in range(profile.clock, profile.clock + 60):
                    found.add(check.evaluate(profile, t)[0])
    fixed = {"all[1]", "any[1]"}
    assert len(found) == (1 if example.name in fixed else 2)
