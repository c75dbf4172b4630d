"""What both plain Faust agents share: the app in its usual form, the marks, and the end.

They read from the environment: BENCH_BROKER, BENCH_PREFIX (of the topics; without its dot the app id), BENCH_EVENTS
(after so many they end) and BENCH_DATA (Faust's folder).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import faust

from benchmarks.load import PARTITIONS
from benchmarks.marks import Mark

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator


def plain_app() -> faust.App:
    """Return a Faust app as one writes it, with a short session: joins wait it out on the embedded broker."""
    return faust.App(
        os.environ["BENCH_PREFIX"].rstrip("."),
        broker=f"kafka://{os.environ['BENCH_BROKER']}",
        store="memory://",
        datadir=os.environ["BENCH_DATA"],
        topic_partitions=PARTITIONS,
        web_enabled=False,
        broker_session_timeout=6.0,
        broker_rebalance_timeout=6.0,
        broker_heartbeat_interval=1.0,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
    )


def event_topic(app: faust.App) -> Any:
    """Return the topic of events, as JSON."""
    return app.topic(f"{os.environ['BENCH_PREFIX']}customer-events", value_serializer="json", key_serializer="raw")


def change_topic(app: faust.App) -> Any:
    """Return the topic of changes, as JSON."""
    return app.topic(f"{os.environ['BENCH_PREFIX']}segment-changes", value_serializer="json", key_serializer="raw")


async def counted(app: faust.App, stream: AsyncIterable[Any]) -> AsyncIterator[Any]:
    """Yield the stream's values; mark the first and the last, and end the process after it."""
    done, count = 0, int(os.environ["BENCH_EVENTS"])
    async for value in stream:
        if not done:
            Mark.take("begin", 0)
        yield value
        done += 1
        if done == count:
            Mark.take("end", done)
            await app.producer.flush()
            os._exit(0)  # a graceful stop takes Faust some seconds, and nothing is left to do
