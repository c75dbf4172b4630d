"""W1 on Quix Streams: state in RocksDB with a changelog on the broker, at least once, a commit a second.

Runs in an environment of its own (`fetch.py`), and reads from the environment what the plain agents read (`plain.py`).
"""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found,unused-ignore]  # the project's own has it not

from benchmarks.marks import Mark
from benchmarks.w1_step import step

COMMIT_S = 1.0


def main() -> None:
    """Work through the backlog; the last commit, after the mark, writes what is left."""
    prefix, count = os.environ["BENCH_PREFIX"], int(os.environ["BENCH_EVENTS"])
    app = Application(
        broker_address=os.environ["BENCH_BROKER"],
        consumer_group=prefix.rstrip("."),
        auto_offset_reset="earliest",
        state_dir=os.environ["BENCH_DATA"],
        loglevel="WARNING",
        commit_interval=COMMIT_S,
    )
    events = app.topic(f"{prefix}customer-events", value_deserializer="json", key_deserializer="str")
    changes = app.topic(f"{prefix}segment-changes", value_serializer="json", key_serializer="str")
    done = 0

    def segment(event: dict[str, Any], state: Any) -> list[dict[str, str]]:
        nonlocal done
        if not done:
            Mark.take("begin", 0)
        customer, crossed = step(state.get("customer"), event)
        state.set("customer", customer)
        done += 1
        if done == count:
            Mark.take("end", done)
            app.stop()
        return [
            {"customer_id": event["userId"], "segment": name, "change": "entered" if entered else "exited"}
            for name, entered in crossed
        ]

    app.dataframe(events).apply(segment, stateful=True, expand=True).to_topic(changes)
    app.run()


if __name__ == "__main__":
    main()
