"""The active ruleset as a worker holds it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from rules.load import load_text
from state.memory import MemoryStore
from streams import definitions
from streams.definitions import Definitions
from streams.settings import Settings
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    import pytest

    from rules.ruleset import Ruleset
    from state.engine import Engine


def rules(event: str) -> Ruleset:
    return load_text(f"segments: [{{key: vip, when: {{did: {{event: {event}}}}}}}]")


async def test_the_loop_goes_on_while_a_ruleset_is_made_ready_and_it_is_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A large one takes seconds: the group would take a worker that says nothing meanwhile for dead."""
    store, made, turned = MemoryStore(), list[str](), threading.Event()
    found = await Definitions.begin(store, Settings(), rules("Bought"))
    now = rules("Paid")
    await store.activate(now.version, now.source)
    right = definitions._engine  # noqa: SLF001 - what takes long

    def slow(ruleset: Ruleset, settings: Settings) -> Engine:
        assert turned.wait(PATIENCE_S), "the loop stood still"
        made.append(ruleset.version)
        return right(ruleset, settings)

    monkeypatch.setattr(definitions, "_engine", slow)
    asyncio.get_running_loop().call_later(0.01, turned.set)
    await asyncio.gather(found.refresh(), found.refresh())
    assert made == [now.version]
    assert (found.active.number, found.active.engine.ruleset.version) == (2, now.version)
