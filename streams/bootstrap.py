"""A Kafka client begins only when it knows of a broker; importing this module sees to it for every client of aiokafka.

A broker that just started or went on, and is not yet part of its cluster again, answers a question for metadata with an
empty list. aiokafka (0.14.0) then counts the client as started, and who asks for a coordinator next fails an assertion:
a consumer's task that keeps the place in its group dies in silence, and the worker never joins.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Bootstrap = Callable[[AIOKafkaClient], Coroutine[Any, Any, None]]


PATIENCE_S = 10.0
_PAUSE_S = 0.2


def knowing_a_broker(bootstrap: Bootstrap) -> Bootstrap:
    """Return a bootstrap that asks again where no broker is known; it raises `KafkaConnectionError` as ever."""

    @functools.wraps(bootstrap)
    async def patient(client: AIOKafkaClient) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + PATIENCE_S
        await bootstrap(client)
        while not client.cluster.brokers():
            if loop.time() > deadline_s:
                message = f"{client.hosts}: the broker answers, but is not part of its cluster yet"
                raise KafkaConnectionError(message)
            await asyncio.sleep(_PAUSE_S)
            await client.force_metadata_update()

    return patient


AIOKafkaClient.bootstrap = knowing_a_broker(AIOKafkaClient.bootstrap)  # type: ignore[method-assign]  # see above
