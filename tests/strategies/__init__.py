"""Random definitions and histories, made so that much happens in them, and at the very millisecond where it turns."""

from __future__ import annotations

from tests.strategies.cases import (
    PROPERTY_CASES,
    Case,
    live_cases,
    property_settings,
    replay_cases,
    sample,
    sample_crowd,
    sample_crowded,
    sample_long,
    sample_overtaken,
)
from tests.strategies.definitions import definitions
from tests.strategies.histories import histories
from tests.strategies.shrink import minimize

__all__ = [
    "PROPERTY_CASES",
    "Case",
    "definitions",
    "histories",
    "live_cases",
    "minimize",
    "property_settings",
    "replay_cases",
    "sample",
    "sample_crowd",
    "sample_crowded",
    "sample_long",
    "sample_overtaken",
]
