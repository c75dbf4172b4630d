"""Python's cycle collector, told what a worker's heap is like.

By default it looks for cycles whenever 700 containers more were made than freed. A chunk makes tens of thousands, all
of which go at its end without a cycle among them, and now and then it walks every profile in memory as well: a fifth
of a worker's CPU, and pauses of 170 ms at 20,000 profiles. Looked for more rarely, cycles cost a hundredth of that.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTAINERS = 100_000
"""So many more are made than freed before the youngest are searched: some 20 MB, were all of them waste."""

ROUNDS = 20
"""So many searches of one generation before the next older one is searched, too."""


@contextlib.contextmanager
def calm_collector() -> Iterator[None]:
    """Search rarely for as long as the context lasts."""
    before = gc.get_threshold()
    gc.set_threshold(CONTAINERS, ROUNDS, ROUNDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
