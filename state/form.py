"""Which form of the engine runs: the sources themselves, or modules that were compiled from them."""

from __future__ import annotations

from importlib.machinery import EXTENSION_SUFFIXES

import state.engine


def engine_form() -> str:
    """Return "compiled", or "plain Python"."""
    return "compiled" if str(state.engine.__file__).endswith(tuple(EXTENSION_SUFFIXES)) else "plain Python"
