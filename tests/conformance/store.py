# ruff: noqa: D401, S106 - a law is a statement, no command; the token of a commit is no secret
"""The laws that every store holds, whatever it keeps its data in.

Each law is a function that takes an empty, started store. `tests/unit/test_store_memory.py` and
`tests/integration/test_store_redis.py` run all of them, as `memory:law` and `redis:law`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import Fenced
from state.store import NO_OFFSET, ActiveRuleset, Backlog, Commit, Head, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

Law = Callable[[Store], Awaitable[None]]

LAWS: list[Law] = []

STRANGE_IDS = [
    "c42",
    "a:b",
    "{7}",
    "}{",
    "*?[x]\\^-",
    "\x00",
    "line\nfeed",
    " ",
    "é",
    "日本",
    "🦊",
    "%s",
    "x" * 256,
    "{8}:c:y",
]


def law(function: Law) -> Law:
    """Add a law to the matrix."""
    LAWS.append(function)
    return function


class Tenure:
    """An owner of a partition, as short as a law wants to write it."""

    def __init__(self, store: Store, head: Head, partition: int) -> None:
        """Begin from the head that `take_over` returned."""
        self.store = store
        self.partition = partition
        self.epoch = head.epoch
        self.number = head.number
        self.offset = head.offset

    def next(self, **parts: Any) -> Commit:
        """Return a commit that fits after the last one; `parts` overrides what it says."""
        fitting: dict[str, Any] = {
            "partition": self.partition,
            "epoch": self.epoch,
            "number": self.number + 1,
            "token": f"{self.epoch}.{self.number + 1}",
            "ruleset": 1,
            "from_offset": self.offset,
            "next_offset": self.offset + 10,
        }
        return Commit(**{**fitting, **parts})

    async def commit(self, **parts: Any) -> Commit:
        """Commit and go on from there."""
        commit = self.next(**parts)
        await self.store.commit(commit)
        self.number, self.offset = commit.number, commit.next_offset
        return commit


async def take_over(store: Store, partition: int = 7) -> Tenure:
    """Take the partition over."""
    return Tenure(store, await store.take_over(partition), partition)


async def everything(store: Store, partition: int = 7) -> Mapping[str, Any]:
    """Return all that the store tells of a partition, to compare before with after."""
    customers = sorted(await all_customers(store, partition))
    return {
        "head": await store.head(partition),
        "profiles": dict(zip(customers, await store.load(partition, customers), strict=True)),
        "due": await store.due(partition, 2**53, 10_000),
        "outbox": await store.outbox(partition),
        "sizes": await store.sizes([partition]),
        "views": sorted(await store.pending_views(partition)),
    }


async def all_customers(store: Store, partition: int, limit: int = 100) -> set[str]:
    """Scan to the end."""
    found: set[str] = set()
    cursor = 0
    while True:
        cursor, some = await store.customers(partition, cursor, limit)
        found.update(some)
        if cursor == 0:
            return found


async def refused(tenure: Tenure, **parts: Any) -> None:
    """Assert that a commit with these parts is fenced off and changes nothing."""
    whole = {
        "profiles": {"intruder": b"x"},
        "due": {"intruder": 1, "c1": None},
        "sizes": {"vip": 5},
        "outbox": [b"intruder"],
        "views": ["intruder"],
        "viewed": ["c1"],
        "marker": 99,
        "topics": {"t": "intruder"},
        "forms": {"f0": b"intruder"},
    }
    before = await everything(tenure.store, tenure.partition)
    with pytest.raises(Fenced):
        await tenure.store.commit(tenure.next(**{**whole, **parts}))
    assert await everything(tenure.store, tenure.partition) == before


async def with_content(store: Store) -> Tenure:
    """Return a tenure whose partition has something of everything."""
    tenure = await take_over(store)
    await tenure.commit(
        profiles={"c1": b"1", "c2": b"2"},
        due={"c1": 100, "c2": 200},
        sizes={"vip": 2, "new": 1},
        outbox=[b"first", b"second"],
        views=["c1", "c2"],
        marker=5,
        topics={"customer-events": "id-1"},
        next_offset=10,
    )
    return tenure


@law
async def knows_nothing_at_first(store: Store) -> None:
    """An empty store answers every question with nothing, and asking changes nothing."""
    assert await store.head(7) == Head()
    assert await store.load(7, ["c1"]) == [None]
    assert await store.load(7, []) == []
    assert await store.due(7, 2**53, 10) == []
    assert await store.outbox(7) == []
    assert await store.pending_views(7) == []
    assert await store.view("c1") is None
    assert await store.sizes([7, 8]) == {}
    assert await all_customers(store, 7) == set()
    assert await store.active_ruleset() is None
    assert await store.head(7) == Head()


@law
async def takes_over_by_raising_the_epoch(store: Store) -> None:
    """Each take-over raises the epoch of its partition by one and leaves all else as it is."""
    tenure = await with_content(store)
    before = await store.head(7)
    head = await store.take_over(7)
    assert head.epoch == tenure.epoch + 1
    assert head == Head(head.epoch, 1, "1.1", 1, 10, 5, {"customer-events": "id-1"})
    assert head.number == before.number
    assert await store.head(7) == head
    assert (await store.head(8)).epoch == 0


@law
async def commits_everything_together(store: Store) -> None:
    """After a commit, each of its parts can be read."""
    await with_content(store)
    assert await everything(store) == {
        "head": Head(1, 1, "1.1", 1, 10, 5, {"customer-events": "id-1"}),
        "profiles": {"c1": b"1", "c2": b"2"},
        "due": [("c1", 100), ("c2", 200)],
        "outbox": [b"first", b"second"],
        "sizes": {"vip": 2, "new": 1},
        "views": ["c1", "c2"],
    }


@law
async def keeps_what_a_commit_does_not_name(store: Store) -> None:
    """A commit that names nothing moves the number and the offset only."""
    tenure = await with_content(store)
    before = await everything(store)
    await tenure.commit()
    after = await everything(store)
    assert after["head"] == Head(1, 2, "1.2", 1, 20, 5, {"customer-events": "id-1"})
    assert {**after, "head": None} == {**before, "head": None}


@law
async def keeps_partitions_apart(store: Store) -> None:
    """What is committed to one partition is seen in no other."""
    await with_content(store)
    other = await take_over(store, 8)
    await other.commit(profiles={"c1": b"other"}, sizes={"vip": 1}, due={"c1": 1}, outbox=[b"o"], views=["c9"])
    assert await store.load(7, ["c1"]) == [b"1"]
    assert await store.load(8, ["c1", "c2"]) == [b"other", None]
    assert await store.outbox(7) == [b"first", b"second"]
    assert await store.due(8, 10, 10) == [("c1", 1)]
    assert await all_customers(store, 8) == {"c1"}


@law
async def replaces_profiles_whole(store: Store) -> None:
    """The last committed bytes of a profile are the ones that are loaded, in the order asked."""
    tenure = await with_content(store)
    await tenure.commit(profiles={"c2": bytes(range(256)), "c3": b""})
    assert await store.load(7, ["c3", "none", "c2", "c1", "c2"]) == [
        b"",
        None,
        bytes(range(256)),
        b"1",
        bytes(range(256)),
    ]


@law
async def commits_thousands_at_once(store: Store) -> None:
    """A commit may be far larger than what fits on a script's stack."""
    ids = [f"c{index:05}" for index in range(9_001)]
    tenure = await take_over(store)
    await tenure.commit(
        profiles={customer: customer.encode() for customer in ids},
        due={customer: index for index, customer in enumerate(ids)},
        sizes=dict.fromkeys(ids, 1),
        outbox=[customer.encode() for customer in ids],
        views=ids,
    )
    assert await store.load(7, ids) == [customer.encode() for customer in ids]
    assert await store.due(7, 2**53, 10_000) == [(customer, index) for index, customer in enumerate(ids)]
    assert await store.outbox(7) == [customer.encode() for customer in ids]
    assert sorted(await store.pending_views(7)) == ids
    await tenure.commit(due=dict.fromkeys(ids[1:]), sizes=dict.fromkeys(ids[1:], -1), viewed=ids[1:], published=9_000)
    assert await store.due(7, 2**53, 10) == [(ids[0], 0)]
    assert await store.sizes([7]) == {ids[0]: 1}
    assert await store.outbox(7) == [ids[-1].encode()]
    assert await store.pending_views(7) == [ids[0]]


