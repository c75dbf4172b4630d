"""A cluster of Valkey servers on this machine: three masters, and as many replicas as a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from streams.child import free_port
from streams.embedded import EmbeddedValkey
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

SLOTS = 16_384
MASTERS = 3
NODE_TIMEOUT_MS = 1_000


class Node(EmbeddedValkey):
    """One server of a cluster."""

    def __init__(self) -> None:
        super().__init__()
        self._bus = free_port()

    def command(self) -> Sequence[str | Path]:
        options = {
            "--cluster-enabled": "yes",
            "--cluster-port": str(self._bus),
            "--cluster-config-file": "nodes.conf",
            "--cluster-node-timeout": str(NODE_TIMEOUT_MS),
            "--cluster-replica-validity-factor": "0",
            "--repl-diskless-sync-delay": "0",
        }
        return [*super().command(), *(word for option in options.items() for word in option)]

    async def ask(self, *command: Any) -> Any:
        """Send this server a command."""
        async with Redis.from_url(self.url) as client, client.pipeline(transaction=False) as pipe:
            pipe.execute_command(*command)
            return (await pipe.execute())[0]

    async def identity(self) -> str:
        found: bytes = await self.ask("CLUSTER", "MYID")
        return found.decode()

    async def meet(self, other: Node) -> None:
        await self.ask("CLUSTER", "MEET", "127.0.0.1", other.port, other._bus)


class ValkeyCluster:
    """The servers: each master has a third of the slots, and a replica where there are any."""

    def __init__(self, masters: Sequence[Node], replicas: Sequence[Node]) -> None:
        self.masters = masters
        self.replicas = replicas

    @property
    def nodes(self) -> list[Node]:
        return [*self.masters, *self.replicas]

    @property
    def url(self) -> str:
        """Two of the servers: any names the others."""
        return f"redis+cluster://{self.masters[0].address},{self.masters[-1].address}"

    async def master_of(self, key: str) -> Node:
        """Return the server that has the key's slot."""
        found = await self.owner(key)
        assert found is not None, f"nobody has the slot of {key}"
        return found

    async def owner(self, key: str) -> Node | None:
        """Return the server that has the key's slot by its own word; None while there is none that answers."""
        for node in self.nodes:
            with contextlib.suppress(RedisError):
                reply = await node.ask("CLUSTER", "NODES")
                [myself] = [line.split() for line in reply.decode().splitlines() if "myself" in line]
                if "master" in myself[2] and _has(myself[8:], key_slot(key.encode())):
                    return node
        return None

    async def replaced(self, key: str, dead: Node) -> None:
        """Wait until another server has the key's slot."""

        async def met() -> bool:
            return await self.owner(key) not in {None, dead}

        await until(met, "the replica to take over by itself")

    async def another_than(self, node: Node) -> Node:
        """Return a master other than this one."""
        return next(master for master in self.masters if master is not node)

    async def replica_now(self, master: Node) -> Node:
        """Return a server that follows this one."""
        for node in self.nodes:
            with contextlib.suppress(RedisError):
                info = await node.ask("INFO", "replication")
                if info["role"] == "slave" and info["master_port"] == master.port:
                    return node
        message = "nobody follows it"
        raise AssertionError(message)

    async def begin_to_move(self, key: str) -> tuple[Node, Node, int]:
        """Begin to move the key's slot; return from whom, to whom, and which."""
        slot, source = key_slot(key.encode()), await self.master_of(key)
        target = await self.another_than(source)
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", await source.identity())
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", await target.identity())
        return source, target, slot

    async def move_keys(self, source: Node, target: Node, slot: int, most: int = 1_000) -> int:
        """Move some of the slot's keys; return how many there were to be moved."""
        keys = await source.ask("CLUSTER", "GETKEYSINSLOT", slot, most)
        if keys:
            await source.ask("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
        return len(keys)

    async def end_move(self, source: Node, target: Node, slot: int) -> None:
        """Give the slot to its new server for good."""
        while await self.move_keys(source, target, slot):
            pass
        await self._replicated(target)  # else it could take with it what came, as with any write that nobody waits for
        for node in (target, source, *self.masters):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", await target.identity())

    async def _replicated(self, master: Node) -> None:
        """Wait until the replica, where there is one, has all that the server has now."""
        wanted = (await master.ask("INFO", "replication"))["master_repl_offset"]

        async def met() -> bool:
            info = await master.ask("INFO", "replication")
            return not info["connected_slaves"] or bool(info["slave0"]["offset"] >= wanted)

        await until(met, "the replica to have what was moved")

    async def move(self, key: str) -> None:
        """Move the key's slot, with all that is in it, to another server."""
        source, target, slot = await self.begin_to_move(key)
        await self.end_move(source, target, slot)

    async def empty(self) -> None:
        """Remove every key."""
        for node in self.masters:
            await node.ask("FLUSHALL")


@contextlib.asynccontextmanager
async def valkey_cluster(*, replicas: bool = False) -> AsyncIterator[ValkeyCluster]:
    """Run a cluster."""
    async with contextlib.AsyncExitStack() as stack:
        count = 2 * MASTERS if replicas else MASTERS
        nodes = [Node() for _ in range(count)]
        await asyncio.gather(*(stack.enter_async_context(node) for node in nodes))
        masters, others = nodes[:MASTERS], nodes[MASTERS:]
        for number, node in enumerate(masters):
            first, last = number * SLOTS // MASTERS, (number + 1) * SLOTS // MASTERS - 1
            await node.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for number, node in enumerate(nodes):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in nodes[1:]:
            await node.meet(nodes[0])
        await until(lambda: _all_say(nodes, f"cluster_known_nodes:{count}"), "the servers to know each other")
        for master, replica in zip(masters, others, strict=False):
            await replica.ask("CLUSTER", "REPLICATE", await master.identity())
        await until(lambda: _all_say(nodes, "cluster_state:ok"), "the cluster to be well")
        for replica in others:
            await until(functools.partial(_is_linked, replica), "the replicas to have all")
        yield ValkeyCluster(masters, others)


def _has(ranges: Sequence[str], slot: int) -> bool:
    """Whether a slot is among those of a server, as CLUSTER NODES writes them; one on the move is in brackets."""
    bounds = [text.partition("-") for text in ranges if not text.startswith("[")]
    return any(int(first) <= slot <= int(last or first) for first, _, last in bounds)


async def _all_say(nodes: Sequence[Node], words: str) -> bool:
    said = [await node.ask("CLUSTER", "INFO") for node in nodes]
    return all(words in text.decode() for text in said)


async def _is_linked(replica: Node) -> bool:
    info = await replica.ask("INFO", "replication")
    return bool(info["role"] == "slave" and info["master_link_status"] == "up")


async def until(met: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not await met():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        await asyncio.sleep(0.02)
