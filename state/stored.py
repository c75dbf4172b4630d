"""The fields of a stored profile, as `state.codec` reads them."""

from __future__ import annotations

from typing import Any

import msgspec


class Stored(msgspec.Struct, array_like=True, gc=False):
    """The fields in their order. Levels stay packed: most events change none, and they go out as they came."""

    version: bytes
    clock: Any
    seq: Any
    rev: Any
    ids: Any
    traits: Any
    trait_times: Any
    scores: Any
    levels: msgspec.Raw
    dues: Any
    form: bytes
    slots: Any
    spare: Any
    models: Any
