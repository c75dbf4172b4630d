"""The truth of a condition at an instant, from a customer's full history."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tests.oracle.definitions import Tree, comparisons
from tests.oracle.panes import Value, pane_leaves, windowed
from tests.oracle.values import duration_ms, is_number, leaf_meets, leaves, meets, micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.oracle.wire import Event

EVENT_FIELDS = ("name", "groupId", "previousId", "traits", "context", "properties")


@dataclass(frozen=True)
class Seen:
    """One applied event: its time, its place in the order of arrival, and the instant it was evaluated at."""

    event: Event
    ts: int
    arrival: int
    evaluated_at: int
    late: bool  # too far behind the customer's clock to take part in a sequence


@dataclass
class Member:
    """Where a customer stands in a segment or segmentation: the segment's key, and since when."""

    key: str
    since: int


@dataclass
class Facts:
    """All that is known of a customer; `truths` counts what each kind of condition was found to be."""

    customer: str
    seen: list[Seen] = field(default_factory=list)
    traits: dict[str, Any] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    scores: dict[str, tuple[float | str, int]] = field(default_factory=dict)  # what each model last said, its version
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # what a model's clusters are called
    truths: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _notes: dict[tuple[int, str], tuple[int, Any]] = field(default_factory=dict)

    def note(self, node: Tree, what: str, work: Callable[[], Any]) -> Any:
        """Remember what depends on the applied events alone, until another one is applied."""
        key = (id(node), what)
        known = self._notes.get(key)
        if known is None or known[0] != len(self.seen):
            known = self._notes[key] = (len(self.seen), work())
        return known[1]


def holds(facts: Facts, condition: Tree, t: int) -> bool:
    """Return the truth of a condition at the instant `t`."""
    ((kind, body),) = condition.items()
    truth = KINDS[kind](facts, body, t)
    facts.truths[kind, truth] += 1
    return truth


# Which events


def event_values(event: Event, path: str) -> list[Any]:
    """Return the values at a dotted path of an event: from its properties, else from the event itself."""
    first, *_ = steps = path.split(".")
    properties = event.body.get("properties", {})
    if properties.get(first) is not None:
        return leaves(properties, steps)
    return leaves(event.body, steps) if first in EVENT_FIELDS else []


def _matches(event: Event, spec: Tree) -> bool:
    names = spec["event"]
    if names != "*" and event.name not in ([names] if isinstance(names, str) else names):
        return False
    where = spec.get("where", {})
    return all(meets(event_values(event, path), wanted, 0) for path, wanted in where.items())


def matching(facts: Facts, spec: Tree) -> list[Seen]:
    """Return all events so far that a condition counts, whatever their time, in order of arrival."""
    found: list[Seen] = facts.note(spec, "match", lambda: [one for one in facts.seen if _matches(one.event, spec)])
    return found


def _window(spec: Tree) -> int | None:
    return duration_ms(spec["within"]) if "within" in spec else None


def _inside(ts: int, within: int | None, t: int) -> bool:
    return ts <= t and (within is None or t - within < ts)


# Each kind


def _all(facts: Facts, parts: list[Tree], t: int) -> bool:
    return all([holds(facts, part, t) for part in parts])  # noqa: C419 - each part's truth is to be counted


def _any(facts: Facts, parts: list[Tree], t: int) -> bool:
    return any([holds(facts, part, t) for part in parts])  # noqa: C419 - each part's truth is to be counted


def _not(facts: Facts, part: Tree, t: int) -> bool:
    return not holds(facts, part, t)


def _did(facts: Facts, spec: Tree, t: int) -> bool:
    within = _window(spec)
    count = sum(_inside(one.ts, within, t) for one in matching(facts, spec))
    return meets([count], spec.get("times", {"gte": 1}), t)


def _taken(value: Any, agg: str) -> bool:
    if agg in ("distinct", "first", "last"):
        return is_number(value) or isinstance(value, str | bool)
    return is_number(value)


def _history(facts: Facts, spec: Tree) -> list[tuple[int, list[Value]]]:
    history = []
    for one in matching(facts, spec):
        taken = [value for value in event_values(one.event, spec["of"]) if _taken(value, spec["agg"])]
        values = [Value(one.ts, one.arrival, place, value) for place, value in enumerate(taken)]
        history.append((one.evaluated_at, values))
    return history


def total_values(facts: Facts, spec: Tree, t: int) -> tuple[list[Value], list[Value]]:
    """Return the values that count at `t`, and those of which the distinct ones count."""
    within = _window(spec)
    if within is None:
        history = facts.note(spec, "history", lambda: _history(facts, spec))
        values = [one for _, values in history for one in values]
        return values, values
    single, paned = facts.note(spec, "windowed", lambda: windowed(_history(facts, spec), within))
    counted = remaining(single, paned, within, t)
    if paned is None:
        return counted, counted
    return counted, paned if counted else []


def remaining(single: list[Value], paned: list[Value] | None, within: int, t: int) -> list[Value]:
    """Return those that the window still holds at `t`: single values each for itself, others with their pane."""
    if paned is None:
        return [one for one in single if _inside(one.ts, within, t)]
    return [one for one in paned if t < pane_leaves(one.ts, within)]


