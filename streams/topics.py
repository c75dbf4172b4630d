"""The topics: their names, how they are made, and what is wrong with ones that exist.

Three carry events and changes; three more are there for online models, and a worker whose ruleset has none needs and
opens none of them. One has the deliveries that webhooks gave up; who delivers needs it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

import streams.bootstrap  # noqa: F401 - for each client
from rules.errors import AccessError, TopicError
from streams.broker_access import client_options
from streams.broker_errors import kept_out
from streams.rights import Right, not_allowed
from streams.topic_ids import about_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from streams.settings import Settings

TIMESTAMP_TYPE = "message.timestamp.type"
APPEND_TIME = "LogAppendTime"
RETENTION = "retention.ms"
CLEANUP = "cleanup.policy"
COMPACT = "compact"
OLD_VERSIONS = {"segment.bytes": str(64 << 20), "max.compaction.lag.ms": str(3_600_000)}
"""Every worker reads the models from the topic's beginning when it starts: versions that are superseded must go soon.

A log's newest segment is never compacted, and by default it grows to 1 GB.
"""

_SEEN_S = 30.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of an app's topics."""

    events: str
    changes: str
    rejected: str
    samples: str
    models: str
    model_events: str
    spent: str

    @classmethod
    def named(cls, settings: Settings) -> Topics:
        """Return them with the prefix."""
        prefix = settings.topic_prefix
        return cls(
            events=f"{prefix}customer-events",
            changes=f"{prefix}segment-changes",
            rejected=f"{prefix}customer-events-rejected",
            samples=f"{prefix}training-samples",
            models=f"{prefix}models",
            model_events=f"{prefix}model-events",
            spent=f"{prefix}webhooks-dead",
        )

    def all(self, *, models: bool = True, webhooks: bool = True) -> tuple[str, ...]:
        """Return the names, without `models` and `webhooks` those that every app needs."""
        more = (*(self.of_models() if models else ()), *((self.spent,) if webhooks else ()))
        return self.events, self.changes, self.rejected, *more

    def of_models(self) -> tuple[str, str, str]:
        """Return the names of those that models need; each has one partition."""
        return self.samples, self.models, self.model_events


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a topic, and the remedy. A worker starts in spite of one that is not `fatal`."""

    topic: str
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        """Return `topic: message`."""
        return f"{self.topic}: {self.message}"


async def create_topics(settings: Settings, *, models: bool = True, webhooks: bool = True) -> list[str]:
    """Create those that are missing, and return their names; raises `ServiceError` (`AccessError`, `TopicError`).

    Without `models` and `webhooks` those that they need are left out.
    """
    topics = Topics.named(settings)
    async with _admin(settings) as admin:
        there = await _partitions(admin, topics)
        # a change goes to the partition number of its event, so both have as many
        counts = {
            topics.events: there.get(topics.changes, settings.partitions),
            topics.changes: there.get(topics.events, settings.partitions),
        }
        configs = {
            topics.samples: {RETENTION: str(settings.samples_retention)},
            topics.models: {CLEANUP: COMPACT, **OLD_VERSIONS},
        }
        names = topics.all(models=models, webhooks=webhooks)
        wanted = [
            _new(name, counts.get(name, 1), settings.replication, configs.get(name, {}))
            for name in names
            if name not in there
        ]
        if wanted:
            answer: Any = await admin.create_topics(wanted)
            for name, code, text in answer.topic_errors:
                if for_code(code) in {ClusterAuthorizationFailedError, TopicAuthorizationFailedError}:
                    message = f"{name}: {not_allowed(settings, name, [Right.CREATE, Right.DESCRIBE])}"
                    raise AccessError(message)
                if for_code(code) not in {NoError, TopicAlreadyExistsError}:
                    message = f"{name}: the broker does not create it: {text or for_code(code).__name__}"
                    raise TopicError(message)
            await _wait_for(admin, settings, names)
        return [topic.name for topic in wanted]


async def check_topics(settings: Settings, *, models: bool, webhooks: bool = False) -> list[Finding]:
    """Return what is wrong with the topics; raises `ServiceError`.

    With `models` and `webhooks` those that they need must be there too.
    """
    topics = Topics.named(settings)
    async with _admin(settings) as admin:
        there = await _partitions(admin, topics)
        findings = await _missing(
            settings, [name for name in topics.all(models=models, webhooks=webhooks) if name not in there]
        )
        if models:
            findings += await _model_findings(admin, settings, topics, there)
        findings += _count_findings(topics, there, settings.partitions)
        if not settings.allow_create_time and topics.events in there:
            findings += await _time_findings(admin, settings, topics.events)
        return findings


async def count_partitions(settings: Settings, topic: str) -> int:
    """Return how many partitions a topic has, 0 where there is no such topic; raises `ServiceError`."""
    async with _admin(settings) as admin:
        return (await _counts(admin, {topic})).get(topic, 0)


async def delete_topics(settings: Settings) -> None:
    """Remove them all, where they are (a replay's own, when it ends); raises `ServiceError`."""
    topics = Topics.named(settings)
    async with _admin(settings) as admin:
        there = await _partitions(admin, topics)
        if there:
            await admin.delete_topics(sorted(there))


def _new(name: str, partitions: int, replication: int, configs: Mapping[str, str]) -> NewTopic:
    topic = NewTopic(name, partitions, 1, topic_configs={TIMESTAMP_TYPE: APPEND_TIME, **configs})
    topic.replication_factor = replication  # -1 is the broker's default; the class refuses it, the protocol does not
    return topic


def _count_findings(topics: Topics, there: Mapping[str, int], wanted: int) -> list[Finding]:
    findings = []
    events, changes = there.get(topics.events), there.get(topics.changes)
    if events is not None and changes is not None and events != changes:
        message = (
            f"it has {changes} partitions, {topics.events} has {events}: a change goes to the partition number of its "
            f"event, so create {topics.changes} anew with {events}"
        )
        findings.append(Finding(topics.changes, message))
    if events is not None and events != wanted:
        message = f"it has {events} partitions, the setting SEGUE_PARTITIONS says {wanted}: put the setting right"
        findings.append(Finding(topics.events, message))
    return findings


async def _missing(settings: Settings, names: Sequence[str]) -> list[Finding]:
    """Return what is wrong with topics that we do not see."""
    about = await about_topics(settings, names) if names else {}
    return [
        Finding(name, not_allowed(settings, name, [Right.DESCRIBE]))
        if name in about and about[name].error is TopicAuthorizationFailedError
        else Finding(name, "there is no such topic; `segue topics` creates it")
        for name in names
    ]


async def _model_findings(
    admin: AIOKafkaAdminClient, settings: Settings, topics: Topics, there: Mapping[str, int]
) -> list[Finding]:
    findings = [
        Finding(name, f"it has {there[name]} partitions: models need it to have 1, for its order; create it anew")
        for name in topics.of_models()
        if there.get(name, 1) != 1
    ]
    config = await _config(admin, topics.models) if topics.models in there else {}
    if config is None:
        return [*findings, Finding(topics.models, not_allowed(settings, topics.models, [Right.DESCRIBE_CONFIGS]))]
    cleanup = config.get(CLEANUP, COMPACT)
    if COMPACT not in cleanup:
        message = (
            f"{CLEANUP} is {cleanup}: the broker would remove models that learn nothing for a while. Run kafka-configs "
            f"--alter --entity-type topics --entity-name {topics.models} --add-config {CLEANUP}={COMPACT}"
        )
        findings.append(Finding(topics.models, message))
    return findings


async def _time_findings(admin: AIOKafkaAdminClient, settings: Settings, topic: str) -> list[Finding]:
    config = await _config(admin, topic)
    if config is None:
        return [Finding(topic, not_allowed(settings, topic, [Right.DESCRIBE_CONFIGS]))]
    if config.get(TIMESTAMP_TYPE) == APPEND_TIME:
        return []
    message = (
        f"{TIMESTAMP_TYPE} is {config.get(TIMESTAMP_TYPE, 'not told by the broker')}, not {APPEND_TIME}: with the "
        "producers' clocks a result may depend on when timers fired. Run kafka-configs --alter --entity-type topics "
        f"--entity-name {topic} --add-config {TIMESTAMP_TYPE}={APPEND_TIME}, or set SEGUE_ALLOW_CREATE_TIME=true"
    )
    return [Finding(topic, message)]


async def _config(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str] | None:
    """Return a topic's settings, None where we may not ask for them."""
    answers: list[Any] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    resources = [resource for answer in answers for resource in answer.resources]
    if any(for_code(resource[0]) is TopicAuthorizationFailedError for resource in resources):
        return None
    return {entry[0]: entry[1] for resource in resources for entry in resource[4]}


async def _partitions(admin: AIOKafkaAdminClient, topics: Topics) -> dict[str, int]:
    return await _counts(admin, set(topics.all()))


async def _counts(admin: AIOKafkaAdminClient, wanted: set[str]) -> dict[str, int]:
    """Return name -> number of partitions, of those that are there."""
    # asked for a missing topic by name, a broker may create it; the list of all asks for none
    names = set(await admin.list_topics()) & wanted
    described: Sequence[Mapping[str, Sequence[object]]] = await admin.describe_topics(sorted(names)) if names else []
    return {str(topic["topic"]): len(topic["partitions"]) for topic in described}


async def _wait_for(admin: AIOKafkaAdminClient, settings: Settings, names: Sequence[str]) -> None:
    """Wait until every partition of these topics answers.

    Kafka shows a topic before its leaders have opened all logs, and a transaction that ends on a partition meanwhile
    hangs for 30 s (a take-over's first one did, with 64 partitions).
    """
    async with asyncio.timeout(_SEEN_S):
        while len(counts := await _counts(admin, set(names))) < len(names):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(_POLL_S)
        places = [TopicPartition(name, partition) for name in counts for partition in range(counts[name])]
        async with AIOKafkaConsumer(**client_options(settings)) as consumer:
            while len(await consumer.beginning_offsets(places)) < len(places):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(_POLL_S)


@contextlib.asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        yield admin
    except (KafkaError, TimeoutError) as error:
        raise await kept_out(settings, f"{settings.broker}: cannot ask the broker for its topics", error) from error
    finally:
        await admin.close()
