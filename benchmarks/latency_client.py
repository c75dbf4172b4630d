"""The latency benchmark's clients, each in a process of its own: one sends events, one reads what is readable.

They stand for programs on other machines. So they go before whatever else wants this machine's CPUs, where the user may
say so: what is measured then is segue, and not when its neighbours have their turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

import msgspec
import orjson
from aiokafka.partitioner import DefaultPartitioner

from benchmarks.latency_jobs import Event, Got, Read, Row, Send, Sent
from benchmarks.load import PARTITIONS
from rules.dates import format_ms
from streams.producers import plain_producer
from streams.reader import TopicReader
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiokafka import AIOKafkaProducer

T = TypeVar("T", Sent, Got)

_NICENESS = -10
_MOST_A_BATCH = 500
_LEAD_S = 0.05


@contextlib.asynccontextmanager
async def client(job: Send | Read, answer: type[T]) -> AsyncIterator[Callable[[], Awaitable[T]]]:
    """Run a client for as long as the context lasts: it is ready when entered.

    What it yields lets it begin (a reader has begun) and waits for what it says.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.latency_client"), stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    stdin, stdout = process.stdin, process.stdout
    answered = False

    async def said() -> T:
        nonlocal answered
        stdin.write(b"\n")
        words = await stdout.read()
        answered = True
        return msgspec.json.decode(words, type=answer)

    try:
        stdin.write(msgspec.json.encode(job) + b"\n")
        if await stdout.readline() != b"ready\n":
            message = "a client of the benchmark did not start"
            raise SystemExit(message)
        yield said
    finally:
        if not answered and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


class Lane:
    """What one partition is sent: what comes while a batch is under way is the next batch."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int, sent: Sent) -> None:
        """Send nothing yet."""
        self._producer = producer
        self._place = topic, partition
        self._sent = sent
        self._waiting: deque[Event] = deque()
        self._task: asyncio.Task[None] | None = None

    def offer(self, event: Event) -> None:
        """Send it, or let it wait for the batch under way."""
        self._waiting.append(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())

    async def done(self) -> None:
        """Wait until all is acknowledged."""
        if self._task is not None:
            await self._task

    async def _send(self) -> None:
        topic, partition = self._place
        while self._waiting:
            batch, marked = self._producer.create_batch(), []
            now_s = time.time()
            for _ in range(min(len(self._waiting), _MOST_A_BATCH)):
                event = self._waiting.popleft()
                batch.append(key=event.customer.encode(), value=_value(event, now_s), timestamp=int(now_s * 1000))
                if event.marked:
                    marked.append(event.message)
            await (await self._producer.send_batch(batch, topic, partition=partition))
            self._sent.acknowledged |= dict.fromkeys(marked, time.time())


def _value(event: Event, now_s: float) -> bytes:
    happened_s = now_s if event.happened_s is None else event.happened_s
    body = {
        "type": "track",
        "messageId": event.message,
        "userId": event.customer,
        "event": "Product Viewed",
        "properties": {"sku": "s17", "category": "shoes", "channel": "web", "total": 19.5},
        "timestamp": format_ms(int(happened_s * 1000)),
    }
    return orjson.dumps(body)


async def send(job: Send) -> Sent:
    """Append the events, each when it is due, however long the broker takes with those before."""
    sent, partitioner, everywhere = Sent({}, {}, []), DefaultPartitioner(), list(range(PARTITIONS))
    async with plain_producer(Settings(broker=job.broker)) as producer:
        lanes = [Lane(producer, job.topic, partition, sent) for partition in everywhere]
        await producer.partitions_for(job.topic)
        events = [(event, partitioner(event.customer.encode(), everywhere, everywhere)) for event in job.what.events()]
        await _begin()
        begun_s = time.time() + _LEAD_S
        for event, partition in events:
            due_s = begun_s + event.after_s
            if (pause_s := due_s - time.time()) > 0:
                await asyncio.sleep(pause_s)
                sent.late.append(time.time() - due_s)
            if event.marked:
                sent.due[event.message] = due_s
            lanes[partition].offer(event)
        for lane in lanes:
            await lane.done()
    return sent


async def read(job: Read) -> Got:
    """Note when each record was in hand; what it says is looked at afterwards."""
    seen: list[tuple[bytes, float]] = []
    needle, found = job.needle.encode(), 0
    reader = TopicReader(
        Settings(broker=job.broker), job.topic, partitions=range(PARTITIONS), fetch_wait_ms=job.fetch_wait_ms
    )
    async with reader:
        await reader.skip_to_end()
        print("ready", flush=True)
        until = time.monotonic() + job.silence_s
        while found < job.count and time.monotonic() < until:
            records = await reader.some()
            now_s = time.time()
            some = [(record.value or b"", now_s) for record in records if needle in (record.value or b"")]
            if some:
                found += len(some)
                seen += some
                until = time.monotonic() + job.silence_s
    return Got([_row(orjson.loads(value), seen_s) for value, seen_s in seen])


def _row(body: dict[str, object], seen_s: float) -> Row:
    """Return a row of a change of segue's, of one of the plain agent's, or of an event."""
    cause = body.get("cause")
    message = cause.get("message_id") if isinstance(cause, dict) else body.get("messageId")
    return Row(str(message or body.get("customer_id")), str(body.get("change", "")), str(body.get("at", "")), seen_s)


async def _begin() -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def _main() -> None:
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    job = msgspec.json.decode(sys.stdin.readline(), type=Send | Read)
    gc.disable()  # a pause of the client's own would count as segue's
    said = await (send(job) if isinstance(job, Send) else read(job))
    sys.stdout.buffer.write(msgspec.json.encode(said))
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
