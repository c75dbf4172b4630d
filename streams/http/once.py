"""An answer that many ask for at once and that is worked out once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")


class Once(Generic[T]):
    """What `find` returned, for as long as it is fresh: however many ask, it is called once in `fresh_s`."""

    def __init__(self, find: Callable[[], Awaitable[T]], fresh_s: float) -> None:
        """Call nothing yet."""
        self._find = find
        self._fresh_s = fresh_s
        self._lock = asyncio.Lock()
        self._found: tuple[float, T] | None = None

    async def get(self) -> T:
        """Return it."""
        async with self._lock:
            if self._found is None or time.monotonic() - self._found[0] > self._fresh_s:
                self._found = time.monotonic(), await self._find()
            return self._found[1]
