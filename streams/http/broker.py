"""A producer that comes and goes with the broker: the server is up before it, and stays up without it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from rules.errors import AccessError, ServiceError, TopicError
from streams.broker_access import client_options
from streams.broker_errors import kept_out
from streams.producers import MAX_BATCH_BYTES, stop_producer
from streams.roles import check_role, edges_rights
from streams.tasks import end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from streams.settings import Settings

log = logging.getLogger(__name__)

_PAUSE_S = 1.0
_ANSWER_S = 2.0


class Broker:
    """The broker as the edges see it: `producer` is None until it was reached and its topics are as they must be."""

    def __init__(self, settings: Settings, edges: Collection[str] = ()) -> None:
        """Nothing is connected yet; `edges` are those that are served: their topics must be there, and be allowed."""
        self._settings = settings
        self._edges = edges
        self.producer: AIOKafkaProducer | None = None

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect, at once or as soon as the broker is there, for as long as the context lasts.

        Raises
        ------
        AccessError
            if the broker is there and does not let us in.
        TopicError
            if the broker is there and a topic is missing or not as it must be.
        """
        task: asyncio.Task[None] | None = None
        try:
            try:
                await self._connect()
            except (AccessError, TopicError):
                raise
            except ServiceError as error:
                log.warning("%s; trying again", error)
                task = asyncio.create_task(self._keep_trying())
            yield
        finally:
            await end(task)
            if self.producer is not None:
                await stop_producer(self.producer)

    async def check(self) -> None:
        """Ask the broker for an answer; raises `ServiceError`."""
        if self.producer is None:
            message = f"{self._settings.broker}: the broker has not been reached yet"
            raise ServiceError(message)
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self.producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError) as error:
            message = f"{self._settings.broker}: the broker does not answer: {error!r}"
            raise ServiceError(message) from error

    async def _keep_trying(self) -> None:
        said = ""
        while self.producer is None:
            await asyncio.sleep(_PAUSE_S)
            try:
                await self._connect()
            except ServiceError as error:
                if str(error) != said:
                    log.warning("%s; trying again", error)
                said = str(error)

    async def _connect(self) -> None:
        rights = edges_rights(self._settings, self._edges)
        found = await check_role(self._settings, rights, models=False, webhooks="webhooks" in self._edges)
        findings = [finding for finding in found if finding.fatal]
        if findings:
            raise TopicError("\n".join(map(str, findings)))
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=16 * MAX_BATCH_BYTES,
            # what the broker has not taken by then is given up; who sent it has had a 503 and sends it again
            request_timeout_ms=self._settings.http_ack_timeout,
        )
        try:
            await producer.start()
        except KafkaError as error:
            await stop_producer(producer)
            what = f"{self._settings.broker}: cannot reach the broker"
            raise await kept_out(self._settings, what, error) from error
        self.producer = producer
