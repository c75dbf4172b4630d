"""What the latency benchmark's clients are asked to do and what they say in the end: sent and got as JSON.

Times are seconds since 1970 by this machine's clock, the same in each of its processes: brokers stamp records by it,
and due instants are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL = 2_000
"""Customers whose events make no change: the first one of each, which does, is sent before anything is measured."""


class Event(NamedTuple):
    """One to send `after_s` the beginning. Who is `marked` is called as the message; the event is their first.

    `happened_s` is the time that it says; None is when it is sent.
    """

    after_s: float
    customer: str
    message: str
    marked: bool
    happened_s: float | None


class Steady(msgspec.Struct, frozen=True, tag=True):
    """Events `rate` a second, each when it is due; 0 is as fast as the broker takes them.

    One event of `share` is the first one of a new customer and makes exactly one change; the others are of the `POOL`
    customers in turn and make none. With a `share` of 0 all are.
    """

    run: str
    count: int
    rate: float
    share: int

    def events(self) -> Iterator[Event]:
        """Yield them in the order in which they are due."""
        for number in range(self.count):
            after_s = number / self.rate if self.rate else 0.0
            if self.share and number % self.share == 0:
                yield Event(after_s, f"{self.run}-{number}", f"{self.run}-{number}", marked=True, happened_s=None)
            else:
                yield Event(after_s, f"p{number % POOL}", f"{self.run}.{number}", marked=False, happened_s=None)


class Timers(msgspec.Struct, frozen=True, tag=True):
    """An event of each of `count` new customers, as fast as the broker takes them, `within_s` before they fall due.

    They fall due at equal distances from `first_due_s` on, over `spread_s`.
    """

    run: str
    count: int
    within_s: float
    first_due_s: float
    spread_s: float

    def events(self) -> Iterator[Event]:
        """Yield them in the order in which they fall due."""
        for number in range(self.count):
            happened_s = self.first_due_s + self.spread_s * number / self.count - self.within_s
            yield Event(0.0, f"{self.run}-{number}", f"{self.run}-{number}", marked=True, happened_s=happened_s)


class Pool(msgspec.Struct, frozen=True, tag=True):
    """The first event of each of the `POOL` customers, as fast as the broker takes them."""

    run: str

    def events(self) -> Iterator[Event]:
        """Yield them."""
        for number in range(POOL):
            yield Event(0.0, f"p{number}", f"{self.run}-{number}", marked=True, happened_s=None)


class Send(msgspec.Struct, frozen=True, tag=True):
    """What a sender is asked: to append these to a topic."""

    broker: str
    topic: str
    what: Steady | Timers | Pool


class Sent(msgspec.Struct):
    """What a sender says."""

    due: dict[str, float]
    """Message of a marked event -> when it was due to be sent."""
    acknowledged: dict[str, float]
    """The same -> when the broker's acknowledgement of it was in."""
    late: list[float]
    """By how much the sender woke after an event was due, in seconds."""


class Read(msgspec.Struct, frozen=True, tag=True):
    """What a reader is asked: to read a topic on from its end, until `count` records have come that hold `needle`."""

    broker: str
    topic: str
    needle: str
    count: int
    fetch_wait_ms: int
    silence_s: float
    """After so long without one it gives up."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One record read: its message, or its customer where it has none; what it says; and when it was in hand."""

    name: str
    change: str
    at: str
    seen_s: float


class Got(msgspec.Struct):
    """What a reader says."""

    rows: list[Row]
