"""The stream's hub, ring, ids and joins: whatever happens to a client, it hears each change once, and in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.http.stream.catch_up import Turns, catch_up, gap_frame
from streams.http.stream.entries import Change, Gap, change_entry, change_in
from streams.http.stream.gaps import compare
from streams.http.stream.hub import Hub
from streams.http.stream.position import Position, mark_of
from streams.http.stream.ring import Ring
from streams.http.stream.subscriber import Subscriber
from streams.http.stream.wanted import Wanted
from streams.reader import Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.reader import Record

MARK = mark_of("segue", "segment-changes", "id-1")
SOURCE = b"/segue/segue"
SMALL_RING = 3_000
"""Four events or so."""


class Written(NamedTuple):
    """A record of the topic, as `change_in` wants it."""

    partition: int
    offset: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


def change(
    partition: int, offset: int, customer: str = "c1", kind: str = "entered", segment: str = "vip"
) -> dict[str, object]:
    return {
        "customer_id": customer, "change": kind, "segment": segment, "segmentation": None, "at": [partition, offset]
    }  # fmt: skip


def read(partition: int, offset: int, **fields: str) -> Change:
    data = orjson.dumps(change(partition, offset, **fields))
    found = change_in(cast("Record", Written(partition, offset, data, (("ce_source", SOURCE),))), SOURCE)
    assert found is not None
    return found


class Heard(NamedTuple):
    """One block of the stream."""

    event: str
    id: str
    data: str


def blocks(text: bytes) -> Iterator[Heard]:
    """Read the stream as the HTML standard says."""
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if fields:
            yield Heard(fields.get("event", ""), fields.get("id", ""), fields.get("data", ""))


# positions


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=50), st.binary(min_size=4, max_size=4))
def test_a_position_is_read_back_from_its_text(offsets: list[int], mark: bytes) -> None:
    read_back = Position.read(Position(mark, offsets).text())
    assert (read_back.mark, read_back.offsets) == (mark, offsets)


@given(st.binary(max_size=60))
def test_what_is_no_position_is_a_value_error(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        position = Position.read(text)
        assert position.offsets


@pytest.mark.parametrize(
    "text", [b"", b"!", b"A", b"AAAAAAA", b"AflIuLA", b"AflIuLCA", "é".encode(), b"AQEBAQH" + b"_" * 20]
)
def test_these_are_none(text: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        Position.read(text)


def test_an_id_is_short() -> None:
    assert len(Position(MARK, [1_000_000] * 8).text()) < 45
    assert len(Position(MARK, [1_000_000] * 1_000).text()) < 5_000


def test_a_move_is_in_the_text() -> None:
    position = Position(MARK, [5, 300, 0])
    copy = position.copy()
    position.move(1, 301)
    assert Position.read(position.text()).offsets == [5, 301, 0]
    assert copy.offsets == [5, 300, 0]


# entries


def test_another_apps_change_and_what_is_none_are_nobodys() -> None:
    data = orjson.dumps(change(0, 0))
    for value, source in [(data, b"/segue/other"), (b"{}", SOURCE), (b"\xff", SOURCE), (b"", SOURCE), (b"[[[", SOURCE)]:
        assert change_in(cast("Record", Written(0, 0, value, (("ce_source", source),))), SOURCE) is None
    assert change_in(cast("Record", Written(0, 0, data, ())), SOURCE) is None


def test_an_event_is_one_block_whatever_stands_in_it() -> None:
    spread = orjson.dumps(change(0, 0), option=orjson.OPT_INDENT_2)
    found = change_in(cast("Record", Written(0, 0, spread, (("ce_source", SOURCE),))), SOURCE)
    assert found is not None
    (heard,) = blocks(change_entry(found, b"x").frame)
    assert (heard.event, heard.id, orjson.loads(heard.data)) == ("segment.entered", "x", change(0, 0))


# who wants what


def test_filters_are_all_to_be_met() -> None:
    in_stage = read(0, 1, customer="c1", segment="new")._replace(names=("new", "stage", "stage.new"))
    for wanted, takes in [
        (Wanted(), True),
        (Wanted(frozenset(("new",))), True),
        (Wanted(frozenset(("stage",))), True),
        (Wanted(frozenset(("stage.new", "vip"))), True),
        (Wanted(frozenset(("stage.old",))), False),
        (Wanted(customers=frozenset(("c2",))), False),
        (Wanted(frozenset(("new",)), frozenset(("c1", "c2")), "entered"), True),
        (Wanted(frozenset(("new",)), frozenset(("c1",)), "exited"), False),
    ]:
        assert wanted.takes(in_stage) is takes
    assert Wanted(frozenset(("x",)), frozenset(("y",)), "exited").takes(None)


def drained(hub: Hub, subscriber: Subscriber) -> list[Heard]:
    heard: list[Heard] = []
    while (found := hub.next(subscriber)) is not None:
        heard += blocks(found.data)
    return heard


def begun(*offsets: int, ring_bytes: int = SMALL_RING) -> Hub:
    hub = Hub(ring_bytes)
    hub.begin(Position(MARK, offsets))
    return hub


async def test_only_those_concerned_are_woken_and_nothing_is_lost_on_the_others() -> None:
    hub = begun(0)
    one, two, general = (
        Subscriber(Wanted(customers=frozenset(("c1",)))), Subscriber(Wanted(customers=frozenset(("c2",)))),
        Subscriber(Wanted()),
    )  # fmt: skip
    waiting = []
    for subscriber in (one, two, general):
        hub.attend(subscriber)
        assert drained(hub, subscriber) == []
        waiting.append(asyncio.ensure_future(subscriber.woken()))
    await asyncio.sleep(0)
    for offset in range(20):  # far more than the ring holds
        hub.take([read(0, offset, customer="c2")], {})
        await asyncio.sleep(0)
        assert [task.done() for task in waiting] == [False, True, True]
        for number, subscriber in ((1, two), (2, general)):
            assert [orjson.loads(heard.data)["at"] for heard in drained(hub, subscriber)] == [[0, offset]]
            waiting[number] = asyncio.ensure_future(subscriber.woken())
        await asyncio.sleep(0)
    hub.take([read(0, 20, customer="c1")], {})
    assert [heard.event for heard in drained(hub, one)] == ["segment.entered"]
    for subscriber in (one, two, general):
        hub.leave(subscriber)
        subscriber.end("gone")
    await asyncio.gather(*waiting)
    assert len(hub) == 0


def test_who_falls_out_of_the_ring_is_slow() -> None:
    hub = begun(0)
    subscriber = Subscriber(Wanted())
    hub.attend(subscriber)
    for offset in range(20):
        hub.take([read(0, offset)], {})
    assert hub.lag() == hub.ring.size
    assert drained(hub, subscriber) == []
    assert subscriber.ending == "slow"


def test_the_ring_is_bounded_whatever_comes() -> None:
    ring = Ring(10_000)
    ring.begin([0])
    for offset in range(1_000):
        ring.append([change_entry(read(0, offset), b"x" * (offset % 90))])
        assert ring.size <= 10_000
    huge = read(0, 1_000)._replace(data=b"x" * 50_000)
    ring.append([change_entry(huge, b"")])
    assert (ring.next - ring.first, ring.floor) == (1, [1_000])


def test_a_sign_of_life_says_where_one_stands_only_if_that_moved() -> None:
    hub = begun(0)
    subscriber = Subscriber(Wanted(customers=frozenset(("c1",))))
    hub.attend(subscriber)
    hub.take([read(0, 0, customer="c2")], {})
    assert [heard.id for heard in blocks(hub.pulse(subscriber))] == [hub.id.decode()]
    assert hub.pulse(subscriber) == b":\n\n"
    hub.take([read(0, 1, customer="c1")], {})
    assert [heard.event for heard in drained(hub, subscriber)] == ["segment.entered"]
    assert hub.pulse(subscriber) == b":\n\n"
    hub.take([], {0: 7})
    assert Position.read(next(blocks(hub.pulse(subscriber))).id.encode()).offsets == [7]


# gaps


def test_what_the_log_has_no_more_is_a_gap() -> None:
    bounds = {0: Bounds(10, 20), 1: Bounds(0, 5), 2: Bounds(0, 5)}
    fine = compare(Position(MARK, [15, 5, 0]), MARK, 3, bounds)
    assert (fine.position.offsets, fine.gaps) == ([15, 5, 0], {})
    past = compare(Position(MARK, [3, 5, 0]), MARK, 3, bounds)
    assert (past.position.offsets, past.gaps, past.back) == ([10, 5, 0], {0: Gap(3, 10)}, False)
    beyond = compare(Position(MARK, [15, 9, 0]), MARK, 3, bounds)
    assert (beyond.position.offsets, beyond.gaps, beyond.back) == ([15, 5, 0], {1: Gap(9, 5)}, True)
    fewer = compare(Position(MARK, [15]), MARK, 3, bounds)
    assert (fewer.position.offsets, fewer.gaps) == ([15, 0, 0], {})
    anew = compare(Position(mark_of("segue", "segment-changes", "id-0"), [15, 3, 0, 8]), MARK, 3, bounds)
    assert (anew.position.mark, anew.position.offsets) == (MARK, [10, 0, 0])
    assert anew.gaps == {0: Gap(15, 10), 1: Gap(3, 0)}
    (heard,) = blocks(gap_frame(past.gaps, past.position).data)
    assert heard.event == "gap"
    assert orjson.loads(heard.data) == {"partitions": [{"partition": 0, "from": 3, "to": 10}]}
    assert Position.read(heard.id.encode()).offsets == [10, 5, 0]


async def test_all_hear_of_a_gap_whatever_they_asked_for_and_those_elsewhere_come_back() -> None:
    hub = begun(5, 5)
    waits, behind = Subscriber(Wanted(customers=frozenset(("c1",)))), Subscriber(Wanted())
    hub.attend(waits)
    hub.attend(behind)
    waiting = asyncio.ensure_future(waits.woken())
    await asyncio.sleep(0)
    hub.skip({1: Gap(5, 9)})
    assert [heard.event for heard in drained(hub, waits)] == ["gap"]
    await waiting
    waiting = asyncio.ensure_future(waits.woken())
    await asyncio.sleep(0)
    hub.reset(Position(b"anew", [0, 0]), {0: Gap(5, 0), 1: Gap(9, 0)})
    assert behind.ending == "reset"
    assert [heard.id for heard in drained(hub, waits)] == [Position(b"anew", [0, 0]).text().decode()]
    assert waits.ending is None
    assert not hub.join(Subscriber(Wanted()), Position(MARK, [5, 9]))
    assert hub.join(Subscriber(Wanted()), Position(b"anew", [0, 0]))
    await waiting


async def test_few_catch_up_at_once_and_not_too_many_wait() -> None:
    turns = Turns(readers=1, waiting=1)
    async with turns.turn():
        second = asyncio.ensure_future(turns.turn().__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(Exception, match="too_many_catch_ups"):
            await turns.turn().__aenter__()
        assert not second.done()
    await second


# whatever happens


@dataclass
class Topic:
    """The records of each partition; None is one that is never handed out."""

    records: list[list[Written | None]]

    def write(self, chance: random.Random) -> None:
        """Append a change of anybody's, or what is none."""
        partition, customer = chance.randrange(len(self.records)), chance.choice(["c1", "c1", "c2", "c3", None])
        source = chance.choice([SOURCE, SOURCE, b"/segue/other"])
        log = self.records[partition]
        if customer is None:
            log.append(None)
        else:
            data = orjson.dumps(change(partition, len(log), customer, chance.choice(["entered", "exited"])))
            log.append(Written(partition, len(log), data, (("ce_source", source),)))

    def wanted(self, wanted: Wanted) -> list[list[list[int]]]:
        return [
            [
                [record.partition, record.offset]
                for record in log
                if record and (found := change_in(cast("Record", record), SOURCE)) and wanted.takes(found)
            ]
            for log in self.records
        ]


