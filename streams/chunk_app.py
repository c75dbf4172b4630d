"""The Faust app of a worker: one agent over the chunks of one topic, and what it tells the worker.

Faust's traps that its settings avoid: it would make topics and a folder of its own, elect a leader through a topic,
serve a web page, wait for streams at each rebalance, and restart a crashed agent behind our back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import faust
from faust.assignor.partition_assignor import PartitionAssignor
from faust.serializers import codecs
from mode.supervisors import CrashingSupervisor

from rules.errors import ServiceError
from streams.broker_access import faust_credentials
from streams.transport import ChunkTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka.cluster import ClusterMetadata
    from faust.assignor.partition_assignor import MemberAssignmentMapping, MemberMetadataMapping

    from streams.chunk import Chunk
    from streams.settings import Settings
    from streams.transport import ChunkConsumer

CHUNK_CODEC = "segue-chunk"
MOST_BYTES_A_FETCH = 4 << 20
NEVER_S = 10 * 365 * 86_400.0
"""After so long without a fetch aiokafka leaves the group, and does not join it again before there is one: a spare
worker, which has nothing to fetch, would be of no use after 17 minutes (Faust's default)."""


class WholeAssignor(PartitionAssignor):
    """Faust's, which gives nobody anything where the leader of the group has not heard of the topic yet.

    So it is while a broker that was started again learns what it has; and nobody would ask again for minutes.
    """

    def assign(  # type: ignore[override]  # as in Faust
        self, cluster: ClusterMetadata, member_metadata: MemberMetadataMapping
    ) -> MemberAssignmentMapping:
        """Return each member's share; where the topic is not known, raise, so that the group is joined again."""
        events = cast("ChunkApp", self.app).events
        if not cluster.partitions_for_topic(events):
            message = f"the broker does not know the topic {events} at the moment"
            raise ServiceError(message)
        return super().assign(cluster, member_metadata)


class Listener(Protocol):
    """Who is told what happens to the partitions; all calls come in the event loop that started the app."""

    def assigned(self, partitions: set[int]) -> None:
        """Begin a tenure for each: these are ours now, and none else."""

    async def revoked(self, partitions: set[int]) -> None:
        """End the tenures of these: they go to somebody else as soon as this returns."""

    def receive(self, chunk: Chunk, acknowledge: Callable[[], object]) -> None:
        """Take a chunk; call `acknowledge` when it is done, or never."""

    def failed(self, error: Exception) -> None:
        """Stop: reading has failed for good."""


class ChunkApp(faust.App):
    """A Faust app over the chunks of one topic, made by `chunk_app`; `listener` is set before it starts."""

    listener: Listener
    events: str
    fetch_wait_ms: int
    chunk_size: int
    unbroken: bool

    @property
    def chunks(self) -> ChunkConsumer:
        """The consumer, once started."""
        return cast("ChunkConsumer", self.consumer)

    async def on_first_start(self) -> None:
        """Make no folder: there are no tables."""

    async def receive(self, stream: Any) -> None:
        """Hand each chunk on; this is the app's one agent. An exception here would acknowledge the chunk."""
        async for event in stream.noack().events():
            self.listener.receive(event.value, event.ack)


def chunk_app(settings: Settings, events: str, group: str, *, unbroken: bool = False) -> ChunkApp:
    """Return the app, not started; call it in the event loop that will run it.

    `unbroken` is for a broker whose fetches may pass over a record (`streams.unbroken`).
    """
    session_s = settings.session_timeout / 1000
    app = ChunkApp(
        group,
        broker=[f"kafka://{address}" for address in settings.broker.split(",")],
        broker_credentials=faust_credentials(settings),
        store="memory://",
        web_enabled=False,
        topic_partitions=settings.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="none",
        consumer_max_fetch_size=MOST_BYTES_A_FETCH,
        broker_max_poll_records=settings.chunk_size,
        broker_session_timeout=session_s,
        broker_rebalance_timeout=session_s,
        broker_heartbeat_interval=session_s / 6,
        broker_max_poll_interval=NEVER_S,
        stream_wait_empty=False,
        agent_supervisor=CrashingSupervisor,
        PartitionAssignor=WholeAssignor,
    )
    app.events = events
    app.fetch_wait_ms = settings.fetch_wait
    app.chunk_size = settings.chunk_size
    app.unbroken = unbroken
    app.transport = ChunkTransport(app.conf.broker_consumer, app)
    app.agent(app.topic(events, key_serializer="raw", value_serializer=CHUNK_CODEC))(app.receive)
    return app


class _Codec(codecs.Codec):
    """Leaves a chunk alone."""

    def _loads(self, s: Any) -> Any:
        return s

    def _dumps(self, s: Any) -> Any:
        return s


codecs.register(CHUNK_CODEC, _Codec())
