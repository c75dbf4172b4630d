"""Producers beside Faust's: plain ones, and how any of them is stopped for good."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

import streams.bootstrap  # noqa: F401 - for each client
from streams.broker_access import client_options
from streams.broker_errors import kept_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiokafka.producer.message_accumulator import MessageAccumulator

    from streams.settings import Settings

MAX_BATCH_BYTES = 900_000
"""Below the 1 MB that a broker takes by default (`message.max.bytes`), headers of the batch included."""

_STOP_S = 1.0


@contextlib.asynccontextmanager
async def plain_producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Run a producer without idempotence for ticks and rejected records; raises `ServiceError`."""
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        linger_ms=0,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=16 * MAX_BATCH_BYTES,
    )
    try:
        try:
            await producer.start()
        except KafkaError as error:
            raise await kept_out(settings, f"{settings.broker}: cannot reach the broker", error) from error
        yield producer
    finally:
        await stop_producer(producer)


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop it, and if it cannot deliver what it holds, hard: nothing of it is sent afterwards.

    aiokafka's own `stop` waits until all is delivered, for ever where the broker is gone.
    """
    try:
        async with asyncio.timeout(_STOP_S):
            await producer.stop()
            return
    except TimeoutError:
        pass
    except KafkaError:
        pass  # a fenced producer's sender task ends with the error that fenced it
    await producer.client.close()
    with contextlib.suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(_STOP_S):
            await producer._sender.close()  # noqa: SLF001 - there is no public way to give up
    _give_up(producer._message_accumulator)  # noqa: SLF001 - the sender puts back what was on its way, so this is last


def _give_up(batches: MessageAccumulator) -> None:
    """Fail all that was not delivered, and leave nothing for asyncio to complain of."""
    back = [batch for some in batches._batches.values() for batch in some]  # noqa: SLF001 - there is no public way
    # aiokafka takes a batch that was sent once out of these when its fate is known, though it did so putting it back
    batches._pending_batches.update(batch for batch in back if batch.retry_count)  # noqa: SLF001 - likewise
    left = [*back, *batches._pending_batches]  # noqa: SLF001 - likewise
    batches.fail_all(KafkaConnectionError("the producer was stopped"))
    for batch in left:
        for future in (batch.future, batch._drain_waiter):  # noqa: SLF001 - likewise
            if future.done() and not future.cancelled():
                future.exception()  # whoever waits has it, too