@law
async def takes_any_id(store: Store) -> None:
    """A customer id may hold any character: colons, braces, NUL, line feeds, globs, 256 bytes."""
    tenure = await take_over(store)
    await tenure.commit(
        profiles={customer: customer.encode() for customer in STRANGE_IDS},
        due=dict.fromkeys(STRANGE_IDS, 5),
        sizes=dict.fromkeys(STRANGE_IDS, 3),
        views=STRANGE_IDS,
    )
    await store.write_views(dict.fromkeys(STRANGE_IDS, (1, b'{"rev":1}')))
    assert await store.load(7, STRANGE_IDS) == [customer.encode() for customer in STRANGE_IDS]
    assert await store.due(7, 6, 100) == [(customer, 5) for customer in sorted(STRANGE_IDS)]
    assert await store.sizes([7]) == dict.fromkeys(STRANGE_IDS, 3)
    assert sorted(await store.pending_views(7)) == sorted(STRANGE_IDS)
    assert await all_customers(store, 7) == set(STRANGE_IDS)
    assert [await store.view(customer) for customer in STRANGE_IDS] == [b'{"rev":1}'] * len(STRANGE_IDS)
    assert await store.views(["c42", "unknown", "🦊", "c42"]) == [b'{"rev":1}', None, b'{"rev":1}', b'{"rev":1}']
    assert await store.views([]) == []
    await tenure.commit(due=dict.fromkeys(STRANGE_IDS), viewed=STRANGE_IDS)
    assert await store.due(7, 6, 100) == []
    assert await store.pending_views(7) == []


