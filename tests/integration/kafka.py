"""Apache Kafka itself for the tests: one node in KRaft mode, fetched once from Maven Central."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from rules.errors import ServiceError
from streams.child import HOST, Child, free_port
from streams.embedded import serves_kafka

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = "4.2.0"
FETCH_S = 300
FORMAT_S = 60

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>segue.tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class ApacheKafka(Child):
    """One node, broker and controller. Its log is on disk: `kill` and `restart` keep what it acknowledged."""

    name = "kafka"
    kind: Literal["kafka"] = "kafka"
    ready_s = 60.0
    stop_s = 15.0
    heap = ("-Xms512m", "-Xmx512m")
    java_options: ClassVar[Sequence[str]] = (*heap, "-XX:TieredStopAtLevel=1")
    """Bytecode is compiled once and quickly: it halves the CPU that a broker of some minutes takes."""

    def __init__(self) -> None:
        """Choose ports and folder; `start` fetches and formats."""
        super().__init__()
        self._controller_port = free_port()
        self.cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]

    def command(self) -> Sequence[str | Path]:
        return [*_java(*self.java_options), "kafka.Kafka", self._properties]

    def environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"]}  # java may be a script that finds the real one

    async def answers(self) -> bool:
        return await serves_kafka(self.address, self.cluster_id)

    async def start(self) -> None:
        """Format the log folder the first time, then start."""
        if not self._properties.exists():
            self._format()
        await super().start()

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def settings(self) -> dict[str, str]:
        """Return what stands in `server.properties`."""
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{HOST}:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "logs"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",  # 50 by default: each a folder to make while the first test waits
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",  # 6 s by default; so long a killed worker keeps its partitions
            "broker.session.timeout.ms": "3000",  # 9 s by default; so long a broker that was killed waits to come back
            "broker.heartbeat.interval.ms": "500",
            "log.retention.ms": "-1",  # events with times of last year would go at the next look, every 5 minutes
            "auto.create.topics.enable": "false",  # a test that forgets to create its topic is to fail
        }

    def format_options(self) -> Sequence[str]:
        """Return what more `kafka-storage format` is to do."""
        return ()

    def _format(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        lines = "".join(f"{key}={value}\n" for key, value in self.settings().items())
        properties = self.folder / "new.properties"
        properties.write_text(lines)
        tool = [*_java(*self.java_options), "kafka.tools.StorageTool", "format"]
        _run([*tool, f"--cluster-id={self.cluster_id}", "-c", str(properties), *self.format_options()], FORMAT_S)
        properties.rename(self._properties)  # its being there says that the folder is formatted


def _java(*options: str) -> list[str]:
    jars = _fetch()
    return [_tool("java"), *options, "-cp", f"{jars}/*"]


def _fetch() -> Path:
    """Return the folder that has Kafka's jars; fetch them with Maven unless an earlier run did."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache") / "segue"
    jars = cache / f"kafka-{VERSION}"
    if jars.exists():
        return jars
    print(f"fetching Apache Kafka {VERSION} with Maven (43 MB, once) to {jars}", file=sys.stderr)  # noqa: T201
    work = cache / f"kafka-{VERSION}.{uuid.uuid4().hex}"
    work.mkdir(parents=True)
    try:
        (work / "pom.xml").write_text(POM)
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={work / 'libs'}"]
        _run([_tool("mvn"), "-B", "-q", "-f", str(work / "pom.xml"), *goal], FETCH_S)
        if not jars.exists():
            (work / "libs").rename(jars)  # at once, so that a run beside this one never sees half of it
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return jars


def _tool(name: Literal["java", "mvn"]) -> str:
    path = shutil.which(name)
    if path is None:
        msg = f"{name} is not on PATH: tests on Apache Kafka need a JDK (17 or newer) and Maven"
        raise ServiceError(msg)
    return path


def _run(command: Sequence[str], limit_s: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    if done.returncode != 0:
        msg = f"{' '.join(command[:3])} … failed with status {done.returncode}:\n{done.stdout}{done.stderr}"
        raise ServiceError(msg)
