"""One publisher a partition: the worker that took it over last, and the broker (or the store) refuses all others.

This module and `streams.transport` alone lean on the insides of aiokafka (0.14.0, pinned;
`tests/unit/test_internals.py` fails when they change).

Apache Kafka
    Taking over, `KafkaFence.own` opens a transaction under the partition's transactional id, adds the change
    partition and aborts it, which raises the producer epoch; then it begins a second one and waits until the
    partition is added, which the broker allows only when the first one's markers are written and replicated. From
    then on the former owner's writes are refused, and all that it wrote lies below the high watermark. The worker
    publishes as a plain idempotent producer with that producer id and epoch: no transaction a chunk.
Embedded broker
    It has no producer ids. `EpochFence` checks the epoch in the store just before sending: a write that is on its way
    while the partition changes hands may still arrive. It serves one machine.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol, cast

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, ProducerFenced, UnknownError, for_code
from aiokafka.protocol.transaction import InitProducerIdRequest

from rules.errors import Fenced
from streams.broker_access import client_options
from streams.broker_errors import kept_out, refused
from streams.producers import MAX_BATCH_BYTES, stop_producer

if TYPE_CHECKING:
    from state.store import Store
    from streams.settings import Settings

log = logging.getLogger(__name__)

HOUR_S = 3_600.0
# A partition's leader forgets a producer id that wrote nothing for a day (`producer.id.expiration.ms`; the
# transactional id itself lives 7 days), and then a former owner would pass. So a right is renewed well before, by a
# new tenure, and one that was not is no longer used: whoever fenced it did so later, and is remembered longer.
RENEW_AFTER_S = 8 * HOUR_S
REFUSE_AFTER_S = 20 * HOUR_S

_POLL_S = 0.002
_PROBES = 3


class Right(Protocol):
    """The right to write to one change partition, held until somebody else takes it or it is closed."""

    producer: AIOKafkaProducer

    async def check(self) -> None:
        """Raise `Fenced` where this side already knows that the right is gone; called just before each send."""

    async def close(self) -> None:
        """Give it up: nothing is on its way afterwards."""


class Fence(Protocol):
    """How a right is taken."""

    async def own(self, partition: int, epoch: int) -> Right:
        """Take the partition from whoever has it; raises `Fenced` or `ServiceError`."""


class KafkaFence:
    """The fence of a broker with transactions."""

    def __init__(self, settings: Settings, topic: str, *, deadline_s: float) -> None:
        """`topic` is the change topic; `deadline_s` bounds one take-over."""
        self._settings = settings
        self._topic = topic
        self._deadline_s = deadline_s

    async def own(self, partition: int, epoch: int) -> KafkaRight:
        """Fence the former owner, and wait until the broker has it in writing."""
        began = _Age()
        transactional_id = f"{self._settings.app_id}-{self._topic}-{partition}"
        producer = AIOKafkaProducer(
            **client_options(self._settings), transactional_id=transactional_id, linger_ms=0, acks="all"
        )
        try:
            async with asyncio.timeout(self._deadline_s):
                await producer.start()
                # the second one is the barrier: see the module's docstring
                for _ in range(2):
                    await _empty_transaction(producer, TopicPartition(self._topic, partition))
                pid, producer_epoch = producer._txn_manager._pid_and_epoch  # noqa: SLF001
        except ProducerFenced:
            message = f"partition {partition}: another worker takes it over at this moment"
            raise Fenced(message) from None
        except (KafkaError, TimeoutError) as error:
            what = f"partition {partition}: cannot fence the former publisher with transactional id {transactional_id}"
            raise refused(self._settings, what, error) from error
        finally:
            await stop_producer(producer)
        return await KafkaRight.start(self._settings, partition, (pid, producer_epoch), began)


class KafkaRight:
    """An idempotent producer that carries on under the fence's producer id and epoch."""

    def __init__(self, producer: AIOKafkaProducer, partition: int, age: _Age) -> None:
        """`age` counts from before the fence was raised."""
        self.producer = producer
        self._partition = partition
        self._age = age

    @classmethod
    async def start(cls, settings: Settings, partition: int, identity: tuple[int, int], age: _Age) -> KafkaRight:
        """Start the producer under (producer id, producer epoch); raises `ServiceError`."""
        producer = AIOKafkaProducer(
            **client_options(settings),
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
        )
        producer._txn_manager.set_pid_and_epoch(*identity)  # noqa: SLF001
        await _start(producer, settings, partition)
        return cls(producer, partition, age)

    async def check(self) -> None:
        """Refuse to send when the transactional id may soon expire: nobody would be fenced then."""
        if self._age.seconds() > REFUSE_AFTER_S:
            message = f"partition {self._partition}: the fence is over 20 hours old; it is taken anew"
            raise Fenced(message)

    async def close(self) -> None:
        """Stop the producer."""
        await stop_producer(self.producer)


