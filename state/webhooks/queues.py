"""What waits for the endpoints, in Redis: a queue for each of them in each partition, called a lane.

Of a customer's deliveries in a lane the first stands in the schedule; the others wait behind it. Who owns the partition
writes here, and is fenced by an epoch: a former owner's writes are refused. A lane's place (the offset of the change
topic up to which it was read) moves in the same script as the deliveries that this led to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec
from redis.exceptions import NoScriptError

from rules.errors import StateError
from state.connect import Link
from state.keys import Keys
from state.scans import run_of
from state.scripts import Script
from state.servers import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.scripts import Argument

DEAD_KEPT = 1_000
"""Spent deliveries kept of an endpoint in a partition; the oldest make room. The topic has them all."""

_ENQUEUE = Script("webhooks_enqueue")
_SETTLE = Script("webhooks_settle")
_DUE = Script("webhooks_due")
_RESEND = Script("webhooks_resend")
_PARTS = ("lane", "queue", "due", "last", "behind", "tries")
_LANE = "lane:"


class Lane(NamedTuple):
    """The deliveries of an endpoint in a partition."""

    partition: int
    endpoint: str
    generation: int

    @property
    def name(self) -> str:
        """What the partition knows it by."""
        return f"{self.endpoint}:{self.generation}"


class Delivery(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is to be delivered: `id` is the `webhook-id`, `made_ms` when it was enqueued (UTC)."""

    id: str
    customer: str
    made_ms: int
    body: bytes


class Dead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A spent delivery: how often it was tried, when the last time (UTC ms), and what that came to."""

    number: int
    spent_ms: int
    tries: int
    status: int | None
    failure: str | None
    shown: str
    delivery: Delivery


class Batch(NamedTuple):
    """Deliveries for one lane, and what they move: its `field` from `before` to `after`.

    `field` is `offset`, or what another source of deliveries goes by. Nothing stored fits any `before`.
    """

    lane: Lane
    field: str
    before: str
    after: str
    deliveries: Sequence[Delivery]
    most: int
    """So many may wait in the lane afterwards; none may come where that would be more."""


class Added(NamedTuple):
    """What became of a batch: how many wait in the lane now, and the deliveries' numbers.

    A number is negative where another delivery of the same customer is before it. Refused, `numbers` is None and
    nothing was written: too many would wait, or (`moved`) the lane stands elsewhere than `before`.
    """

    waiting: int
    numbers: list[int] | None
    moved: bool = False


class Waiting(NamedTuple):
    """A delivery that waits: its number in the lane, and how often it was tried."""

    number: int
    tries: int
    delivery: Delivery


class Settled(NamedTuple):
    """What came of an attempt: done; to be tried again at `due_ms`, having been tried `tries` times; or spent."""

    kind: Literal["done", "again", "spent"]
    lane: Lane
    number: int
    customer: str
    tries: int = 0
    due_ms: int = 0
    dead: Dead | None = None
    last: str = ""
    """What the attempt came to, for who asks how the endpoint is: JSON."""


class Following(NamedTuple):
    """The customer's next delivery, which is due now; `sure` is False where a look into the schedule is needed."""

    waiting: Waiting | None
    sure: bool = True


class Due(NamedTuple):
    """What is due in a lane, when the next one is (None: none waits for a time), and how many wait in all."""

    found: list[Waiting]
    next_ms: int | None
    waiting: int


class Ownership(NamedTuple):
    """A partition taken over: what fences the former owner, and the lanes of which something is stored."""

    epoch: int
    lanes: list[Lane]


class Standing(NamedTuple):
    """How a lane stands. Counts are of deliveries but for `again`, which is of attempts that were to be repeated."""

    offset: int | None
    fill: str | None
    waiting: int
    done: int
    again: int
    spent: int
    dead: int
    next_due_ms: int | None
    last: str


