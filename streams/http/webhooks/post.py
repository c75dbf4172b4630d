"""One endpoint as this process sends to it: how much at once, how fast, and how it is doing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from streams.http.webhooks.attempt import ATTEMPT_S, Outcome
from streams.http.webhooks.schedule import FAILING_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from state.webhooks.endpoints import Disabled, Endpoint
    from state.webhooks.queues import Delivery
    from streams.http.webhooks.attempt import Sender
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.measures import WebhookMeasures

log = logging.getLogger(__name__)

AT_ONCE: Final = 16
"""Attempts under way to one endpoint: one that hangs holds so many, and none of another's."""

_GRACE_S = 1.0


class Slot:
    """The right to one attempt, until it is freed."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        """Hold a slot that was acquired."""
        self._slots: asyncio.Semaphore | None = slots

    def free(self, _: object = None) -> None:
        """Give it back; harmless where it was given back before."""
        if self._slots is not None:
            self._slots.release()
            self._slots = None


class Post:
    """Shared by the endpoint's lanes. `endpoint` is its record as last read; `open` says whether it may be sent to."""

    def __init__(
        self, endpoint: Endpoint, sender: Sender, clock: Clock, measures: WebhookMeasures, share: Callable[[], float]
    ) -> None:
        """`share` returns which part of `max_per_second` is this process's: that of the partitions it owns."""
        self.endpoint = endpoint
        self.open = endpoint.enabled
        self.unsaved = False
        """Whether the record does not say yet how the endpoint is doing."""
        self._sender = sender
        self._clock = clock
        self._measures = measures
        self._share = share
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._next_ms = 0.0
        self._never = asyncio.Event()
        self._failing_since_ms = endpoint.failing_since_ms
        self._disabling: Disabled | None = None

    async def slot(self) -> Slot:
        """Wait until an attempt may begin."""
        await self._slots.acquire()
        slot = Slot(self._slots)
        try:
            await self._pace()
        except BaseException:
            slot.free()
            raise
        return slot

    async def send(self, delivery: Delivery) -> Outcome:
        """Make one attempt."""
        try:
            # the sender keeps the time itself; this holds where it cannot
            async with asyncio.timeout(ATTEMPT_S + _GRACE_S):
                outcome = await self._sender.send(
                    self.endpoint, delivery.id, delivery.body, at_s=self._clock.now_ms() // 1000
                )
        except TimeoutError:
            outcome = Outcome(failure="timeout", seconds=ATTEMPT_S)
        except Exception as error:  # noqa: BLE001 - one that trips the client must not stop a partition
            # the kind alone: the text may hold an address
            log.error("endpoint %s: an attempt went wrong: %s", self.endpoint.id, type(error).__name__)
            outcome = Outcome(failure="broken")
        self._measures.attempted(outcome)
        self._note(outcome)
        return outcome

    def disable(self, why: Disabled) -> None:
        """Send nothing more; the record says so from the next save on."""
        self.open, self._disabling, self.unsaved = False, why, True

    def adopt(self, endpoint: Endpoint) -> None:
        """Go by a newer record."""
        if endpoint.failing_since_ms is None and self.endpoint.failing_since_ms is not None:
            self._failing_since_ms = None  # another process had a success, or somebody enabled it anew
        elif endpoint.failing_since_ms is not None and not self.unsaved:
            self._failing_since_ms = endpoint.failing_since_ms
        self.endpoint = endpoint
        self.open = endpoint.enabled and self._disabling is None

    def edit(self, endpoint: Endpoint) -> Endpoint:
        """Return the record with how the endpoint is doing."""
        since_ms = self._failing_since_ms
        if since_ms is not None and endpoint.failing_since_ms is not None:
            since_ms = endpoint.failing_since_ms
        edited = replace(endpoint, failing_since_ms=since_ms)
        if self._disabling is not None and endpoint.enabled:
            edited = replace(edited, enabled=False, disabled=self._disabling, disabled_ms=self._clock.now_ms())
        return edited

    def saved(self, endpoint: Endpoint) -> None:
        """Go by the record that `edit` made."""
        self.unsaved, self._disabling = False, None
        self.adopt(endpoint)

    def _note(self, outcome: Outcome) -> None:
        if outcome.good:
            if self._failing_since_ms is not None:
                self._failing_since_ms, self.unsaved = None, True
            return
        now_ms = self._clock.now_ms()
        if self._failing_since_ms is None:
            self._failing_since_ms, self.unsaved = now_ms, True
        elif now_ms - self._failing_since_ms >= FAILING_MS and self.open:
            self.disable("failing")

    async def _pace(self) -> None:
        if self.endpoint.max_per_second is None:
            return
        step_ms = 1000 / (self.endpoint.max_per_second * self._share())
        at_ms = max(float(self._clock.now_ms()), self._next_ms)
        self._next_ms = at_ms + step_ms
        while self._clock.now_ms() < at_ms:
            await self._clock.wait(self._never, at_ms)
