"""Random definitions and histories, made so that much happens in them, and at the very millisecond where it turns."""

from __future__ import annotations

from tests.strategies.cases import PROPERTY_CASES, Case, live_cases, property_settings, replay_cases
from tests.strategies.definitions import definitions
from tests.strategies.histories import histories

__all__ = [
    "PROPERTY_CASES",
    "Case",
    "definitions",
    "histories",
    "live_cases",
    "property_settings",
    "replay_cases",
]
