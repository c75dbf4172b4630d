"""Whether a partition gets on: clients are known to die in silence (Faust #175, #532), and logs to end too early.

Two clocks run for each partition in hand. One since anything was applied; it counts while records wait. The other since
the step under way (a chunk, a sweep, a take-over) gave a sign of life. Where one of them runs past the setting's
`stall_deadline`, the worker ends: a new process may do what this one cannot.

Neither is the fault of a service that is away, and ending would not bring it back. So store and broker are asked
(`streams.inquiry`) before a clock has run out, and again and again; no answer sets both clocks back. Nor did anything
stand still while the whole process did (SIGSTOP, a suspended machine).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rules.errors import ServiceError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.inquiry import Found
    from streams.transport import Place

_SHORT_S = 10.0
"""For so long a log may seem to end before what was read of it: a new leader learns its watermark late."""

_SUSPENDED_S = 5.0
"""Looks come each second; after so long without one the process did not run."""

_ASK = 4
"""So often within the deadline the services are asked about a partition that stands still."""


class Seen(NamedTuple):
    """What a worker sees of a partition that it holds.

    `applied` is the offset up to which all is, None while no tenure has it (a take-over, or the pause before one).
    `signs` counts steps that got through, `failures` tenures that did not. `idle` says that no chunk is here, `resting`
    that no step is under way, `pausing` that the next attempt waits after a failure. `place` is where reading stands,
    where that is known.
    """

    applied: int | None
    signs: int
    failures: int
    idle: bool
    resting: bool
    pausing: bool
    place: Place | None


class Stall(ServiceError):
    """A partition that does not get on although it could."""

    def __init__(self, message: str, partition: int, found: Found, still_s: float) -> None:
        """Keep where it stands, for who logs it."""
        super().__init__(message)
        self.partition = partition
        self.found = found
        self.still_s = still_s


class Watch:
    """Watches one partition for as long as a worker holds it. Instants are those of a monotonic clock, in seconds."""

    def __init__(self, topic: str, partition: int, stall_s: float, now_s: float) -> None:
        """Begin with nothing seen; `stall_s` is how long it may stand still."""
        self._topic = topic
        self._partition = partition
        self._stall_s = stall_s
        self._seen: Seen | None = None
        self._applied = -1
        self._tries = self._failures_then = 0
        self._looked_s = self._applied_s = self._step_s = self._in_range_s = self._asked_s = now_s
        self._found: Found | None = None

    def look(self, seen: Seen, now_s: float) -> None:
        """Compare with the last look; raises `StateError` where the log ends before what was read of it."""
        if now_s - self._looked_s > _SUSPENDED_S:
            self._shift(now_s - self._looked_s)
        self._looked_s = now_s
        before, self._seen = self._seen, seen
        failed = before is not None and seen.failures != before.failures
        signed = before is None or failed or seen.signs != before.signs
        if seen.applied is not None and seen.applied > self._applied:
            self._applied, self._tries = seen.applied, 0
            self._gets_on(now_s)
        elif signed and not self._tries and not failed and (seen.applied is None or not seen.idle):
            self._gets_on(now_s)
        elif signed or seen.resting or seen.pausing:
            self._step_s = now_s
        if seen.pausing and seen.failures == self._failures_then:
            self._applied_s = now_s  # the services are back, and the next attempt is yet to find it out
        self._tries += failed
        self._check_range(seen.place, now_s)

    def told(self, found: Found | None, now_s: float) -> None:
        """Take what store and broker say of the partition; None where one of them is away."""
        before, self._asked_s, self._found = self._found, now_s, found
        if found is None:
            self._step_s = now_s
        if not (before is not None and before.waits and found is not None and found.waits):
            self._applied_s = now_s  # what waits may have come only just now
            self._failures_then = self._seen.failures if self._seen is not None else 0

    def still_s(self, now_s: float) -> float:
        """Return for how long it has stood still although there is something to do and the services answer; else 0."""
        if self._found is None:
            return 0.0
        applied_s = now_s - self._applied_s if self._found.waits else 0.0
        return max(applied_s, now_s - self._step_s)

    def wants(self, now_s: float) -> bool:
        """Whether it is time to ask store and broker."""
        since_s = min(self._applied_s, self._step_s)
        return now_s - max(since_s, self._asked_s) > self._stall_s / _ASK

    def stall(self, now_s: float) -> Stall | None:
        """Return what the worker is to end with, None where all is well or nothing is certain."""
        found, still_s = self._found, self.still_s(now_s)
        if found is None or still_s <= self._stall_s:
            return None
        lag = max(0, found.end - found.offset)
        message = (
            f"{self._topic}/{self._partition}: nothing was done for {still_s:.0f} s; it stands at offset "
            f"{found.offset}, {lag} before the end ({found.end}), and broker and Redis answer. The worker ends, so "
            "that whatever supervises it starts it again (SEGUE_STALL_DEADLINE is how long it waits)"
        )
        return Stall(message, self._partition, found, still_s)

    def _gets_on(self, now_s: float) -> None:
        self._applied_s = self._step_s = now_s
        self._found = None

    def _shift(self, gap_s: float) -> None:
        self._applied_s += gap_s
        self._step_s += gap_s
        self._in_range_s += gap_s

    def _check_range(self, place: Place | None, now_s: float) -> None:
        if place is None or place.position <= place.end:
            self._in_range_s = now_s
        elif now_s - self._in_range_s > _SHORT_S:
            raise out_of_range(self._topic, {self._partition: place.position})


def out_of_range(topic: str, wanted: Mapping[int, int]) -> StateError:
    """Return the error for offsets (partition -> offset) that the broker does not have."""
    return StateError(
        f"{topic}: the broker does not have the next records (partition: offset {dict(wanted)}): retention removed "
        "them before they were applied, or the topic was truncated. What they would have changed is lost. To go on "
        "without, give the app another SEGUE_APP_ID, or remove its state and start with --from-scratch"
    )
