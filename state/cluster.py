"""A Redis or Valkey Cluster: which server has which slot, and a pool of connections to each.

In place of redis-py's own, which repeats commands by itself, and sends WAITAOF over whatever connection it likes. A
redirection is followed, since a server that redirects has done nothing. All else that goes wrong is the caller's, who
knows what is safe to repeat; the cluster is then asked anew who has what.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MasterDownError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rules.errors import ServiceError
from state.servers import checked, piped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis.asyncio import Redis

    from state.servers import Command

HOPS = 4
"""So often a command is sent on; a slot on the move takes two."""

LOOK_S = 2.0
"""For so long one server is asked who has what, before another is."""

KEYLESS = frozenset({"CLUSTER", "CONFIG", "INFO", "PING", "SCAN", "SCRIPT LOAD", "WAIT", "WAITAOF"})
_SCRIPTS = frozenset({"EVAL", "EVALSHA"})


class Place(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass
class _Unit:
    """A command and those without a key that follow it: they go together. `indexes` are those of their replies."""

    slot: int | None
    indexes: list[int]
    place: Place | None = None
    asking: bool = False


class Cluster:
    """The servers of one cluster, as `state.servers.Servers` has them."""

    is_cluster = True

    def __init__(self, seeds: Sequence[Place], client_of: Callable[[Place], Redis]) -> None:
        """Send nothing yet.

        Parameters
        ----------
        seeds
            Some of its servers: any that answers names the others.
        client_of
            Makes a client of a server.
        """
        self.seeds = seeds
        self.client_of = client_of
        self._clients: dict[Place, Redis] = {}
        self._owners: dict[int, Place] = {}
        self._stale = True
        self._looking = asyncio.Lock()

    async def execute(self, *command: Any) -> Any:
        """Return the reply to a command; one without a key is each server's, and the first one's reply is returned."""
        if slot_of(command) is None:
            replies = await self._all(piped(client, [command]) for _, client in await self.each())
            return checked([reply for [reply] in replies])[0]
        return checked(await self.pipe([command]))[0]

    async def read(self, limit_s: float, *command: Any) -> Any:
        """Return the reply to a command of one slot."""
        async with asyncio.timeout(limit_s):
            return await self.execute(*command)

    call = read

    async def pipe(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order, errors among them; those for one server go over one connection, in order."""
        await self._look()
        replies: list[Any] = [None] * len(commands)
        left = _units(commands)
        for _ in range(HOPS):
            together: dict[Place, list[_Unit]] = {}
            for unit in left:
                together.setdefault(unit.place or self._owner(unit.slot), []).append(unit)
            await self._all(self._send(place, units, commands, replies) for place, units in together.items())
            left = [unit for unit in left if self._redirected(unit, replies)]
            if not left:
                break
        return replies

    async def each(self) -> Sequence[tuple[str, Redis]]:
        """Return the address of each server that has slots, and a client of it."""
        await self._look()
        return [(str(place), self._client(place)) for place in sorted(set(self._owners.values()))]

    async def forget(self) -> None:
        """Ask anew, the next time, who has what."""
        self._stale = True

    async def aclose(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))

    def _client(self, place: Place) -> Redis:
        if place not in self._clients:
            self._clients[place] = self.client_of(place)
        return self._clients[place]

    def _owner(self, slot: int | None) -> Place:
        owner = self._owners.get(slot) if slot is not None else next(iter(self._owners.values()), None)
        if owner is None:
            self._stale = True
            message = f"no server has slot {slot}"
            raise ClusterDownError(message, status_code="CLUSTERDOWN")
        return owner

    async def _all(self, sent: Iterable[Any]) -> list[Any]:
        """Wait for all of it, then raise what went wrong first: nothing is under way any more where this returns."""
        found = await asyncio.gather(*sent, return_exceptions=True)
        for reply in found:
            if isinstance(reply, BaseException):
                self._stale = True
                raise reply
        return found

    async def _send(
        self, place: Place, units: Sequence[_Unit], commands: Sequence[Command], replies: list[Any]
    ) -> None:
        sent: list[Command] = []
        for unit in units:
            sent += [("ASKING",)] if unit.asking else []
            sent += (commands[index] for index in unit.indexes)
        answers = iter(await piped(self._client(place), sent))
        for unit in units:
            asked = next(answers) if unit.asking else None
            for index in unit.indexes:
                answer = next(answers)
                replies[index] = asked if isinstance(asked, Exception) else answer  # a right that is missing

    def _redirected(self, unit: _Unit, replies: Sequence[Any]) -> bool:
        """Return whether a unit is to be sent again, and note where."""
        reply = replies[unit.indexes[0]]
        if isinstance(reply, MovedError):
            self._stale = True
            if not reply.host:  # the server does not know by which name it is known
                return False
            self._owners[reply.slot_id] = unit.place = Place(reply.host, reply.port)
            unit.asking = False
            return True
        if isinstance(reply, AskError):  # for this time only
            unit.place, unit.asking = Place(reply.host, reply.port), True
            return True
        if isinstance(reply, ClusterDownError | MasterDownError):
            self._stale = True
        return False

    async def _look(self) -> None:
        """Ask who has what, where that is not known any more."""
        async with self._looking:
            if not self._stale:
                return
            known = list(self._clients.keys() | set(self._owners.values()))
            random.shuffle(known)  # one that is cut off from the others may not be asked again and again
            failure: Exception | None = None
            for place in dict.fromkeys([*known, *self.seeds]):
                try:
                    async with asyncio.timeout(LOOK_S):
                        [rows] = checked(await piped(self._client(place), [("CLUSTER", "SLOTS")]))
                except (RedisConnectionError, RedisTimeoutError, TimeoutError) as error:
                    failure = error
                except RedisError as error:
                    if "cluster support disabled" in str(error):
                        message = f"{place} is no cluster: write redis:// in place of redis+cluster:// in SEGUE_REDIS"
                        raise ServiceError(message) from error
                    failure = error
                else:
                    if rows:
                        self._owners, self._stale = _owners(rows, place), False
                        return
            if failure is not None:
                raise failure
            message = "no server has any slot"
            raise ClusterDownError(message, status_code="CLUSTERDOWN")


def slot_of(command: Command) -> int | None:
    """Return the slot of a command's first key, None where it has no key."""
    name = command[0]
    if name in KEYLESS:
        return None
    key = command[3] if name in _SCRIPTS else command[1]
    return key_slot(key.encode() if isinstance(key, str) else key)


def _units(commands: Sequence[Command]) -> list[_Unit]:
    units: list[_Unit] = []
    for index, command in enumerate(commands):
        slot = slot_of(command)
        if slot is None and units:
            units[-1].indexes.append(index)
        else:
            units.append(_Unit(slot, [index]))
    return units


def _owners(rows: Sequence[Any], asked: Place) -> dict[int, Place]:
    """Return slot -> where its master listens, of what CLUSTER SLOTS answers."""
    owners: dict[int, Place] = {}
    for first, last, master, *_ in rows:
        host = (master[0] or b"").decode()
        place = Place(host if host not in {"", "?"} else asked.host, int(master[1]))
        owners |= dict.fromkeys(range(first, last + 1), place)
    return owners
