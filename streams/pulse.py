"""The last resort: ends a process whose event loop stands still, or which does not come to its end.

Whoever watches partitions runs in the event loop, and ends the worker in an orderly way. Neither works where something
keeps the loop to itself, or swallows its cancellation. So a thread looks on from outside.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

log = logging.getLogger(__name__)

EXIT_CODE = 70
"""What such a process ends with, as sysexits.h has it for an internal error."""

END_S = 30
"""For so long a worker that failed, or was asked to stop, may finish what is under way."""

_WORDS_S = 2.0
_MOST_FRAMES = 40


class Pulse(contextlib.AbstractContextManager["Pulse"]):
    """Watches the loop of the thread that enters it, for as long as the context lasts.

    It counts its own seconds, so one in which the whole process did not run (SIGSTOP, a suspended machine) is none.
    """

    def __init__(
        self,
        beats: Callable[[], int],
        stall_s: float,
        *,
        end_s: float = END_S,
        end: Callable[[int], object] = os._exit,
        tick_s: float = 1.0,
    ) -> None:
        """Watch nothing yet.

        Parameters
        ----------
        beats
            Returns a number that grows about each second.
        stall_s
            For how long it may stand still.
        end_s
            For how long the process may go on once it is `ending`.
        end, tick_s
            What is called with the exit code, and the length of a second: other ones are for tests.
        """
        self._beats = beats
        self._stall_s = stall_s
        self._end_s = end_s
        self._end = end
        self._tick_s = tick_s
        self._thread_id = 0
        self._over = threading.Event()
        self._ending: str | None = None
        self._thread = threading.Thread(target=self._watch, name="pulse", daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread_id = threading.get_ident()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no more: the process came to its end."""
        self._over.set()
        self._thread.join(_WORDS_S)

    def ending(self, why: str) -> None:
        """Give the process `end_s` from now on to come to its end."""
        self._ending = self._ending or why

    def _watch(self) -> None:
        seen, still_s, ending_s = -1, 0, 0
        while not self._over.wait(self._tick_s):
            now = self._beats()
            still_s = 0 if now != seen else still_s + 1
            seen = now
            if self._ending is not None:
                ending_s += 1
                if ending_s > self._end_s:
                    self._end_with(f"{self._ending} (and it did not come to its end within {self._end_s:g} s)")
                    return
            elif still_s > self._stall_s:
                self._end_with(
                    f"the event loop stood still for {still_s} s: something keeps it to itself; the trace above says "
                    "what. The process ends, so that whatever supervises it starts it again"
                )
                return

    def _end_with(self, message: str) -> None:
        """Say so, and end at once, whether it could be said or not: the log may be what hangs."""
        words = threading.Thread(target=self._say, args=(message,), daemon=True)
        words.start()
        words.join(_WORDS_S)
        self._end(EXIT_CODE)

    def _say(self, message: str) -> None:
        frame = sys._current_frames().get(self._thread_id)  # noqa: SLF001 - the one way to see another thread
        if frame is not None:
            log.critical("the loop's thread is at\n%s", "".join(traceback.format_stack(frame)[-_MOST_FRAMES:]))
        log.critical("%s", message)
