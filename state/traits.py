"""Traits: what `identify` events wrote of a customer, each with the time of its last write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from rules.errors import EventRejected

if TYPE_CHECKING:
    from state.event import Event
    from state.profile import Profile

MOST_TRAITS: Final = 256
MOST_TRAITS_BYTES: Final = 32_768
"""All traits as compact JSON, removed ones as null."""


def written_traits(profile: Profile, event: Event) -> dict[str, Any]:
    """Return the traits that this event writes, None for one that it removes; an older write than the last is none.

    Raises EventRejected where the customer would pass a limit; removed traits count.
    """
    written = {
        name: value
        for name, value in event.body.get("traits", {}).items()
        if event.ts >= profile.trait_times.get(name, event.ts)
    }
    if not written:
        return written
    after = dict.fromkeys(profile.trait_times) | profile.traits | written
    if len(after) > MOST_TRAITS:
        reason = "too_many_traits"
        detail = f"the customer would have {len(after)} traits; at most {MOST_TRAITS} are kept: send fewer"
        raise EventRejected(reason, detail)
    try:
        # Within as many lists as a view or a change wraps around a trait: what passes here can be written there.
        size_bytes = len(orjson.dumps([[[[after]]]])) - 8
    except TypeError:
        reason, detail = "traits_too_large", "a trait is nested too deep (more than some 240 levels); send it flatter"
        raise EventRejected(reason, detail) from None
    if size_bytes > MOST_TRAITS_BYTES:
        reason = "traits_too_large"
        detail = f"the customer's traits would take {size_bytes} bytes; at most {MOST_TRAITS_BYTES} are kept: send less"
        raise EventRejected(reason, detail)
    return written


def write_traits(profile: Profile, written: dict[str, Any], ts: int) -> None:
    """Write traits at an event's time (ms); a removed one keeps its time, so an older write has no effect."""
    profile.trait_times.update(dict.fromkeys(written, ts))
    for name, value in written.items():
        if value is None:
            profile.traits.pop(name, None)
        else:
            profile.traits[name] = value
