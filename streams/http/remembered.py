"""What a store last told, kept for when it does not answer; asked anew by one at a time, for all that wait."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from rules.errors import SegueError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_ANSWER_S = 2.0


class Remembered(Generic[T]):
    """`value` is the newest answer, at first the one given."""

    def __init__(self, load: Callable[[], Awaitable[T]], value: T) -> None:
        """Ask nothing yet; `load` raises `SegueError` where the store does not answer."""
        self.value = value
        self._load = load
        self._loading = asyncio.Lock()
        self._begun = self._answered = 0

    async def anew(self) -> bool:
        """Wait for an answer to a question that was asked after this call; return whether there was one."""
        wanted = self._begun + 1
        async with self._loading:
            if self._begun < wanted:
                self._begun += 1
                with contextlib.suppress(SegueError, TimeoutError):
                    async with asyncio.timeout(_ANSWER_S):
                        self.value = await self._load()
                        self._answered = self._begun
        return self._answered >= wanted
