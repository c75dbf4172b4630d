"""A scene on a store of its own, which a test may set back, empty, fill up or replace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis

from tests.chaos.driver.wire import State, Wire
from tests.chaos.scene import SEED, Scene, make_scene
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker


@dataclass
class StoreScene:
    """A scene, and the address at which it finds its store: another server may stand there at any time."""

    scene: Scene
    wire: Wire

    def turn_to(self, server: EmbeddedValkey) -> None:
        """Have the address stand for this server, as DNS or a proxy does after a failover."""
        self.wire.to_port = server.port
        self.wire.turn(State.CUT)
        self.wire.turn(State.OPEN)
        self.scene.valkey = server


@contextlib.asynccontextmanager
async def store_scene(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, folder: Path, **settings: Any
) -> AsyncIterator[StoreScene]:
    """Make an app on this store; `settings` shall be otherwise than usual. Prints the seed."""
    seed = SEED or secrets.token_hex(4)
    print(f"SEGUE_CHAOS_SEED={seed} broker {broker.kind} app {app_id} logs {folder}")  # noqa: T201 - pytest shows it
    async with Wire(valkey.port) as wire:
        settings = {"redis": f"redis://{wire.address}/0", **settings}
        async with make_scene(broker, valkey, topic_prefix, app_id, folder, seed, **settings) as scene:
            yield StoreScene(scene, wire)


async def ask(valkey: EmbeddedValkey, *command: Any) -> Any:
    """Send a server a command."""
    async with Redis.from_url(valkey.url) as client, client.pipeline(transaction=False) as pipe:
        pipe.execute_command(*command)
        return (await pipe.execute())[0]


async def replicate(replica: EmbeddedValkey, master: EmbeddedValkey) -> None:
    """Make it a replica, and wait until it has all that there was."""
    host, _, port = master.address.rpartition(":")
    await ask(master, "CONFIG", "SET", "repl-diskless-sync-delay", 0)  # else it waits for more of them
    await ask(replica, "REPLICAOF", host, port)
    await until_so(lambda: _is_linked(replica), "the replica to have all")


async def _is_linked(replica: EmbeddedValkey) -> bool:
    return bool((await ask(replica, "INFO", "replication"))["master_link_status"] == "up")


def cut_off(valkey: EmbeddedValkey, part: float) -> int:
    """Cut this part off the end of a stopped server's append-only file, in mid-record; return how many bytes."""
    [file] = (valkey.folder / "appendonlydir").glob("*.incr.aof")
    size = file.stat().st_size
    os.truncate(file, round(size * (1 - part)))
    return size - file.stat().st_size


def remove_data(valkey: EmbeddedValkey) -> None:
    """Leave a stopped server nothing."""
    shutil.rmtree(valkey.folder / "appendonlydir")


async def until_so(met: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not await met():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s for {what}"
        await asyncio.sleep(0.05)
