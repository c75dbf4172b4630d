"""A process that cannot end by itself is ended; one that merely takes its time is not."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING

from streams import pulse
from streams.pulse import EXIT_CODE, Pulse
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    import pytest


class Process:
    """Stands for the one that would be ended."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.ended = threading.Event()

    def end(self, code: int) -> None:
        self.code = code
        self.ended.set()


def test_a_loop_that_stands_still(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    with caplog.at_level(logging.CRITICAL), Pulse(lambda: 7, 3, end=process.end, tick_s=0.001):
        assert process.ended.wait(PATIENCE_S)
    assert process.code == EXIT_CODE
    assert "test_a_loop_that_stands_still" in caplog.messages[0], "where it stands"
    assert caplog.messages[-1].startswith("the event loop stood still for 4 s")


def test_a_loop_that_turns() -> None:
    process, beats, looked = Process(), itertools.count(), threading.Event()

    def beat() -> int:
        beat = next(beats)
        if beat > 100:
            looked.set()
        return beat // 3  # slower than it is looked at

    with Pulse(beat, 3, end=process.end, tick_s=0.001):
        assert looked.wait(PATIENCE_S)
    assert process.code is None


def test_an_end_that_does_not_come(caplog: pytest.LogCaptureFixture) -> None:
    process, beats = Process(), itertools.count()
    with caplog.at_level(logging.CRITICAL), Pulse(lambda: next(beats), 3, end=process.end, tick_s=0.001) as watched:
        watched.ending("customer-events/3: nothing was done")
        assert process.ended.wait(PATIENCE_S)
    assert process.code == EXIT_CODE
    assert next(beats) > pulse.END_S
    assert caplog.messages[-1] == "customer-events/3: nothing was done (and it did not come to its end within 30 s)"


def test_an_end_that_comes_in_time() -> None:
    process, beats = Process(), itertools.count()
    with Pulse(lambda: next(beats), 3, end=process.end, tick_s=0.01) as watched:
        watched.ending("over")
    assert process.code is None