@law
async def answers_a_repeat_as_the_first_time(store: Store) -> None:
    """A commit sent again with its token succeeds and counts once."""
    tenure = await with_content(store)
    commit = await tenure.commit(sizes={"vip": 1}, outbox=[b"third"], published=1, due={"c1": 7}, viewed=["c1"])
    once = await everything(store)
    await store.commit(commit)
    await store.commit(commit)
    assert await everything(store) == once


@law
async def answers_a_repeat_even_after_a_take_over(store: Store) -> None:
    """A commit that was applied is answered as such, though the partition has another owner since."""
    tenure = await with_content(store)
    commit = await tenure.commit(outbox=[b"third"])
    await take_over(store)
    once = await everything(store)
    await store.commit(commit)
    assert await everything(store) == once


@law
async def refuses_the_same_number_with_another_token(store: Store) -> None:
    """Another commit under a number that is taken is no repeat."""
    tenure = await with_content(store)
    await tenure.commit()
    await refused(tenure, number=tenure.number, token="another", from_offset=10)
    await refused(tenure, number=tenure.number, token="", from_offset=10)


@law
async def refuses_a_token_of_an_older_commit(store: Store) -> None:
    """A token counts with its own number only."""
    tenure = await with_content(store)
    await tenure.commit()
    await refused(tenure, number=1, token="1.1")
    await refused(tenure, number=1, token="1.2")


@law
async def refuses_a_gap_in_numbers(store: Store) -> None:
    """A commit's number is the stored one plus one."""
    tenure = await with_content(store)
    for number in (-1, 0, 1, 3, 100):
        await refused(tenure, number=number)


@law
async def refuses_an_owner_of_before(store: Store) -> None:
    """After a take-over, the owner before it can write nothing, and the new one can."""
    zombie = await with_content(store)
    owner = await take_over(store)
    await refused(zombie)
    await owner.commit()
    await refused(zombie)
    await refused(zombie, number=owner.number + 1, from_offset=owner.offset)