class Queues(Protocol):
    """Where deliveries wait."""

    async def take_over(self, partition: int) -> Ownership:
        """Become the partition's owner."""

    async def standing(self, lanes: Sequence[Lane]) -> list[Standing]:
        """Return how these lanes stand."""

    async def enqueue(self, partition: int, epoch: int, now_ms: int, batches: Sequence[Batch]) -> list[Added]:
        """Put deliveries at the ends of their customers' lines, in lanes of one partition. Raises `Fenced`."""

    async def settle(self, partition: int, epoch: int, now_ms: int, settled: Sequence[Settled]) -> list[Following]:
        """Write what came of attempts in one partition; return, for each, who is next. Raises `Fenced`."""

    async def due(self, lane: Lane, now_ms: int, limit: int, held: Sequence[int]) -> Due:
        """Return up to `limit` deliveries that are due, but for those that are held."""

    async def forget(self, lane: Lane, *, dead: bool) -> None:
        """Remove a lane, with `dead` the endpoint's dead list in the partition too."""

    async def poked(self, partition: int) -> int:
        """Return a number that grows when somebody else enqueued."""

    async def run_id(self) -> str:
        """Return what tells one run of the server from another: a cursor of a scan holds for one."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Delivery).decode
_unpack_dead = msgspec.msgpack.Decoder(Dead).decode


class RedisQueues:
    """`Queues` in Redis; calls raise `ServiceError` where it does not answer within `patience_s`.

    A call whose reply was lost is made again. `enqueue` then finds the lane elsewhere, and `settle` finds nothing: both
    say so, and nothing is written twice.
    """

    def __init__(self, url: str, app: str, *, patience_s: float) -> None:
        """Read the address; nothing is sent yet."""
        self._link = Link(url, patience_s)
        self._names = Keys(app)

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def take_over(self, partition: int) -> Ownership:
        """Become the partition's owner."""
        key = self._names.webhooks_of(partition)
        epoch, names = await self._pipe("take webhooks over", [("HINCRBY", key, "epoch", 1), ("HKEYS", key)])
        return Ownership(int(epoch), _lanes(partition, names))

    async def lanes(self, partition: int) -> list[Lane]:
        """Return the lanes of which something is stored."""
        return _lanes(partition, (await self._pipe("read lanes", [("HKEYS", self._names.webhooks_of(partition))]))[0])

    async def standing(self, lanes: Sequence[Lane]) -> list[Standing]:
        """Return how these lanes stand."""
        commands: list[tuple[Argument, ...]] = []
        for lane in lanes:
            commands += (
                ("HGETALL", self._key(lane, "lane")),
                ("HLEN", self._key(lane, "queue")),
                ("LLEN", self._names.webhook_dead(lane.partition, lane.endpoint)),
                ("ZRANGE", self._key(lane, "due"), 0, 0, "WITHSCORES"),
            )
        replies = await self._pipe("read how webhooks stand", commands)
        return [_standing(*replies[at : at + 4]) for at in range(0, len(replies), 4)]

    async def enqueue(self, partition: int, epoch: int, now_ms: int, batches: Sequence[Batch]) -> list[Added]:
        """Put deliveries at their customers' ends of lanes of one partition."""
        calls = []
        for lane, field, before, after, deliveries, most in batches:
            keys = self._keys(lane, "lane", "queue", "due", "last", "behind")
            arguments: list[Argument] = [epoch, lane.name, field, before, after, now_ms, most]
            for delivery in deliveries:
                arguments += (delivery.customer, _pack(delivery))
            named = [self._names.webhooks_of(partition), *keys, self._names.never(partition)]
            calls.append(_call(_ENQUEUE, named, arguments))
        return [_added(reply) for reply in await self._pipe("enqueue webhooks", calls)]

    async def settle(self, partition: int, epoch: int, now_ms: int, settled: Sequence[Settled]) -> list[Following]:
        """Write what came of attempts in one partition; return, for each, who is next."""
        of_lanes: dict[Lane, list[int]] = {}
        for index, item in enumerate(settled):
            of_lanes.setdefault(item.lane, []).append(index)
        calls = []
        for lane, indexes in of_lanes.items():
            keys = [self._names.webhooks_of(partition), *self._keys(lane, *_PARTS)]
            keys += [self._names.webhook_dead(partition, lane.endpoint), self._names.never(partition)]
            arguments: list[Argument] = [epoch, now_ms, DEAD_KEPT, settled[indexes[-1]].last]
            for index in indexes:
                arguments += _settling(settled[index])
            calls.append(_call(_SETTLE, keys, arguments))
        found: list[Following] = [Following(None)] * len(settled)
        for indexes, reply in zip(of_lanes.values(), await self._pipe("settle webhooks", calls), strict=True):
            for index, number, data in zip(indexes, reply[::2], reply[1::2], strict=True):
                found[index] = Following(_waiting(number, 0, data) if data else None, sure=number == 0 or bool(data))
        return found

    async def due(self, lane: Lane, now_ms: int, limit: int, held: Sequence[int]) -> Due:
        """Return up to `limit` deliveries that are due, but for those that are held."""
        call = _call(_DUE, self._keys(lane, "queue", "due", "tries"), [now_ms, limit, *held])
        waiting, next_ms, *flat = (await self._pipe("look for due webhooks", [call]))[0]
        items = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        found = [_waiting(number, tries, data) for number, tries, data in items if data]
        return Due(found, None if next_ms < 0 else next_ms, waiting)

    async def forget(self, lane: Lane, *, dead: bool) -> None:
        """Remove a lane, with `dead` the endpoint's dead list in the partition too."""
        keys = self._keys(lane, *_PARTS)
        if dead:
            keys.append(self._names.webhook_dead(lane.partition, lane.endpoint))
        unnamed = ("HDEL", self._names.webhooks_of(lane.partition), _LANE + lane.name)
        await self._pipe("remove a lane of webhooks", [("UNLINK", *keys), unnamed])

    async def poked(self, partition: int) -> int:
        """Return a number that grows when somebody else enqueued."""
        found = await self._pipe("ask for resent webhooks", [("HGET", self._names.webhooks_of(partition), "poked")])
        return int(found[0] or 0)

    async def run_id(self) -> str:
        """Return what tells one run of the server from another; of a cluster, of any of its servers."""

        async def attempt() -> str:
            clients = [client for _, client in await self._link.servers.each()]
            return run_of([await client.info("server") for client in clients])

        return await self._link.patiently("ask for the server's run", attempt)

    async def dead(self, partition: int, endpoint: str, newest: int = 0) -> list[Dead]:
        """Return the spent deliveries kept of an endpoint in a partition, the oldest first; all, or so many newest."""
        key = self._names.webhook_dead(partition, endpoint)
        rows = (await self._pipe("read spent webhooks", [("LRANGE", key, -newest, -1)]))[0]
        try:
            return [_unpack_dead(row) for row in rows]
        except msgspec.MsgspecError as error:
            message = f"{key} holds what is no spent delivery ({error}); remove it"
            raise StateError(message) from error

    async def resend(self, lane: Lane, now_ms: int, dead: Sequence[Dead]) -> int:
        """Put spent deliveries at the ends of their customers' lines; return how many were still in the dead list."""
        arguments: list[Argument] = [lane.name, now_ms]
        for entry in dead:
            arguments += (_pack(entry), entry.delivery.customer, _pack(entry.delivery))
        keys = [self._names.webhooks_of(lane.partition), *self._keys(lane, "lane", "queue", "due", "last", "behind")]
        keys += [self._names.webhook_dead(lane.partition, lane.endpoint), self._names.never(lane.partition)]
        return int((await self._pipe("send webhooks again", [_call(_RESEND, keys, arguments)]))[0])

    def _key(self, lane: Lane, part: str) -> str:
        return self._names.webhook_lane(lane.partition, lane.endpoint, lane.generation, part)

    def _keys(self, lane: Lane, *parts: str) -> list[str]:
        return [self._key(lane, part) for part in parts]

    async def _pipe(self, what: str, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the replies to commands of one partition; those whose script the server does not know go again."""

        async def attempt() -> list[Any]:
            replies = await self._link.servers.pipe(commands)
            unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                for script in (_ENQUEUE, _SETTLE, _DUE, _RESEND):
                    await self._link.execute("SCRIPT LOAD", script.source)
                again = await self._link.servers.pipe([commands[index] for index in unknown])
                for index, reply in zip(unknown, again, strict=True):
                    replies[index] = reply
            return list(checked(replies))

        return await self._link.patiently(what, attempt) if commands else []


def _call(script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> tuple[Any, ...]:
    return ("EVALSHA", script.sha, len(keys), *keys, *arguments)


def _added(reply: list[Any]) -> Added:
    if reply[0] >= 0:
        return Added(reply[0], reply[1:])
    return Added(0, None, moved=True) if reply[1] == b"moved" else Added(int(reply[1]), None)


def _settling(item: Settled) -> tuple[Argument, ...]:
    if item.kind == "again":
        return item.kind, item.number, item.customer, item.tries, item.due_ms
    return item.kind, item.number, item.customer, "", _pack(item.dead) if item.dead is not None else ""


def _waiting(number: int, tries: int, data: bytes) -> Waiting:
    try:
        return Waiting(number, tries, _unpack(data))
    except msgspec.MsgspecError as error:
        message = f"a queue of webhooks holds what is no delivery ({error}); does another program write to it?"
        raise StateError(message) from error


def _lanes(partition: int, names: Sequence[bytes]) -> list[Lane]:
    found = []
    for name in names:
        text = name.decode()
        if text.startswith(_LANE):
            endpoint, _, generation = text.removeprefix(_LANE).rpartition(":")
            found.append(Lane(partition, endpoint, int(generation)))
    return found


def _standing(fields: dict[bytes, bytes], waiting: int, dead: int, first: Sequence[bytes]) -> Standing:
    offset, fill = fields.get(b"offset"), fields.get(b"fill")
    return Standing(
        offset=None if offset is None else int(offset),
        fill=None if fill is None else fill.decode(),
        waiting=waiting,
        done=int(fields.get(b"done", 0)),
        again=int(fields.get(b"again", 0)),
        spent=int(fields.get(b"spent", 0)),
        dead=dead,
        next_due_ms=int(float(first[1])) if first else None,
        last=fields.get(b"last", b"").decode(),
    )