@dataclass
class Process:
    """A hub that reads the topic at its own pace; as a reader of a client's, it reads at most two records at once."""

    topic: Topic
    hub: Hub = field(default_factory=lambda: Hub(SMALL_RING))

    def __post_init__(self) -> None:
        self.hub.begin(Position(MARK, [len(log) // 2 for log in self.topic.records]))

    def read(self, partition: int, most: int) -> None:
        assert self.hub.position is not None
        start = self.hub.position.offsets[partition]
        records = self.topic.records[partition][start : start + most]
        changes = [found for one in records if one and (found := change_in(cast("Record", one), SOURCE))]
        self.hub.take(changes, {partition: start + len(records)})


class Source:
    """A reader that stands somewhere; meanwhile its process reads on."""

    def __init__(self, topic: Topic, position: Position, meanwhile: Process, chance: random.Random) -> None:
        self.partitions = range(len(topic.records))
        self._topic = topic
        self._at = list(position.offsets)
        self._meanwhile = meanwhile
        self._chance = chance

    async def some(self) -> Sequence[Record]:
        self._meanwhile.read(self._chance.randrange(len(self.partitions)), self._chance.randrange(4))
        found: list[Written] = []
        for partition in self.partitions:
            for record in self._topic.records[partition][self._at[partition] :][: self._chance.randrange(1, 3)]:
                self._at[partition] += 1
                found += [record] if record else []
        return cast("Sequence[Record]", found)

    async def position(self, partition: int) -> int:
        return self._at[partition]


class Client:
    """Connects to one process after another, each time with the id it had last."""

    def __init__(self, wanted: Wanted, chance: random.Random) -> None:
        self.wanted = wanted
        self.heard: list[list[int]] = []
        self.id = b""
        self.losses = 0.1
        self._chance = chance
        self._process: Process | None = None
        self._subscriber = Subscriber(wanted)

    async def connect(self, process: Process, topic: Topic) -> None:
        self.leave()
        subscriber = self._subscriber = Subscriber(self.wanted)
        position = Position.read(self.id) if self.id else Position(MARK, [0] * len(topic.records))
        if not process.hub.join(subscriber, position.copy()):
            source = Source(topic, position, process, self._chance)
            async with contextlib.aclosing(catch_up(process.hub, source, SOURCE, position, subscriber)) as pieces:
                async for piece in pieces:
                    if not self._hear(piece.data):
                        return
            assert process.hub.join(subscriber, position)
        self._process = process

    @property
    def connected(self) -> bool:
        return self._process is not None

    def take(self) -> None:
        """Hear some of what there is, or a sign of life."""
        if self._process is None:
            return
        found = self._process.hub.next(self._subscriber)
        if found is not None:
            if not self._hear(found.data):
                self.leave()
        elif self._subscriber.ending is not None:
            self.leave()
        elif self._chance.random() < 0.3:
            self._hear(self._process.hub.pulse(self._subscriber))
        else:
            self._subscriber.waiting = True

    def leave(self) -> None:
        if self._process is not None:
            self._process.hub.leave(self._subscriber)
            self._process = None

    def _hear(self, text: bytes) -> bool:
        """Hear it, or only the beginning of it: then the connection is lost."""
        for heard in blocks(text):
            if self._chance.random() < self.losses:
                return False
            self.id = heard.id.encode()
            if heard.data:
                self.heard.append(orjson.loads(heard.data)["at"])
        return True


@settings(max_examples=300, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    partitions=st.integers(1, 3),
    steps=st.lists(st.sampled_from(["write", "write", "read", "read", "take", "take", "connect"]), max_size=120),
    wanted=st.sampled_from(
        [Wanted(), Wanted(customers=frozenset(("c1",))), Wanted(frozenset(("vip",)), change="exited")]
    ),
)
def test_a_client_hears_each_change_once_and_in_order(
    seed: int, partitions: int, steps: list[str], wanted: Wanted
) -> None:
    asyncio.run(live_through(random.Random(seed), partitions, steps, wanted))


async def live_through(chance: random.Random, partitions: int, steps: list[str], wanted: Wanted) -> None:
    topic = Topic([[] for _ in range(partitions)])

    for _ in range(chance.randrange(8)):
        topic.write(chance)
    processes = [Process(topic), Process(topic)]
    client = Client(wanted, chance)
    await client.connect(processes[0], topic)
    for step in steps:
        if step == "write":
            topic.write(chance)
        elif step == "read":
            chance.choice(processes).read(chance.randrange(partitions), chance.randrange(5))
        elif step == "take":
            client.take()
        else:
            await client.connect(chance.choice(processes), topic)
    client.losses = 0.0  # the connection that there is by now must bring the rest
    everything = topic.wanted(wanted)
    for _ in range(1_000):
        if len(client.heard) >= sum(map(len, everything)):
            break
        await go_on(chance, client, processes)
    assert [[at for at in client.heard if at[0] == partition] for partition in range(partitions)] == everything


async def go_on(chance: random.Random, client: Client, processes: list[Process]) -> None:
    """Let the processes read, and the client come back and listen."""
    for process in processes:
        for partition in range(len(process.topic.records)):
            process.read(partition, 3)
    if not client.connected:
        await client.connect(chance.choice(processes), processes[0].topic)
    for _ in range(20):
        client.take()
