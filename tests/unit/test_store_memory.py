"""The store in memory holds every law of a store."""

from __future__ import annotations

import pytest

from state.memory import MemoryStore
from tests.conformance.store import LAWS, Law


@pytest.mark.parametrize("law", [pytest.param(law, id=f"memory:{law.__name__}") for law in LAWS])
async def test_law(law: Law) -> None:
    store = MemoryStore()
    await store.start()
    await law(store)
    await store.close()
