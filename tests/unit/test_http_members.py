"""Who is in a segment: pages of a scan, whatever the scan does; cursors, whatever is sent as one."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.load import load_text
from state.memory import MemoryStore
from state.view import encode_view
from streams.explain import Named
from streams.http.errors import HttpError
from streams.http.lookup.members import read_cursor, write_cursor
from streams.members import BEGIN, Cursor, Members, UnknownSegment, one_meant
from tests.conformance.store import STRANGE_IDS
from tests.unit.http_fakes import is_flat
from tests.unit.test_http_lookup import asked

if TYPE_CHECKING:
    from collections.abc import Iterable

SINCE = "2026-03-01T12:00:00.000Z"
RULES = load_text("""\
segments:
  - {key: vip, when: {did: {event: Bought}}}
  - {key: gold, when: {did: {event: Bought, times: {gte: 9}}}}
segmentations:
  - {key: tier, segments: [gold], otherwise: plain}
""")


def view_of(customer: str, *own: str, **sets: str) -> tuple[int, bytes]:
    """Return a view of a customer who is in these segments."""
    return encode_view(
        {
            "rev": 1,
            "customer_id": customer,
            "segments": [{"key": key, "name": key, "since": SINCE} for key in own],
            "segmentations": {owner: {"key": key, "name": key, "since": SINCE} for owner, key in sets.items()},
            "traits": {"email": f"{customer}@shop.example"},
        }
    )


class Restless(MemoryStore):
    """Scans as Redis does: in the order of a hash, in slots of any size, some twice; while it goes on, others come."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.scans = 0

    async def viewed(self, cursor: int, limit: int) -> tuple[int, list[str]]:
        self.scans += 1
        if self.draw.random() < 0.3:
            await self.write_views({f"new{self.scans}": view_of(f"new{self.scans}", "vip")})
        # a resize moves no one to before a cursor, but a slot may then hold more, or fewer
        slots = sorted((zlib.crc32(customer.encode()) % 997 + 1, customer) for customer in self._views)
        following = min(998, cursor + self.draw.randint(1, max(1, limit)))
        found = [customer for slot, customer in slots if cursor < slot <= following]
        found += self.draw.sample(found, min(len(found), self.draw.randint(0, 2)))
        return (0 if following == 998 else following), found


async def all_of(members: Members, limit: int) -> tuple[list[str], int]:
    """Return who was found on all pages, and how many pages there were."""
    found: list[str] = []
    cursor: Cursor | None = BEGIN
    pages = 0
    while cursor is not None:
        page = await members.page(cursor, limit)
        assert len(page.members) <= limit
        ids = [member.customer_id for member in page.members]
        assert len(set(ids)) == len(ids)
        found += ids
        cursor, pages = page.following, pages + 1
    return found, pages


@pytest.mark.parametrize("limit", [1, 7, 100, 1_000])
@pytest.mark.parametrize("seed", range(3))
async def test_nobody_who_stays_is_left_out(seed: int, limit: int) -> None:
    store = Restless(seed)
    inside = {f"c{number}" for number in range(400)} | set(STRANGE_IDS)
    await store.write_views({customer: view_of(customer, "vip", tier="plain") for customer in inside})
    await store.write_views({f"o{number}": view_of(f"o{number}", "other", tier="gold") for number in range(300)})
    found, _ = await all_of(Members(store, "vip", None), limit)
    assert inside <= set(found)
    assert not any(customer.startswith("o") for customer in found)
    found, _ = await all_of(Members(store, "gold", "tier"), limit)
    assert set(found) == {f"o{number}" for number in range(300)}
    assert (await all_of(Members(store, "gold", None), limit))[0] == []
    assert (await all_of(Members(store, "plain", "rank"), limit))[0] == []


async def test_a_page_costs_a_bounded_amount_of_work_though_nobody_is_in() -> None:
    store = Restless(1)
    await store.write_views({f"o{number}": view_of(f"o{number}", "other") for number in range(100)})
    store.viewed = _slot_by_slot(store)  # type: ignore[method-assign]  # the largest store there is
    page = await Members(store, "vip", None).page(BEGIN, 100)
    assert page.members == []
    assert page.following is not None
    assert store.scans <= 20