def aggregate(agg: str, values: list[Value], every: list[Value]) -> Any:
    """Return the aggregate of one or more values; sums and averages as exact fractions of whole millionths."""
    found = [one.value for one in values]
    match agg:
        case "sum":
            return Fraction(sum(map(micros, found)), 1_000_000)
        case "avg":
            return Fraction(round(Fraction(sum(map(micros, found)), len(found))), 1_000_000)
        case "min":
            return min(found)
        case "max":
            return max(found)
        case "distinct":
            return len({(isinstance(one.value, bool), one.value) for one in every})
        case "first":
            return min(values, key=lambda one: one.age).value
        case "last":
            return max(values, key=lambda one: one.age).value
    raise AssertionError(agg)


def _total(facts: Facts, spec: Tree, t: int) -> bool:
    values, every = total_values(facts, spec, t)
    if not values:
        return False
    wanted = dict(comparisons(spec, "event", "of", "agg", "where", "within"))
    return meets([aggregate(spec["agg"], values, every)], wanted, t)


def _elapsed_meets(elapsed: int, spec: Tree) -> bool:
    """Compare a time with durations, milliseconds with milliseconds."""
    for op, bound in comparisons(spec, "event", "where"):
        wanted = [duration_ms(one) for one in bound] if isinstance(bound, list) else duration_ms(bound)
        if not meets([elapsed], {op: wanted}, 0):
            return False
    return True


def _since_last(facts: Facts, spec: Tree, t: int) -> bool:
    times = [one.ts for one in matching(facts, spec)]
    return bool(times) and _elapsed_meets(t - max(times), spec)


def _since_first(facts: Facts, spec: Tree, t: int) -> bool:
    times = [one.ts for one in matching(facts, spec)]
    return bool(times) and _elapsed_meets(t - min(times), spec)


def _follows(step: Tree, before: Seen, one: Seen) -> bool:
    gap = one.ts - before.ts
    return (
        before.arrival < one.arrival
        and gap >= 0
        and ("within" not in step or gap <= duration_ms(step["within"]))
        and ("after" not in step or gap >= duration_ms(step["after"]))
    )


def _ends(facts: Facts, spec: Tree) -> list[Seen]:
    """Return every event with which some choice of events completes the sequence."""
    first, *rest = spec["steps"]
    ends = [one for one in matching(facts, first) if not one.late]
    for step in rest:
        candidates = [one for one in matching(facts, step) if not one.late]
        ends = [one for one in candidates if any(_follows(step, before, one) for before in ends)]
    return ends


def _sequence(facts: Facts, spec: Tree, t: int) -> bool:
    ends = facts.note(spec, "ends", lambda: _ends(facts, spec))
    return any(_inside(one.ts, _window(spec), t) for one in ends)


def _then_not(facts: Facts, spec: Tree, t: int) -> bool:
    times = [one.ts for one in matching(facts, spec)]
    if not times:
        return False
    e = max(times)
    if t < e + duration_ms(spec["wait"]) or ("within" in spec and t >= e + duration_ms(spec["within"])):
        return False
    return not any(e < one.ts <= t for one in matching(facts, spec["but"]))


def _trait(facts: Facts, spec: Tree, t: int) -> bool:
    return all(meets(leaves(facts.traits, path.split(".")), wanted, t) for path, wanted in spec.items())


def _in_segment(facts: Facts, spec: Any, t: int) -> bool:
    key = spec if isinstance(spec, str) else spec["key"]
    unit, _, inner = key.partition(".")
    member = facts.members.get(unit)
    if member is None or member.key != (inner or unit):
        return False
    return isinstance(spec, str) or t - member.since >= duration_ms(spec.get("at_least", "0s"))


def _score(facts: Facts, spec: Tree, t: int) -> bool:
    said = facts.scores.get(spec["model"])
    return said is not None and meets([said[0]], dict(comparisons(spec, "model")), t)


def _cluster(facts: Facts, spec: Tree, _t: int) -> bool:
    said = facts.scores.get(spec["model"])
    return said is not None and spec["is"] in (said[0], facts.labels.get(spec["model"], {}).get(str(said[0])))


def _chance(facts: Facts, spec: Tree, _t: int) -> bool:
    digest = hashlib.sha256(spec["salt"].encode() + b"\x00" + facts.customer.encode()).digest()
    return leaf_meets("lt", Fraction(int.from_bytes(digest[:8], "big"), 2**64), spec["lt"], 0)


KINDS: Mapping[str, Callable[[Facts, Any, int], bool]] = {
    "all": _all,
    "any": _any,
    "not": _not,
    "did": _did,
    "total": _total,
    "since_last": _since_last,
    "since_first": _since_first,
    "sequence": _sequence,
    "then_not": _then_not,
    "trait": _trait,
    "in_segment": _in_segment,
    "score": _score,
    "cluster": _cluster,
    "chance": _chance,
}
