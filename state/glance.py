"""What a stored profile says without its ruleset: traits and levels, for those who tell others of a customer."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from rules.errors import StateError
from state.codec import BEGINS, unpacked

_decode_levels = msgspec.msgpack.Decoder(dict[str, Any]).decode
_decode = msgspec.msgpack.Decoder(list[Any]).decode
# the places of fields in a profile of an older format, the same in all of them: see `state.codec`
_VERSION, _SEQ, _TRAITS, _LEVELS = 1, 3, 6, 9


class Level(NamedTuple):
    """A segment that the customer is in, its segmentation (None: none), and since when, in UTC milliseconds."""

    segment: str
    segmentation: str | None
    since_ms: int


class Glance(NamedTuple):
    """A part of a profile; `ruleset` is the version that the levels stand under."""

    ruleset: str
    seq: int
    traits: dict[str, Any]
    levels: list[Level]


def glance(customer: str, data: bytes) -> Glance:
    """Return what stored bytes say; raises `StateError` where they are no profile."""
    try:
        if data.startswith(BEGINS):
            stored = unpacked(data)
            levels = [_level(key, level) for key, level in _decode_levels(stored.levels).items()]
            return Glance(stored.version.hex(), stored.seq, stored.traits, levels)
        fields = _decode(data)
        levels = [_level(key, stored) for key, stored in fields[_LEVELS].items()]
        return Glance(fields[_VERSION], fields[_SEQ], fields[_TRAITS], levels)
    except (msgspec.MsgspecError, IndexError, KeyError, AttributeError, TypeError) as error:
        message = f"the stored profile of customer {customer!r} cannot be read ({error}); restore it from a backup"
        raise StateError(message) from error


def _level(key: str, stored: Any) -> Level:
    return Level(stored[0], key, stored[1]) if isinstance(stored, list) else Level(key, None, stored)