@law
async def refuses_an_epoch_never_given(store: Store) -> None:
    """An epoch that no take-over returned fits nothing."""
    tenure = await with_content(store)
    await refused(tenure, epoch=tenure.epoch + 1)
    await refused(tenure, epoch=0)


@law
async def refuses_a_commit_without_a_take_over(store: Store) -> None:
    """A partition that nobody has taken over accepts no commit, whatever epoch it makes up."""
    for epoch in (-1, 0, 1):
        await refused(Tenure(store, Head(epoch=epoch), 7))


@law
async def refuses_an_older_ruleset(store: Store) -> None:
    """A ruleset's number never falls; it may stay or rise."""
    tenure = await with_content(store)
    await tenure.commit(ruleset=3)
    await refused(tenure, ruleset=2)
    await tenure.commit(ruleset=3)
    await tenure.commit(ruleset=9)
    assert (await store.head(7)).ruleset == 9


@law
async def refuses_another_offset(store: Store) -> None:
    """A commit was computed from the stored offset, or it is refused."""
    tenure = await with_content(store)
    for offset in (NO_OFFSET, 0, 9, 11):
        await refused(tenure, from_offset=offset, next_offset=20)


@law
async def refuses_to_go_back(store: Store) -> None:
    """The next offset is never below the stored one."""
    tenure = await with_content(store)
    for offset in (NO_OFFSET, 0, 9):
        await refused(tenure, next_offset=offset)
    await tenure.commit(next_offset=10)


@law
async def begins_anywhere(store: Store) -> None:
    """Where no offset is stored, the first commit may have been computed from any."""
    for partition, start in enumerate((NO_OFFSET, 0, 5_000, 2**52)):
        tenure = await take_over(store, partition)
        await tenure.commit(from_offset=start, next_offset=start + 1)
        assert (await store.head(partition)).offset == start + 1


@law
async def commits_before_the_first_record(store: Store) -> None:
    """A commit without an offset, as the sweeper's before any record, leaves the offset unknown."""
    tenure = await take_over(store)
    await tenure.commit(next_offset=NO_OFFSET, marker=3)
    assert await store.head(7) == Head(1, 1, "1.1", 1, NO_OFFSET, 3, {})
    await tenure.commit(from_offset=4, next_offset=8)
    assert (await store.head(7)).offset == 8


@law
async def trims_the_outbox_before_it_appends(store: Store) -> None:
    """`published` counts from the front of what stood there before the commit."""
    tenure = await with_content(store)
    await tenure.commit(published=1, outbox=[b"third"])
    assert await store.outbox(7) == [b"second", b"third"]
    await tenure.commit(published=2, outbox=[b"fourth", b"fourth"])
    assert await store.outbox(7) == [b"fourth", b"fourth"]
    await tenure.commit(published=2)
    assert await store.outbox(7) == []


@law
async def refuses_to_trim_more_than_there_is(store: Store) -> None:
    """Who says that it published more than stands in the outbox has lost count."""
    tenure = await with_content(store)
    await refused(tenure, published=3)
    await tenure.commit(published=2)


@law
async def removes_viewed_before_it_adds(store: Store) -> None:
    """A customer whose view was written and who changed again is still to be written."""
    tenure = await with_content(store)
    await tenure.commit(viewed=["c1", "c2", "unknown"], views=["c2", "c3", "c3"])
    assert sorted(await store.pending_views(7)) == ["c2", "c3"]


@law
async def says_how_much_is_to_be_done(store: Store) -> None:
    """The backlog counts what is due strictly before the instant, since when, and the outbox."""
    assert await store.backlog(7, 300) == Backlog()
    tenure = await take_over(store)
    await tenure.commit(due={"d": 300, "b": 100, "a": 200, "c": 100}, outbox=[b"1", b"2", b"3"])
    assert await store.backlog(7, 300) == Backlog(due=3, due_since_ms=100, outbox=3)
    assert await store.backlog(7, 301) == Backlog(due=4, due_since_ms=100, outbox=3)
    assert await store.backlog(7, 100) == Backlog(outbox=3)
    await tenure.commit(due={"b": None, "c": 400}, published=2)
    assert await store.backlog(7, 300) == Backlog(due=1, due_since_ms=200, outbox=1)
    assert await store.backlog(8, 300) == Backlog()


