"""Where a task waits: the chain of its coroutines, innermost last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_MOST = 30


def whereabouts(task: asyncio.Task[Any]) -> str:
    """Return `hold.py:45 keep, tenure.py:120 run, …`; empty for a task that is done."""
    found: list[str] = []
    waits: Any = task.get_coro()
    while waits is not None and len(found) < _MOST:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is None:
            break
        code = frame.f_code
        found.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}")
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return ", ".join(found)
