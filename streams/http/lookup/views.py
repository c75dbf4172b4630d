"""Views as the worker wrote them, waited for where somebody knows of a newer one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from state.view import decode_view
from streams.http.errors import HttpError

if TYPE_CHECKING:
    from streams.http.lookup.reads import Reads

LONGEST_WAIT_S = 2.0
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.1


async def view_of(reads: Reads, customer: str, seq: int, wait_s: float = LONGEST_WAIT_S) -> bytes | None:
    """Return the customer's view, None where there is none.

    It is waited for until it is at least as new as change number `seq`; after `wait_s` what there is is returned.
    Raises `ServiceError`, and `StateError` where it is no view.
    """
    if not seq:
        return await reads.view(customer)
    loop = asyncio.get_running_loop()
    until, pause_s = loop.time() + wait_s, _FIRST_PAUSE_S
    while True:
        data = await reads.view(customer)
        if data is not None and decode_view(customer, data)["seq"] >= seq:
            return data
        left_s = until - loop.time()
        if left_s <= 0:
            return data
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def unknown_customer() -> HttpError:
    """Return the error of a customer of whom nothing is known."""
    message = "no such customer: no event of theirs has been counted yet; wait_for_seq=1 waits for their first change"
    return HttpError(404, "unknown_customer", message, path="id")
