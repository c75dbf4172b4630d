"""The active ruleset: which one it is, made ready to evaluate, and noticed when `segue apply` moves it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from rules.errors import DefinitionError, ServiceError, UnknownFormat
from rules.load import load_text
from state.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.ruleset import Ruleset
    from state.store import ActiveRuleset, Store
    from streams.settings import Settings

log = logging.getLogger(__name__)


class Active(NamedTuple):
    """The number under which commits are made, and what they are computed with."""

    number: int
    engine: Engine


class Definitions:
    """What the store says is active, as of the last look; `changed` holds whom to tell when it moves."""

    def __init__(self, store: Store, settings: Settings, active: Active) -> None:
        """Use `begin`."""
        self._store = store
        self._settings = settings
        self.active = active
        self.changed: set[Callable[[], None]] = set()
        self._lock = asyncio.Lock()

    @classmethod
    async def begin(cls, store: Store, settings: Settings, ruleset: Ruleset) -> Definitions:
        """Make the ruleset active where none is; where another one is, take that and warn.

        Raises `ServiceError`, and `UnknownFormat` where this version cannot read the active one.
        """
        stored = await store.activate(ruleset.version, ruleset.source, only_first=True)
        if stored.version != ruleset.version:
            log.warning("the active ruleset is %s, not %s: `segue apply` moves it", stored.version, ruleset.version)
            ruleset = read_active(stored)
        return cls(store, settings, Active(stored.number, _engine(ruleset, settings)))

    async def refresh(self) -> None:
        """Look again; raises as `begin`."""
        stored = await self._store.active_ruleset()
        if stored is None or stored.number <= self.active.number:
            return
        async with self._lock:
            if stored.number <= self.active.number:  # another look made it ready meanwhile
                return
            # a large one takes seconds, in which the loop's heartbeats and other partitions go on
            engine = await asyncio.to_thread(lambda: _engine(read_active(stored), self._settings))
            self.active = Active(stored.number, engine)
        log.info("ruleset %s (number %d) is active now", stored.version, stored.number)
        for tell in tuple(self.changed):
            tell()

    async def watch(self) -> None:
        """Look again and again; raises `UnknownFormat` as `begin`. A store that is away is asked again."""
        while True:
            await asyncio.sleep(self._settings.rules_poll / 1000)
            try:
                await self.refresh()
            except ServiceError as error:
                log.warning("cannot ask for the active ruleset: %s", error)


def read_active(stored: ActiveRuleset) -> Ruleset:
    """Return the ruleset that the store holds; raises `UnknownFormat` where this version cannot read it."""
    try:
        return load_text(stored.source, f"ruleset {stored.version}", json=True)
    except DefinitionError as error:
        message = (
            f"this version of segue cannot read the active ruleset {stored.version}, number {stored.number} "
            f"({error.problems[0]}): another version applied it. Run that one, or `segue apply` definitions that this "
            "one reads"
        )
        raise UnknownFormat(message) from error


def _engine(ruleset: Ruleset, settings: Settings) -> Engine:
    return Engine(ruleset, max_late_ms=settings.max_late, view_traits=settings.view_traits)
