"""What time an event has, and up to when timers may fire: the live clock and the stream clock of a replay.

Neither asks a local clock when a change happens: all comes from the records (`docs/architecture.md`, "Time").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.settings import Settings

NEVER_MS: Final = -(2**62)


class MissingTimestamp(Exception):
    """The event has no timestamp, and this clock has no other time to give it."""


class Clock:
    """How records become instants."""

    ticks: bool
    """Whether the worker asks the broker for the time (by a tick) when a timer is due and no record comes."""

    def times(self, ts_ms: int | None, broker_ms: int) -> tuple[int, int]:
        """Return (the event's time, its floor), both in UTC milliseconds.

        `ts_ms` is the event's own timestamp, None where it has none; raises `MissingTimestamp` where that is none.
        """
        raise NotImplementedError

    def certain_ms(self, newest_broker_ms: int, newest_event_ms: int) -> int:
        """Return the instant strictly before which no record still to come can have a say.

        The arguments are the newest broker time of any record applied so far on the partition (ticks and rejected
        ones too) and the newest time of an event applied; NEVER_MS where there was none.
        """
        raise NotImplementedError


class LiveClock(Clock):
    """The broker's time rules: event times are bounded by it, timers wait for it.

    `max_future_ms`: an event further ahead of its broker time than this is taken at the broker's time.
    `grace_ms`: how long a timer waits for events that are on their way.
    `clock_skew_ms`: by how much the clocks of two brokers may differ.
    """

    ticks = True

    def __init__(self, *, grace_ms: int, clock_skew_ms: int, max_future_ms: int) -> None:
        """Keep the three margins, in milliseconds."""
        self.grace_ms = grace_ms
        self.clock_skew_ms = clock_skew_ms
        self.max_future_ms = max_future_ms

    def times(self, ts_ms: int | None, broker_ms: int) -> tuple[int, int]:
        """Return the event's time (the broker's where it has none or lies too far ahead) and its floor."""
        if ts_ms is None or ts_ms > broker_ms + self.max_future_ms:
            ts_ms = broker_ms
        return ts_ms, broker_ms - self.grace_ms

    def certain_ms(self, newest_broker_ms: int, newest_event_ms: int) -> int:
        """Return the newest broker time less grace and skew."""
        return newest_broker_ms - self.grace_ms - self.clock_skew_ms


class StreamClock(Clock):
    """A replay's clock: the broker's time of an event is the event's own, and there is no grace.

    `lag_ms` is the largest step back in time in the file, which `segue replay` measures first.
    """

    ticks = False

    def __init__(self, *, lag_ms: int) -> None:
        """Keep the lag, in milliseconds."""
        self.lag_ms = lag_ms

    def times(self, ts_ms: int | None, broker_ms: int) -> tuple[int, int]:
        """Return the event's time twice."""
        if ts_ms is None:
            raise MissingTimestamp
        return ts_ms, ts_ms

    def certain_ms(self, newest_broker_ms: int, newest_event_ms: int) -> int:
        """Return the newest event time less the lag."""
        return newest_event_ms - self.lag_ms


def live_clock(settings: Settings) -> LiveClock:
    """Return the clock of a worker on a live log."""
    return LiveClock(grace_ms=settings.grace, clock_skew_ms=settings.clock_skew, max_future_ms=settings.max_future)
