"""What the broker took, or may yet take, of requests that were answered 503.

Their clients send them again whole. What is known here is not sent to the broker a second time.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.http.ingest.outlet import Receipt

KEEP_S = 600.0
MOST = 200_000
"""Events; 50 MB."""


class RetryMemory:
    """Receipts by customer and message id, each for ten minutes; the oldest make room."""

    def __init__(self, most: int = MOST, keep_s: float = KEEP_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet; `clock` gives seconds."""
        self._most = most
        self._keep_s = keep_s
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, Receipt]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, customer: str, message_id: str) -> Receipt | None:
        """Return the receipt of an event that the broker took, or that is still on its way."""
        if not self._kept:
            return None
        self._forget_old()
        found = self._kept.get(_mark(customer, message_id))
        return None if found is None or _failed(found[1]) else found[1]

    def note(self, events: Iterable[tuple[str, str]], receipt: Receipt) -> None:
        """Remember events (customer, message id) under one receipt; one that fails is forgotten."""
        until = self._clock() + self._keep_s
        marks = [_mark(*event) for event in events]
        for mark in marks:
            self._kept[mark] = until, receipt
            self._kept.move_to_end(mark)
        receipt.add_done_callback(partial(self._settle, marks))
        self._forget_old()

    def _settle(self, marks: list[bytes], receipt: Receipt) -> None:
        if _failed(receipt):
            for mark in marks:
                if mark in self._kept and self._kept[mark][1] is receipt:
                    del self._kept[mark]

    def _forget_old(self) -> None:
        now = self._clock()
        while self._kept:
            mark, (until, _) = next(iter(self._kept.items()))
            if until > now and len(self._kept) <= self._most:
                return
            del self._kept[mark]


def _failed(receipt: Receipt) -> bool:
    return receipt.done() and (receipt.cancelled() or receipt.exception() is not None)


def _mark(customer: str, message_id: str) -> bytes:
    # an id may hold any character, so its length stands before it
    text = f"{len(customer)}:{customer}{message_id}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
