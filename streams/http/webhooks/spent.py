"""Spent deliveries to the topic `webhooks-dead`: each before it leaves the queue, so that none is lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from rules.dates import format_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaProducer

    from state.webhooks.queues import Dead

log = logging.getLogger(__name__)

_PAUSE_S = 1.0


class SpentTopic:
    """Writes the topic; where the broker is away, the delivery and its customer's others wait for it."""

    def __init__(self, producer: Callable[[], AIOKafkaProducer | None], topic: str) -> None:
        """Use the producer that `producer` returns, None until the broker was reached; it waits for all replicas."""
        self._producer = producer
        self._topic = topic

    async def put(self, endpoint: str, dead: Dead) -> None:
        """Return when the broker has it."""
        value = spent_record(endpoint, dead)
        while not await self._sent(dead.delivery.customer, value):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(_PAUSE_S)

    async def _sent(self, customer: str, value: bytes) -> bool:
        producer = self._producer()
        if producer is None:
            return False
        try:
            await producer.send_and_wait(self._topic, value, key=customer.encode(), partition=0)
        except MessageSizeTooLargeError:
            log.error("%s: a spent delivery is larger than the topic takes; the dead list alone has it", self._topic)
        except KafkaError as error:
            log.warning("%s: the broker did not take a spent delivery: %r; trying again", self._topic, error)
            return False
        return True


def spent_record(endpoint: str, dead: Dead) -> bytes:
    """Return the record's value: JSON with what was to be delivered, where to, and what the last attempt came to."""
    return orjson.dumps({"endpoint": endpoint, "made_at": format_ms(dead.delivery.made_ms), **facts_of(dead)})


def facts_of(dead: Dead) -> dict[str, Any]:
    """Return a spent delivery for orjson: what it was, and what the last attempt came to."""
    return {
        "id": dead.delivery.id,
        "customer_id": dead.delivery.customer,
        "spent_at": format_ms(dead.spent_ms),
        "tries": dead.tries,
        "status": dead.status,
        "failure": dead.failure,
        "shown": dead.shown,
        "body": orjson.Fragment(dead.delivery.body),
    }
