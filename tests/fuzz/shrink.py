"""A failing world made small: records are left out, then pieces of those that remain, as long as it still fails."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fuzz.worlds import Sent

T = TypeVar("T")


def smallest(world: Sequence[Sent], fails: Callable[[Sequence[Sent]], bool]) -> list[Sent]:
    """Return the least world found that still fails."""
    least = _without(list(world), fails)
    for place, sent in enumerate(least):
        if sent.value is None:
            continue
        pieces = [bytes((byte,)) for byte in sent.value]
        least[place] = _with(sent, _without(pieces, partial(_still, least, place, fails)))
    return least


def _still(world: list[Sent], place: int, fails: Callable[[Sequence[Sent]], bool], pieces: list[bytes]) -> bool:
    return fails([*world[:place], _with(world[place], pieces), *world[place + 1 :]])


def _with(sent: Sent, pieces: list[bytes]) -> Sent:
    return replace(sent, value=b"".join(pieces))


def _without(parts: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Return what is left when no half, quarter … of the parts can be left out any more."""
    size = max(1, len(parts) // 2)
    while True:
        at = 0
        while at < len(parts):
            fewer = parts[:at] + parts[at + size :]
            if fails(fewer):
                parts = fewer
            else:
                at += size
        if size == 1:
            return parts
        size //= 2
