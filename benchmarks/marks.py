"""Marks: what a measured process says of itself, one JSON line each on its standard output."""

from __future__ import annotations

import os
import time
from typing import Literal

import msgspec


class Mark(msgspec.Struct, frozen=True):
    """At `at_s` (monotonic, the same clock in every process) `events` were done and `cpu_s` used by the process."""

    name: Literal["ready", "begin", "end"]
    events: int
    at_s: float
    cpu_s: float

    @classmethod
    def take(cls, name: Literal["ready", "begin", "end"], events: int) -> None:
        """Print a mark of this moment."""
        mark = cls(name, events, time.monotonic(), time.process_time())
        os.write(1, msgspec.json.encode(mark) + b"\n")  # Faust puts a logger in the place of sys.stdout
