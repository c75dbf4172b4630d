"""What must become of each record of a log, by the oracle."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.oracle.customer import MAX_TRAITS, MAX_TRAITS_BYTES, Customer, Duplicate, Plan
from tests.oracle.values import date_time_ms
from tests.oracle.wire import Reason, Rejected, depth, event_or_faults, room

if TYPE_CHECKING:
    from tests.fuzz.inside import Follows
    from tests.fuzz.worlds import Sent
    from tests.oracle.customer import Expected
    from tests.oracle.definitions import Tree
    from tests.oracle.models import Scorers
    from tests.oracle.wire import Event

APPLIED, DUPLICATE, TICK = "applied", "duplicate", "tick"

OURS = {Reason.NO_OBJECT: "not_object", Reason.NO_EVENT_NAME: "no_event"}
"""The worker's words, where the oracle has others."""

TRAIT_DEPTH = 249
"""How deep a trait may nest, to be written into views and changes."""

UNSURE_BYTES = 500
"""Writers of JSON differ in how they write some numbers: that near the bound of traits, either verdict is right."""

DAY_MS = 86_400_000
GRACE_MS, MAX_FUTURE_MS = 1_000, 60_000
MIN_MS, MAX_MS = date_time_ms("0001-01-01T00:00:00Z") or 0, date_time_ms("9999-12-31T23:59:59.999Z") or 0
"""Between these, in UTC, an instant lies; their offsets take a few date-times of the first and the last day out."""
NOTHING = Plan({}, DAY_MS)


class Judge:
    """Judges records one after another; `followed` says whose changes are worked out, too (it is slow)."""

    def __init__(self, definitions: Tree | None, followed: Follows) -> None:
        self._plan = NOTHING if definitions is None else Plan(definitions, DAY_MS)
        self.follows = followed
        self.customers: dict[str, _Judged] = {}

    def verdicts(self, sent: Sent, broker_ms: int, *, rejected: bool) -> frozenset[str]:
        """Return what may become of a record: mostly one thing, or several reasons to reject it.

        `rejected` is what became of it; it counts where either is right.
        """
        if sent.key is None and sent.value == b"" and any(name == "segue-tick" for name, _ in sent.headers):
            return frozenset((TICK,))
        event = event_or_faults(sent.value or b"")
        if isinstance(event, frozenset):
            found = {OURS.get(reason, str(reason)) for reason in event}
            return frozenset(found | {"no_key"} if sent.key is None else found)
        if sent.key is None:
            return frozenset(("no_key",))
        if event.ts is not None and not MIN_MS <= event.ts <= MAX_MS:
            return frozenset((str(Reason.BAD_TIMESTAMP),))
        if sent.key != event.customer.encode():
            return frozenset((str(Reason.WRONG_KEY),))
        with room():
            return frozenset((self._apply(event, broker_ms, rejected=rejected),))

    def changes(self, customer: str, until_ms: int) -> list[Expected]:
        """Return all that a followed customer's events and timers, up to and including the instant, are to say."""
        one = self.customers[customer]
        with room():
            one.fire(until_ms, {})
        return one.changes

    def _apply(self, event: Event, broker_ms: int, *, rejected: bool) -> str:
        ts = broker_ms if event.ts is None or event.ts > broker_ms + MAX_FUTURE_MS else event.ts
        customer = self.customers.get(event.customer)
        if customer is None:
            customer = _Judged(self._plan if self.follows(event.customer) else NOTHING, event.customer)
        customer.rejected = rejected
        try:
            customer.apply(event, ts, broker_ms - GRACE_MS, {})
        except Duplicate:
            return DUPLICATE
        except Rejected as reason:
            return str(reason.args[0])
        self.customers[event.customer] = customer
        return APPLIED


class _Judged(Customer):
    """A customer of the oracle whose traits have the bounds that this implementation adds, or leaves open."""

    rejected = False

    def fire(self, last_ms: int, scorers: Scorers) -> None:
        """Let happen what is due, where that is looked at."""
        if self.plan is not NOTHING:
            super().fire(last_ms, scorers)

    def _written(self, event: Event, ts: int) -> tuple[dict[str, Any], dict[str, int]]:
        traits, times = dict(self.facts.traits), dict(self._trait_times)
        if event.type != "identify":
            return traits, times
        new = {key: value for key, value in event.body.get("traits", {}).items() if ts >= times.get(key, ts)}
        times.update(dict.fromkeys(new, ts))
        traits.update(new)
        if not new:
            return traits, times
        if len(times) > MAX_TRAITS:
            raise Rejected(Reason.TOO_MANY_TRAITS)
        if depth(new) - 1 > TRAIT_DEPTH or self._too_large({key: traits.get(key) for key in times}):
            raise Rejected(Reason.TRAITS_TOO_LARGE)
        return {key: value for key, value in traits.items() if value is not None}, times

    def _too_large(self, kept: dict[str, Any]) -> bool:
        size = len(json.dumps(_whole(kept), ensure_ascii=False, separators=(",", ":")).encode())
        if abs(size - MAX_TRAITS_BYTES) <= UNSURE_BYTES:
            return self.rejected
        return size > MAX_TRAITS_BYTES


def _whole(tree: Any) -> Any:
    """Return a tree with whole numbers written as such: the oracle has doubles alone."""
    if isinstance(tree, dict):
        return {key: _whole(child) for key, child in tree.items()}
    if isinstance(tree, list):
        return [_whole(child) for child in tree]
    return int(tree) if isinstance(tree, float) and tree.is_integer() and abs(tree) < 2**64 else tree
