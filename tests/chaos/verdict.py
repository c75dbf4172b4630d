"""What the log makes certain, beside what was said: computed by the live rules in memory, from the first record on."""

from __future__ import annotations

import functools
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from state.engine import Engine
from streams.batch import SIGN
from streams.changes import make_entry, size_name, value_of
from streams.clocks import live_clock
from streams.events import is_tick
from streams.replay.memory import MemoryLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.ruleset import Ruleset
    from state.change import Change
    from state.profile import Profile
    from streams.settings import Settings
    from tests.chaos.topic import Record

Told = dict[str, list[dict[str, Any]]]
"""Customer → changes in order, as they go over the wire, without the moment of emission."""

Place = tuple[int, int]

DIFFERENT = 5
"""How many customers a failure shows."""


@dataclass
class Expected:
    """All that a log makes certain."""

    told: Told = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    profiles: dict[int, dict[str, Profile]] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)
    rejected: dict[Place, str] = field(default_factory=dict)
    ticks: int = 0
    applied: int = 0
    duplicates: int = 0
    most_back_ms: int = 0
    """The most by which a record's time is before that of one that stands before it in its partition."""

    def last_due_ms(self, before_ms: int) -> int | None:
        """Return the last of the customers' due instants before this one."""
        return max((profile.due for profile in self._everyone() if profile.due < before_ms), default=None)

    def _everyone(self) -> Iterator[Profile]:
        for profiles in self.profiles.values():
            yield from profiles.values()


def expect(settings: Settings, ruleset: Ruleset, log: Mapping[int, Sequence[Record]]) -> Expected:
    """Return what a worker should have said of the log, and left in the store."""
    engine = Engine(ruleset, max_late_ms=settings.max_late, view_traits=settings.view_traits)
    memory, expected = MemoryLog(engine, live_clock(settings)), Expected()
    for partition, records in log.items():
        for record in records:
            newest_ms = memory.newest_broker_ms.get(partition, record.timestamp)
            expected.most_back_ms = max(expected.most_back_ms, newest_ms - record.timestamp)
            rejected = memory.counters.rejected.copy()
            changes = memory.feed(partition, record.timestamp, record.key, record.value, tick=is_tick(record))
            for reason in memory.counters.rejected - rejected:
                expected.rejected[partition, record.offset] = reason
            _tell(settings, expected, changes)
    _tell(settings, expected, list(memory.finish()))
    expected.profiles = memory.profiles
    expected.partitions = {customer: partition for partition, some in memory.profiles.items() for customer in some}
    counters = memory.counters
    expected.ticks, expected.applied, expected.duplicates = counters.ticks, counters.applied, counters.duplicates
    return expected


def _tell(settings: Settings, expected: Expected, changes: Sequence[Change]) -> None:
    for change in changes:
        value = value_of(make_entry(settings.app_id, change, 0), "")
        expected.told.setdefault(change.customer, []).append(_body(value))
        expected.sizes[size_name(change)] += SIGN[change.change]


def heard(log: Mapping[int, Sequence[Record]]) -> Told:
    """Return what stands on the change topic."""
    told: Told = {}
    for records in log.values():
        for record in records:
            told.setdefault((record.key or b"").decode(), []).append(_body(record.value or b""))
    return told


@functools.cache  # each verdict reads all of them several times
def _body(value: bytes) -> dict[str, Any]:
    """Return a change without the moment of emission."""
    body: dict[str, Any] = orjson.loads(value)
    del body["emitted_at"]
    return body


def faults(expected: Expected, changes: Mapping[int, Sequence[Record]]) -> list[str]:
    """Return what is wrong with the changes that were said, a line each; none where all is well."""
    found = [*_laws(changes), *differences(heard(changes), expected.told)]
    for partition, records in changes.items():
        strays = {
            str(record.key) for record in records if expected.partitions.get((record.key or b"").decode()) != partition
        }
        if strays:
            found.append(f"partition {partition} has changes of customers whose events it does not have: {strays}")
    return found


def _laws(changes: Mapping[int, Sequence[Record]]) -> Iterator[str]:
    """Say what is wrong whatever the log says: these hold for any reader, at any moment."""
    told = heard(changes)
    ids = Counter(change["id"] for some in told.values() for change in some)
    twice = {identity: count for identity, count in ids.items() if count > 1}
    if twice:
        yield f"{len(twice)} changes are out more than once: {dict(list(twice.items())[:DIFFERENT])}"
    for customer, some in told.items():
        numbers = [change["seq"] for change in some]
        if numbers != list(range(1, len(some) + 1)):
            yield f"customer {customer}: seq is {numbers}"
        instants = [change["at"] for change in some]
        if instants != sorted(instants):
            yield f"customer {customer}: time goes back in {instants}"
    for records in changes.values():
        for record in records:
            if dict(record.headers)["ce_id"].decode() != _body(record.value or b"")["id"]:
                yield f"offset {record.offset} of partition {record.partition}: header and value have two ids"


def differences(told: Told, wanted: Told) -> Iterator[str]:
    """Show what one says otherwise than the other, of some customers."""
    differ = sorted(who for who in told.keys() | wanted.keys() if told.get(who) != wanted.get(who))
    if differ:
        yield f"{len(differ)} customers of {len(wanted)} were told of otherwise:"
    for customer in differ[:DIFFERENT]:
        yield f"customer {customer}:"
        yield from _difference(told.get(customer, []), wanted.get(customer, []))


def _difference(told: Sequence[dict[str, Any]], wanted: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Show where two lists part: the last change that they share, and what follows in each."""
    same = next(
        (n for n, (one, other) in enumerate(zip(told, wanted, strict=False)) if one != other),
        min(len(told), len(wanted)),
    )
    yield f"  the first {same} are right; {len(told)} were said, {len(wanted)} wanted"
    for title, some in (("said", told), ("want", wanted)):
        for change in some[max(0, same - 1) : same + 3]:
            yield f"  {title} {_short(change)}"
    if same < min(len(told), len(wanted)):
        fields = {name for name in wanted[same] if told[same].get(name) != wanted[same][name]}
        for name in sorted(fields):
            yield f"  {name}: {json.dumps(told[same].get(name))} was said, {json.dumps(wanted[same][name])} wanted"


def _short(change: Mapping[str, Any]) -> str:
    name = change["segment"] if change["segmentation"] is None else f"{change['segmentation']}.{change['segment']}"
    cause = " ".join(map(str, change["cause"].values()))
    return f"{change['seq']:>4} {change['at']} {change['change']} {name} ({cause}) → {', '.join(change['segments'])}"
