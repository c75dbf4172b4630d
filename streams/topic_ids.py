"""What a broker says of its topics: their ids (one created anew under its old name has another), and our rights.

aiokafka 0.14 speaks Metadata up to version 5; rights come with version 8, topic ids with version 10. So version 12
(Apache Kafka 3.1 and later) is written here, for this one question. Source:
https://kafka.apache.org/protocol#The_Messages_Metadata
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, NoError, for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streams.broker_access import client_options
from streams.broker_errors import refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BytesIO

    from streams.settings import Settings

_METADATA = 3
_VERSION = 12
_UUID_BYTES = 16
_NO_ID = uuid.UUID(int=0)
_NOT_TOLD = -(2**31)
_MOST_RIGHTS = 31


class _Uuid(AbstractType[uuid.UUID]):
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(_UUID_BYTES))


class _Answer(Response):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _Question(RequestStruct):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_Question]):
    API_KEY = _METADATA

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_Question]) -> _Question:
        return request_struct_class([(_NO_ID, name, {}) for name in self._names], False, True, {})


class About(NamedTuple):
    """What a broker says of a topic.

    `rights` are the numbers of Kafka's AclOperation that we may do, None where it does not tell; `error` is why the
    rest is not told.
    """

    id: str | None
    rights: frozenset[int] | None
    error: type[KafkaError] | None


async def about_topics(settings: Settings, names: Sequence[str]) -> dict[str, About]:
    """Return what the broker says of each topic; a broker too old for the question says nothing of any.

    Raises `ServiceError`.
    """
    client = AIOKafkaClient(**client_options(settings))
    try:
        await client.bootstrap()
        answer = await client.send(client.get_random_node(), _MetadataRequest(names))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return {}
    except KafkaError as error:
        what = f"{settings.broker}: cannot ask the broker about its topics"
        raise refused(settings, what, error) from error
    finally:
        await client.close()
    return {topic[1]: _about(topic) for topic in answer.topics}


async def topic_ids(settings: Settings, names: Sequence[str]) -> dict[str, str]:
    """Return name -> id of those topics that have one; a broker too old for ids gives none.

    Raises `ServiceError`.
    """
    return {name: about.id for name, about in (await about_topics(settings, names)).items() if about.id is not None}


def _about(topic: tuple[Any, ...]) -> About:
    error = for_code(topic[0])
    if error is not NoError:
        return About(None, None, error)
    rights = topic[5]
    return About(
        None if topic[2] == _NO_ID else str(topic[2]),
        None if rights == _NOT_TOLD else frozenset(bit for bit in range(_MOST_RIGHTS) if rights >> bit & 1),
        None,
    )