@law
async def lists_what_is_due_in_order(store: Store) -> None:
    """Due customers come earliest first, equal ones by id, strictly before the instant, as many as asked."""
    tenure = await take_over(store)
    await tenure.commit(due={"d": 300, "b": 100, "a": 200, "c": 100, "neg": -5, "far": 2**53 - 1})
    assert await store.due(7, 300, 10) == [("neg", -5), ("b", 100), ("c", 100), ("a", 200)]
    assert (await store.due(7, 301, 10))[-1:] == [("d", 300)]
    assert await store.due(7, 300, 2) == [("neg", -5), ("b", 100)]
    assert await store.due(7, 300, 0) == []
    assert await store.due(7, -5, 10) == []
    assert (await store.due(7, 2**53, 10))[-1:] == [("far", 2**53 - 1)]
    assert await store.due(7, 300, 10) == await store.due(7, 300, 10)


@law
async def moves_the_due_index(store: Store) -> None:
    """A customer has one due instant, the last committed; None removes it, also where there is none."""
    tenure = await take_over(store)
    await tenure.commit(due={"a": 100, "b": 200, "c": 300})
    await tenure.commit(due={"a": 400, "b": None, "unknown": None})
    assert await store.due(7, 1_000, 10) == [("c", 300), ("a", 400)]
    await tenure.commit(due={"a": 100, "c": 50, "b": 60})
    assert await store.due(7, 1_000, 10) == [("c", 50), ("b", 60), ("a", 100)]


@law
async def adds_to_sizes(store: Store) -> None:
    """Sizes are summed over commits and over the partitions asked; a size of nought is not listed."""
    tenure = await with_content(store)
    other = await take_over(store, 8)
    await other.commit(sizes={"vip": 10, "gone": 1, "none": 0})
    await other.commit(sizes={"gone": -1})
    await tenure.commit(sizes={"vip": -1, "new": -1})
    assert await store.sizes([7]) == {"vip": 1}
    assert await store.sizes([8]) == {"vip": 10}
    assert await store.sizes([7, 8, 9]) == {"vip": 11}
    assert await store.sizes([]) == {}


@law
async def keeps_every_form(store: Store) -> None:
    """Forms are added to those there are, whatever bytes they have, and a take-over tells them."""
    tenure = await with_content(store)
    await tenure.commit(forms={"f0": b"\x00\xff: "})
    await tenure.commit(forms={"f1": b"", "f2": b"2"})
    await tenure.commit()
    assert (await store.head(7)).forms == {"f0": b"\x00\xff: ", "f1": b"", "f2": b"2"}
    assert (await store.take_over(7)).forms == {"f0": b"\x00\xff: ", "f1": b"", "f2": b"2"}
    assert (await store.head(8)).forms == {}


@law
async def keeps_or_replaces_marker_and_topics(store: Store) -> None:
    """Marker and topic ids stay where a commit says None, and are replaced whole where it does not."""
    tenure = await with_content(store)
    await tenure.commit(marker=12)
    assert (await store.head(7)).topics == {"customer-events": "id-1"}
    await tenure.commit(topics={"changes": "id é"})
    head = await store.head(7)
    assert (head.marker, head.topics) == (12, {"changes": "id é"})
    await tenure.commit(passed=3)
    await tenure.commit(topics={}, marker=0)
    assert (await store.head(7)).passed == 3
    head = await store.head(7)
    assert (head.marker, head.topics) == (0, {})


