"""Which segments an endpoint names that there are none of."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING

from rules.load import load_text
from rules.models.unit import ClusterUnit
from state.engine import Engine
from state.webhooks.endpoints import ALL_SEGMENTS
from streams.explain import segments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.store import Store
    from streams.settings import Settings


class Names:
    """What the active ruleset calls its segments."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Ask nothing yet."""
        self._store = store
        self._settings = settings
        self._known: tuple[str, frozenset[str], frozenset[str]] | None = None

    async def warnings(self, segments: Sequence[str]) -> list[str]:
        """Return a sentence for each name that is none; none at all while no ruleset is active.

        They are no errors: the ruleset that has them may be applied later. Raises `ServiceError`.
        """
        stored = await self._store.active_ruleset()
        if stored is None:
            return []
        if self._known is None or self._known[0] != stored.version:
            found = await asyncio.to_thread(_names, stored.source, stored.version, self._settings.max_late)
            self._known = stored.version, *found
        _, names, open_ones = self._known
        wrong = [
            name
            for name in segments
            if name != ALL_SEGMENTS and name not in names and name.partition(".")[0] not in open_ones
        ]
        return [_sentence(name, sorted(names)) for name in wrong]


def _names(source: str, version: str, max_late_ms: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return what a ruleset's segments and segmentations may be called, and those that get segments as they learn."""
    engine = Engine(load_text(source, f"ruleset {version}", json=True), max_late_ms=max_late_ms)
    names: set[str] = set()
    for one in segments_of(engine):
        names |= {one.name, one.segment} | ({one.segmentation} if one.segmentation is not None else set())
    open_ones = frozenset(unit.key for unit in engine.units if isinstance(unit, ClusterUnit))
    return frozenset(names | open_ones), open_ones


def _sentence(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"the active ruleset has no segment {name!r}: nothing is sent of it until one has{meant}"
