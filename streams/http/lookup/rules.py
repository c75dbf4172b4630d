"""The active ruleset, compiled when it is asked about."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from state.engine import Engine
from streams.definitions import read_active
from streams.http.errors import later

if TYPE_CHECKING:
    from state.store import ActiveRuleset, Store
    from streams.settings import Settings


class Compiled(NamedTuple):
    """The record in the store, and what it compiles to."""

    stored: ActiveRuleset
    engine: Engine


class ActiveRules:
    """What is active, as the store says it each time; compiled once."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Ask nothing yet."""
        self._store = store
        self._settings = settings
        self._known: Compiled | None = None

    async def get(self) -> Compiled:
        """Return it; raises `HttpError` (503) where none is active, and `ServiceError`."""
        stored = await self._store.active_ruleset()
        if stored is None:
            raise later(503, "no_ruleset", "no ruleset is active yet: a worker's start makes one so, or `segue apply`")
        known = self._known
        if known is None or known.stored != stored:
            known = self._known = await asyncio.to_thread(self._compile, stored)
        return known

    def _compile(self, stored: ActiveRuleset) -> Compiled:
        ruleset = read_active(stored)
        return Compiled(stored, Engine(ruleset, max_late_ms=self._settings.max_late))
