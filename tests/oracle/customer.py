"""One customer: events come in, segments are entered and left, and what is due in between happens."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.oracle.definitions import Tree, durations_ms, units, walk
from tests.oracle.models import Modelled, Scorers
from tests.oracle.panes import pane_leaves
from tests.oracle.truth import Facts, Member, Seen, holds
from tests.oracle.values import date_ms, duration_ms
from tests.oracle.wire import Event, Reason, Rejected

REMEMBERED_IDS = 256
MAX_TRAITS = 256
MAX_TRAITS_BYTES = 32 * 1024
TIMER: Mapping[str, Any] = {"type": "timer"}


@dataclass(frozen=True)
class Expected:
    """One change that must be said; `at` is in UTC milliseconds, the rest as the change contract has it."""

    customer_id: str
    seq: int
    change: str
    segment: str
    segmentation: str | None
    other: str | None
    at: int
    cause: Mapping[str, Any]
    segments: tuple[str, ...]


@dataclass(frozen=True)
class Crossing:
    """A unit (segment or segmentation) of which an evaluation finds that the customer stands elsewhere now."""

    change: str
    segment: str
    segmentation: str | None
    other: str | None

    @property
    def rank(self) -> tuple[bool, str, str]:
        """Return what changes of one evaluation go by: exits first, segment key, own segments, segmentation."""
        return self.change == "entered", self.segment, self.segmentation or ""


class Duplicate(Exception):
    """The customer's remembered message ids hold this event's."""


class Plan:
    """What is the same for every customer: the definitions, their order, and their durations."""

    def __init__(self, definitions: Tree, max_late_ms: int) -> None:
        self.units = units(definitions)
        self.models = [definition for kind, definition in self.units if kind == "model"]
        self.labels = {one["key"]: one.get("labels", {}) for one in self.models}
        self.durations_ms = durations_ms(definitions)
        self.max_late_ms = max_late_ms
        self.windows_ms = [
            duration_ms(node["total"]["within"])
            for node in walk(definitions)
            if isinstance(node.get("total"), Mapping) and "within" in node["total"]
        ]


class Customer:
    """One customer with their whole history."""

    def __init__(self, plan: Plan, customer: str) -> None:
        self.plan = plan
        self.facts = Facts(customer, labels=plan.labels)
        self.models = {one["key"]: Modelled(one, self.facts) for one in plan.models}
        self.clock: int | None = None
        self._fired: int | None = None  # up to when, since the newest event
        self.changes: list[Expected] = []
        self._ids: deque[str] = deque(maxlen=REMEMBERED_IDS)
        self._trait_times: dict[str, int] = {}

    def apply(self, event: Event, ts: int, floor: int, scorers: Scorers) -> None:
        """Fire what is due strictly before the event, then apply it; `Duplicate` and `Rejected` leave no trace."""
        if event.message_id in self._ids:
            raise Duplicate
        traits, times = self._written(event, ts)
        self.fire(max(ts, floor) - 1, scorers)
        self.facts.traits, self._trait_times = traits, times
        late = self.clock is not None and self.clock - ts > self.plan.max_late_ms
        self.clock = ts if self.clock is None else max(ts, self.clock)
        seen = Seen(event, ts, len(self.facts.seen), self.clock, late)
        self.facts.seen.append(seen)
        if event.message_id is not None:
            self._ids.append(event.message_id)
        self._evaluate(
            self.clock, {"type": "event", "event": event.name, "message_id": event.message_id}, scorers, seen
        )
        self._fired = self.clock

    def fire(self, last_ms: int, scorers: Scorers) -> None:
        """Let happen all that is due up to `last_ms`, included, in the order of time."""
        while self._fired is not None and self._fire_next(self._fired, last_ms, scorers):
            pass

    def _fire_next(self, after: int, last_ms: int, scorers: Scorers) -> bool:
        """Evaluate at each instant in `(after, last_ms]` until anything happens at one; return whether it did."""
        for at in sorted({one for one in self._instants() if after < one <= last_ms}):
            done = [one for one in self.models.values() if any(due <= at for due in one.instants())]
            changed = self._evaluate(at, TIMER, scorers)
            if changed:
                self.clock = at
            if changed or done:
                self._fired = at
                return True
        return False

    # Traits

    def _written(self, event: Event, ts: int) -> tuple[dict[str, Any], dict[str, int]]:
        """Return the traits and their times as they are after the event; raises `Rejected` past a limit."""
        traits, times = dict(self.facts.traits), dict(self._trait_times)
        if event.type != "identify":
            return traits, times
        for key, value in event.body.get("traits", {}).items():
            if key in times and ts < times[key]:
                continue
            times[key] = ts
            traits[key] = value
            if value is None:
                del traits[key]
        if len(times) > MAX_TRAITS:
            raise Rejected(Reason.TOO_MANY_TRAITS)
        kept = {key: traits.get(key) for key in times}  # one that was removed is kept as null: its time still counts
        if len(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_TRAITS_BYTES:
            raise Rejected(Reason.TRAITS_TOO_LARGE)
        return traits, times

    # Instants

    def _instants(self) -> Iterator[int]:
        """Yield every instant at which anything could turn with no event, and more."""
        for model in self.models.values():
            yield from model.instants()
        starts = {one.ts for one in self.facts.seen}
        starts.update(member.since for member in self.facts.members.values())
        starts.update(_dates(list(self.facts.traits.values())))
        for start in starts:
            for duration in self.plan.durations_ms:
                yield start + duration
                yield start + duration + 1
        for window in self.plan.windows_ms:
            for one in self.facts.seen:
                yield pane_leaves(one.ts, window)

    # Evaluation

    def _evaluate(self, at: int, cause: Mapping[str, Any], scorers: Scorers, seen: Seen | None = None) -> bool:
        """Bring every segment to its truth at `at`; say what changed, and return whether anything did."""
        crossings: list[Crossing] = []
        for kind, unit in self.plan.units:
            match kind:
                case "model":
                    self.models[unit["key"]].step(at, seen, scorers)
                case "segment":
                    crossings += self._own(unit, at)
                case "segmentation":
                    verdicts = [(one["key"], holds(self.facts, one["when"], at)) for one in unit["parts"]]
                    stands = next((name for name, truth in verdicts if truth), unit["otherwise"])
                    crossings += self._one_of(unit["key"], stands, at)
                case "clusters" if unit["key"] in self.facts.scores:
                    crossings += self._one_of(unit["key"], str(self.facts.scores[unit["key"]][0]), at)
        segments = tuple(self.segments())
        for one in sorted(crossings, key=lambda crossing: crossing.rank):
            self.changes.append(
                Expected(
                    self.facts.customer,
                    len(self.changes) + 1,
                    one.change,
                    one.segment,
                    one.segmentation,
                    one.other,
                    at,
                    cause,
                    segments,
                )
            )
        return bool(crossings)

    def _own(self, segment: Tree, at: int) -> list[Crossing]:
        key, members = segment["key"], self.facts.members
        when = holds(self.facts, segment["when"], at)
        until = holds(self.facts, segment["until"], at) if "until" in segment else not when
        if key not in members:
            if not when or until:
                return []
            members[key] = Member(key, at)
            return [Crossing("entered", key, None, None)]
        if not until or at < members[key].since + duration_ms(segment.get("min_stay", "0s")):
            return []
        del members[key]
        return [Crossing("exited", key, None, None)]

    def _one_of(self, key: str, new: str, at: int) -> list[Crossing]:
        """Let the customer stand in this segment of a segmentation."""
        members = self.facts.members
        old = members[key].key if key in members else None
        if new == old:
            return []
        members[key] = Member(new, at)
        left = [Crossing("exited", old, key, new)] if old is not None else []
        return [*left, Crossing("entered", new, key, old)]

    def segments(self) -> list[str]:
        """Return every segment the customer is in: own ones by key, then `segmentation.segment` by segmentation."""
        own = sorted(unit for unit, member in self.facts.members.items() if member.key == unit)
        return own + sorted(f"{unit}.{one.key}" for unit, one in self.facts.members.items() if one.key != unit)


def _dates(tree: Any) -> Iterator[int]:
    """Yield every date that stands anywhere in a tree."""
    if isinstance(tree, str):
        at = date_ms(tree)
        if at is not None:
            yield at
    elif isinstance(tree, list | dict):
        for child in tree if isinstance(tree, list) else tree.values():
            yield from _dates(child)


def truths(customers: list[Customer]) -> Counter[tuple[str, bool]]:
    """Return how often each kind of condition was found true and false."""
    return sum((one.facts.truths for one in customers), Counter())
