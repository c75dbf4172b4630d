"""Who is in a segment, a page at a time: a scan over the views, bounded in what one page costs.

There is no list of a segment's customers: it would be a write to Redis for each change, for a question that is asked
rarely. The scan is Redis's own, so a customer may come twice while keys come and go, and none is left out who was in
all the while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import orjson

from rules.errors import SegueError
from rules.wording import nearest, shown
from streams.explain import meant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from state.store import Store
    from streams.explain import Named

_KEYS_A_STEP = 1_000
_STEPS_A_PAGE = 20
_MOST_WAITING_BYTES = 1_500  # a cursor is part of a URL
_MEMBERS_A_PAGE = 1_000


class UnknownSegment(SegueError):
    """A key means no segment, or several."""


class Member(NamedTuple):
    """A customer who is in: since when (RFC 3339), and the traits that their view shows."""

    customer_id: str
    since: str
    traits: dict[str, Any]


class Cursor(NamedTuple):
    """Where the next page begins: `scan` as Redis counts, None at its end, and who was found and did not fit."""

    scan: int | None
    waiting: tuple[str, ...] = ()


BEGIN = Cursor(0)


class Page(NamedTuple):
    """Some who are in; `following` is None where the scan has come round."""

    members: Sequence[Member]
    following: Cursor | None


def one_meant(segments: Sequence[Named], key: str) -> Named:
    """Return the one segment that a key means; raises `UnknownSegment` where there is none, or several."""
    found = meant(segments, key)
    if len(found) == 1:
        return found[0]
    if found:
        message = f"{shown(key)} means several segments: ask for one of {', '.join(one.name for one in found[:10])}"
    else:
        near = nearest(key, list(dict.fromkeys(word for one in segments for word in (one.name, one.segment))))
        message = f"no segment has the key {shown(key)}" + (f"; did you mean {near}?" if near else "")
    raise UnknownSegment(message)


async def members_of(store: Store, one: Named) -> AsyncIterator[Member]:
    """Yield all who are in a segment, some of them twice; raises `ServiceError`."""
    members = Members(store, one.segment, one.segmentation)
    cursor: Cursor | None = BEGIN
    while cursor is not None:
        page = await members.page(cursor, _MEMBERS_A_PAGE)
        for member in page.members:
            yield member
        cursor = page.following


class _In(msgspec.Struct, gc=False):
    key: str
    since: str


class _View(msgspec.Struct, gc=False):
    customer_id: str
    segments: list[_In]
    segmentations: dict[str, _In]
    traits: dict[str, Any] = {}


_view = msgspec.json.Decoder(_View).decode


class Members:
    """Those of one segment."""

    def __init__(self, store: Store, segment: str, segmentation: str | None) -> None:
        """Ask nothing yet."""
        self._store = store
        self._segment = segment
        self._segmentation = segmentation
        self._sign = b'"key":%b' % orjson.dumps(segment)  # a view without it need not be read

    async def page(self, cursor: Cursor, limit: int) -> Page:
        """Return up to `limit` of them, and where to go on; raises `ServiceError`.

        A page costs a bounded amount of work, so it may hold few or none though more follow.
        """
        members: dict[str, Member] = await self._among(cursor.waiting[:limit])
        scan, waiting, step = cursor.scan, cursor.waiting[limit:], _KEYS_A_STEP
        for _ in range(_STEPS_A_PAGE):
            if scan is None or waiting or len(members) >= limit:
                break
            following, ids = await self._store.viewed(scan, step)
            found = await self._among(customer for customer in ids if customer not in members)
            waiting = tuple(found)[limit - len(members) :]
            if len("".join(waiting).encode()) > _MOST_WAITING_BYTES and (step > 1 or members):
                if step == 1:
                    return Page(list(members.values()), Cursor(scan))
                # the same place again, more closely: what a step brings and has no room must not be lost
                step, waiting = max(1, step // 4), ()
                continue
            members.update((customer, found[customer]) for customer in list(found)[: limit - len(members)])
            scan = following or None
        end = scan is None and not waiting
        return Page(list(members.values()), None if end else Cursor(scan, waiting))

    async def _among(self, customers: Iterable[str]) -> dict[str, Member]:
        """Return those of these customers who are in."""
        asked = list(dict.fromkeys(customers))
        found = {}
        for customer, data in zip(asked, await self._store.views(asked) if asked else (), strict=True):
            if data is not None and self._sign in data and (member := self._member(data)) is not None:
                found[customer] = member
        return found

    def _member(self, data: bytes) -> Member | None:
        try:
            view = _view(data)
        except msgspec.MsgspecError:
            return None  # what no worker wrote
        levels = view.segments if self._segmentation is None else [view.segmentations.get(self._segmentation)]
        for level in levels:
            if level is not None and level.key == self._segment:
                return Member(view.customer_id, level.since, view.traits)
        return None