class EpochFence:
    """The fence of a broker without transactions: the epoch in the store."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """`store` holds the epochs."""
        self._settings = settings
        self._store = store

    async def own(self, partition: int, epoch: int) -> EpochRight:
        """Start a plain producer; the store has already raised the epoch."""
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
        )
        await _start(producer, self._settings, partition)
        return EpochRight(producer, partition, epoch, self._store)


class EpochRight:
    """A plain producer, used only while the store says that the epoch is still ours."""

    def __init__(self, producer: AIOKafkaProducer, partition: int, epoch: int, store: Store) -> None:
        """Keep what `check` compares."""
        self.producer = producer
        self._partition = partition
        self._epoch = epoch
        self._store = store

    async def check(self) -> None:
        """Ask the store; raises `Fenced`."""
        head = await self._store.head(self._partition)
        if head.epoch != self._epoch:
            message = f"partition {self._partition}: epoch {head.epoch} has taken over from {self._epoch}"
            raise Fenced(message)

    async def close(self) -> None:
        """Stop the producer."""
        await stop_producer(self.producer)


async def has_producer_ids(settings: Settings) -> bool:
    """Whether the broker hands out producer ids, which the Kafka fence needs; the embedded one does not.

    Only a broker that answers each of several requests with UNKNOWN_SERVER_ERROR counts as having none; any other
    error raises `ServiceError`.
    """
    client = AIOKafkaClient(**client_options(settings))
    try:
        await client.bootstrap()
        for attempt in range(_PROBES):
            await asyncio.sleep(attempt * _POLL_S)
            answer = await client.send(
                client.get_random_node(),
                InitProducerIdRequest(transactional_id=cast("str", None), transaction_timeout_ms=1000),
            )
            if for_code(answer.error_code) is not UnknownError:
                return True
    except KafkaError as error:
        what = f"{settings.broker}: cannot ask the broker for a producer id"
        raise await kept_out(settings, what, error) from error
    finally:
        await client.close()
    return False


class _Age:
    """Time since it was made, by whichever clock says more: the monotonic one stands still while a machine sleeps."""

    def __init__(self) -> None:
        self._monotonic = time.monotonic()
        self._wall = time.time()

    def seconds(self) -> float:
        return max(time.monotonic() - self._monotonic, time.time() - self._wall)


async def _start(producer: AIOKafkaProducer, settings: Settings, partition: int) -> None:
    """Start it, or stop what there is of it: also where the partition goes to somebody else meanwhile."""
    try:
        await producer.start()
    except BaseException as error:
        await stop_producer(producer)
        if isinstance(error, KafkaError):
            raise refused(settings, f"partition {partition}: cannot start the publisher", error) from error
        raise


async def _empty_transaction(producer: AIOKafkaProducer, partition: TopicPartition) -> None:
    """Begin a transaction, add the partition, abort."""
    await producer.begin_transaction()
    manager = producer._txn_manager  # noqa: SLF001
    manager.maybe_add_partition_to_txn(partition)
    while partition not in manager.txn_partitions:
        if manager.is_fatal_error() or manager.wait_for_transaction_end().done():
            await manager.wait_for_transaction_end()  # raises what went wrong
        await asyncio.sleep(_POLL_S)
    await producer.abort_transaction()
