"""Who takes part in the throughput benchmark of one ruleset: plain Faust, the other peers, segue in its forms."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.cases import W1
from benchmarks.compiled import compiled_engine
from benchmarks.load import make_load
from benchmarks.missing import Missing
from benchmarks.peers import fetch
from benchmarks.subjects import Peer, Segue, measure_peer, measure_segue
from benchmarks.verdict import Reference, check_same_work, plain_crossings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from benchmarks.cases import Case
    from benchmarks.services import Broker
    from benchmarks.subjects import Figures

EVENTS = 200_000
W1_EVENTS = 400_000
"""More than of the standard ruleset: a JVM needs its time until it has compiled what runs often."""
PLAIN_EVENTS = 20_000
ROWS = ("faust", "quix", "bytewax", "kstreams", "segue", "compiled", "workers", "hot")
PLAIN = "plain Faust"
HOT_SHARE = 0.3


@dataclass(slots=True)
class Row:
    """One row of the table: how it is measured, and what came of it; or why it is missing."""

    name: str
    run: Callable[[], Awaitable[Figures]] | None = None
    missing: str | None = None
    has_store: bool = False
    comparable: bool = True
    """Whether its load is plain Faust's."""
    figures: list[Figures] = field(default_factory=list)


class Contest:
    """One case on one broker: the rows that are measured in turn."""

    def __init__(self, broker: Broker, case: Case, given: argparse.Namespace) -> None:
        """Make the load, and what should come of it; fetch and build what is not there yet."""
        self.case = case
        self._broker = broker
        self._given = given
        self._only = given.only or ROWS
        self._events = given.events or (W1_EVENTS if case is W1 else EVENTS)
        self._load = make_load(self._events, traits=case.traits)
        self.rows = list(self._rows())

    def _rows(self) -> Iterator[Row]:
        if "faust" in self._only:
            command = [sys.executable, "-P", str(self.case.agent), "worker", "-l", "warn", "--without-web"]
            yield self._peer(PLAIN, lambda: command, self._given.plain_events)
        if self.case is W1:
            yield from (self._peer(title, make) for name, (title, make) in self._peers().items() if name in self._only)
        yield from self._segue()

    def _peers(self) -> dict[str, tuple[str, Callable[[], list[str]]]]:
        def python(peer: str) -> list[str]:
            self._need_kafka()
            return [str(fetch.python_of(peer)), "-P", str(fetch.HERE / f"{peer}_w1.py")]

        def streams() -> list[str]:
            self._need_kafka()
            return ["java", "-jar", str(fetch.kafka_streams())]

        return {
            "quix": ("Quix Streams", lambda: python("quix")),
            "bytewax": ("Bytewax, not durable", lambda: python("bytewax")),
            "kstreams": ("Kafka Streams, exactly once", streams),
        }

    def _peer(self, name: str, make: Callable[[], list[str]], events: int | None = None) -> Row:
        try:
            peer = Peer(name, make())
        except Missing as missing:
            return Row(name, missing=str(missing))
        load = self._load[:events]
        return Row(name, functools.partial(measure_peer, self._broker, peer, load, plain_crossings(self.case, load)))

    def _need_kafka(self) -> None:
        if self._broker.kind != "kafka":
            message = "it needs Apache Kafka, and this is the embedded broker"
            raise Missing(message)

    def _segue(self) -> Iterator[Row]:
        engine, missing = _engine() if {"compiled", "workers", "hot"} & set(self._only) else (None, None)
        best = "segue compiled" if engine is not None else "segue"
        if {"segue", "compiled", "workers"} & set(self._only):
            reference = Reference(self.case, self._load)
            check_same_work(self.case, self._load, reference)
            measure = functools.partial(measure_segue, self._broker, self.case, self._load, reference)
            if "segue" in self._only:
                yield Row("segue", functools.partial(measure, Segue(profile=self._given.profile)), has_store=True)
            if "compiled" in self._only:
                run = functools.partial(measure, Segue(engine)) if engine is not None else None
                yield Row("segue compiled", run, missing, has_store=True)
            if "workers" in self._only:
                yield Row(f"{best}, 2 workers", functools.partial(measure, Segue(engine, workers=2)), has_store=True)
        if "hot" in self._only:
            load = make_load(self._events, traits=self.case.traits, hot=HOT_SHARE)
            reference = Reference(self.case, load)
            run = functools.partial(measure_segue, self._broker, self.case, load, reference, Segue(engine))
            yield Row(f"{best}, hot customer", run, has_store=True, comparable=False)


def _engine() -> tuple[Path | None, str | None]:
    """Return the compiled engine's folder, or why there is none."""
    try:
        return compiled_engine(), None
    except Missing as missing:
        return None, str(missing)