def _slot_by_slot(store: Restless) -> Any:
    async def viewed(cursor: int, limit: int) -> tuple[int, list[str]]:
        store.scans += 1
        return cursor + limit, ["o1"]

    return viewed


async def test_a_member_has_since_and_traits_and_what_is_no_view_is_passed_over() -> None:
    store = MemoryStore()
    await store.write_views({"c1": view_of("c1", "vip"), "odd": (1, b'{"key":"vip"}'), "odder": (1, b'["key":"vip"')})
    page = await Members(store, "vip", None).page(BEGIN, 10)
    assert [member._asdict() for member in page.members] == [
        {"customer_id": "c1", "since": SINCE, "traits": {"email": "c1@shop.example"}}
    ]
    assert page.following is None


async def test_who_waited_and_left_meanwhile_is_not_shown() -> None:
    store = MemoryStore()
    await store.write_views({f"c{number}": view_of(f"c{number}", "vip") for number in range(5)})
    page = await Members(store, "vip", None).page(BEGIN, 2)
    assert page.following == Cursor(None, ("c2", "c3", "c4"))
    await store.write_views({"c3": view_of("c3", "other")})
    page = await Members(store, "vip", None).page(page.following, 5)
    assert [member.customer_id for member in page.members] == ["c2", "c4"]
    assert page.following is None


@given(
    st.none() | st.integers(0, 2**64 - 1),
    st.lists(st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()), max_size=5),
)
def test_a_cursor_comes_back_as_it_went(scan: int | None, waiting: list[str]) -> None:
    cursor = Cursor(scan, tuple(waiting))
    text = write_cursor(cursor, "tier.gold")
    assert read_cursor(text, "tier.gold") == cursor
    with pytest.raises(HttpError, match="bad_cursor"):
        read_cursor(text, "tier.plain")


@given(st.text() | st.binary(max_size=30).map(lambda data: data.hex()))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(HttpError, match="bad_cursor"):
        read_cursor(text, "vip")


def names(keys: Iterable[str]) -> list[Named]:
    return [Named(0, key.rpartition(".")[2], key.rpartition(".")[0] or None, key) for key in keys]


def test_a_key_means_one_segment_or_none() -> None:
    segments = names(["vip", "tier.gold", "tier.plain", "rank.gold"])
    assert one_meant(segments, "vip").name == "vip"
    assert one_meant(segments, "rank.gold").name == "rank.gold"
    assert one_meant(segments, "plain").name == "tier.plain"
    for key, says in (
        ("gold", "tier.gold, rank.gold"),
        ("tier", "tier.gold, tier.plain"),
        ("vipp", "did you mean vip"),
    ):
        with pytest.raises(UnknownSegment, match=says):
            one_meant(segments, key)


async def test_the_route_pages_and_refuses_what_is_not_asked_rightly() -> None:
    store = MemoryStore()
    await store.activate(RULES.version, RULES.source)
    await store.write_views({f"c{number}": view_of(f"c{number}", "vip", tier="plain") for number in range(5)})
    async with asked(store) as client:
        first = (await client.get("/v1/segments/vip/customers?limit=3")).json()
        assert (first["segment"], first["segmentation"], len(first["customers"])) == ("vip", None, 3)
        assert first["as_of"].endswith("Z")
        second = (await client.get("/v1/segments/vip/customers", params={"cursor": first["next_cursor"]})).json()
        assert second["next_cursor"] is None
        found = [member["customer_id"] for member in first["customers"] + second["customers"]]
        assert sorted(found) == [f"c{number}" for number in range(5)]
        plain = (await client.get("/v1/segments/tier.plain/customers")).json()
        assert (plain["segment"], plain["segmentation"], len(plain["customers"])) == ("plain", "tier", 5)
        again = {"cursor": first["next_cursor"]}
        is_flat(await client.get("/v1/segments/tier.plain/customers", params=again), 400, "bad_cursor")
        is_flat(await client.get("/v1/segments/vip/customers?cursor=x"), 400, "bad_cursor")
        for limit in ("0", "1001", "all"):
            is_flat(await client.get(f"/v1/segments/vip/customers?limit={limit}"), 422, "invalid")
        content = is_flat(await client.get("/v1/segments/vpi/customers"), 404, "unknown_segment")
        assert content["path"] == "key"
        is_flat(await client.get("/v1/segments/tier/customers"), 404, "unknown_segment")
