"""What happened when: a line each on the terminal and in a file, beside the workers' logs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Timeline:
    """Seconds since it began, the wall clock (as in the workers' logs), and what happened."""

    def __init__(self, file: Path) -> None:
        """Begin now."""
        self._began_s = time.monotonic()
        self._file = file

    @property
    def seconds(self) -> float:
        """How long it goes on."""
        return time.monotonic() - self._began_s

    def say(self, what: str) -> None:
        """Note it."""
        wall_s = time.time()
        clock = f"{time.strftime('%H:%M:%S', time.localtime(wall_s))}.{int(wall_s * 1000) % 1000:03}"
        line = f"{self.seconds:9.2f} s  {clock}  {what}"
        print(line, flush=True)  # noqa: T201 - this is what is asked for
        with self._file.open("a") as file:
            file.write(line + "\n")