@law
async def a_view_never_goes_back(store: Store) -> None:
    """A view replaces one with the same or a smaller revision and never one with a larger."""
    await store.write_views({"c1": (9, b'{"rev":9,"seq":1}'), "c2": (1, b'{"rev":1}')})
    await store.write_views({"c1": (8, b'{"rev":8}'), "c2": (2, b'{"rev":2}'), "c3": (1, b'{"rev":1}')})
    assert await store.view("c1") == b'{"rev":9,"seq":1}'
    assert await store.view("c2") == b'{"rev":2}'
    assert await store.view("c3") == b'{"rev":1}'
    await store.write_views({"c1": (9, b'{"rev":9,"seq":2}')})
    assert await store.view("c1") == b'{"rev":9,"seq":2}'
    await store.write_views({"c1": (10, b'{"rev":10}')})
    assert await store.view("c1") == b'{"rev":10}'
    await store.write_views({})


@law
async def a_view_may_be_any_json(store: Store) -> None:
    """Revisions are compared wherever in a view they stand, and whatever looks like one further in."""
    last = b'{"seq":4,"traits":{"rev":1},"rev":12}'
    await store.write_views({"c1": (12, last)})
    await store.write_views({"c1": (11, b'{"rev":11}')})
    assert await store.view("c1") == last
    await store.write_views({"c1": (13, b'{"traits":{"rev":99},"rev":13}')})
    await store.write_views({"c1": (14, b'{"rev":14}')})
    assert await store.view("c1") == b'{"rev":14}'


@law
async def writes_thousands_of_views(store: Store) -> None:
    """Views are written in as many as there are."""
    await store.write_views({f"c{index}": (index, b'{"rev":%d}' % index) for index in range(2_500)})
    assert [await store.view(f"c{index}") for index in (0, 999, 1_000, 2_499)] == [
        b'{"rev":0}',
        b'{"rev":999}',
        b'{"rev":1000}',
        b'{"rev":2499}',
    ]


@law
async def scans_every_customer(store: Store) -> None:
    """A scan from cursor 0 to cursor 0 finds each customer of the partition and none of another."""
    ids = {f"c{index}" for index in range(1_000)}
    tenure, other = await take_over(store, 1), await take_over(store, 11)
    await tenure.commit(profiles=dict.fromkeys(ids, b"x"))
    await other.commit(profiles={"stranger": b"x"})
    for limit in (7, 100, 1_000, 5_000):
        assert await all_customers(store, 1, limit) == ids


@law
async def scans_every_view(store: Store) -> None:
    """A scan of the views finds each customer who has one, whatever their id holds, and nobody who has none."""
    ids = {f"c{index}" for index in range(1_000)} | set(STRANGE_IDS)
    await (await take_over(store, 1)).commit(profiles={"without a view": b"x"})
    await store.write_views(dict.fromkeys(ids, (1, b'{"rev":1}')))
    for limit in (7, 1_000, 5_000):
        found: set[str] = set()
        cursor, some = await store.viewed(0, limit)
        found.update(some)
        while cursor:
            cursor, some = await store.viewed(cursor, limit)
            found.update(some)
        assert found == ids


@law
async def numbers_rulesets(store: Store) -> None:
    """Each other version that is made active gets the next number; the active one keeps its own."""
    assert await store.activate("aaa", "source a") == ActiveRuleset(1, "aaa", "source a")
    assert await store.activate("aaa", "source a") == ActiveRuleset(1, "aaa", "source a")
    assert await store.activate("bbb", "söurce\x00b") == ActiveRuleset(2, "bbb", "söurce\x00b")
    assert await store.activate("aaa", "source a") == ActiveRuleset(3, "aaa", "source a")
    assert await store.active_ruleset() == ActiveRuleset(3, "aaa", "source a")


@law
async def keeps_the_first_ruleset_if_asked(store: Store) -> None:
    """With `only_first`, a ruleset becomes active only where none is."""
    first = ActiveRuleset(1, "aaa", "source a")
    assert await store.activate("aaa", "source a", only_first=True) == first
    assert await store.activate("bbb", "source b", only_first=True) == first
    assert await store.active_ruleset() == first


@law
async def drops_everything(store: Store) -> None:
    """After a drop, the store is as empty as a new one."""
    await with_content(store)
    await store.write_views({"c1": (1, b'{"rev":1}')})
    await store.activate("aaa", "source")
    await store.drop()
    await knows_nothing_at_first(store)
