"""What fails in silence in aiokafka's consumer: its tasks, and an error that it keeps for who asks.

aiokafka (0.14.0) has two tasks, which fetch and keep the place in the group. Faust calls the fetcher past the consumer,
so nobody asks whether they live. Nor does anybody ask for a *pending error*: any answer of the coordinator that
aiokafka does not know to be passing ("unknown server error" while the broker moves the group, say) stands there, and
until the consumer's own `getmany` takes it nothing more happens: no heartbeat, no joining, no offsets; and while
offsets are asked for, no fetch. So it is taken here, and the group joined again.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
    TopicAuthorizationFailedError,
)

if TYPE_CHECKING:
    import aiokafka

log = logging.getLogger(__name__)

_FOR_GOOD = (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    InvalidGroupIdError,
)


def look_after(consumer: aiokafka.AIOKafkaConsumer) -> Exception | None:
    """Return what no patience mends; what passes is logged, and the group joined again. In the consumer's own loop."""
    coordinator: Any = consumer._coordinator  # noqa: SLF001 - there is no public way
    fetcher: Any = consumer._fetcher  # noqa: SLF001 - likewise
    if coordinator is None or fetcher is None or consumer._closed:  # noqa: SLF001 - likewise
        return None
    for task in (coordinator._coordination_task, fetcher._fetch_task):  # noqa: SLF001 - likewise
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            return error  # type: ignore[no-any-return]  # aiokafka's tasks have no type here
    error = coordinator._pending_exception  # noqa: SLF001 - likewise
    if error is None or isinstance(error, _FOR_GOOD):
        return error
    log.warning("the consumer group's coordinator answered %r; the group is joined again", error)
    with contextlib.suppress(KafkaError):  # taken, and raised
        coordinator.check_errors()
    consumer._client.force_metadata_update()  # noqa: SLF001 - what it said may be due to what this client knows
    coordinator.request_rejoin()
    return None


def is_passing(consumer: aiokafka.AIOKafkaConsumer, error: KafkaError) -> bool:
    """Whether an error that a fetch ended with is a copy of a pending one which `look_after` will take."""
    coordinator: Any = consumer._coordinator  # noqa: SLF001 - there is no public way
    pending = coordinator._pending_exception  # noqa: SLF001 - likewise
    return (
        pending is not None
        and not isinstance(pending, _FOR_GOOD)
        and (type(error), error.args) == (type(pending), pending.args)
    )
