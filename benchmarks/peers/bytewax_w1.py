"""W1 on Bytewax, with no recovery store: its state is in memory only, and gone with the process.

Runs in an environment of its own (`fetch.py`), and reads from the environment what the plain agents read (`plain.py`).
"""

from __future__ import annotations

import os
from typing import Any

import orjson
from bytewax import operators as op  # type: ignore[import-not-found,unused-ignore]  # the project's own has it not
from bytewax.connectors.kafka import (  # type: ignore[import-not-found,unused-ignore]  # likewise
    KafkaSink,
    KafkaSinkMessage,
    KafkaSource,
)
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found,unused-ignore]  # likewise
from bytewax.run import cli_main  # type: ignore[import-not-found,unused-ignore]  # likewise
from confluent_kafka import OFFSET_BEGINNING  # type: ignore[import-not-found,unused-ignore]  # likewise

from benchmarks.marks import Mark
from benchmarks.w1_step import Customer, step

BATCH = 2_000


def main() -> None:
    """Work through the backlog; the flow ends with its topic."""
    brokers, prefix = [os.environ["BENCH_BROKER"]], os.environ["BENCH_PREFIX"]
    count, done = int(os.environ["BENCH_EVENTS"]), 0

    def segment(customer: Customer | None, event: dict[str, Any]) -> tuple[Customer, list[dict[str, str]]]:
        nonlocal done
        if not done:
            Mark.take("begin", 0)
        customer, crossed = step(customer, event)
        done += 1
        if done == count:
            Mark.take("end", done)
        return customer, [
            {"customer_id": event["userId"], "segment": name, "change": "entered" if entered else "exited"}
            for name, entered in crossed
        ]

    flow = Dataflow("w1")
    source = KafkaSource(
        brokers, [f"{prefix}customer-events"], tail=False, starting_offset=OFFSET_BEGINNING, batch_size=BATCH
    )
    events = op.map(
        "decode", op.input("events", flow, source), lambda record: (record.key.decode(), orjson.loads(record.value))
    )
    changes = op.stateful_flat_map("segment", events, segment)
    encoded = op.map("encode", changes, lambda change: KafkaSinkMessage(change[0].encode(), orjson.dumps(change[1])))
    op.output("changes", encoded, KafkaSink(brokers, f"{prefix}segment-changes"))
    cli_main(flow)


if __name__ == "__main__":
    main()
