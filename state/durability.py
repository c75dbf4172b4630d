"""What a server does with an acknowledged write when it crashes: read once, at start.

A change must not become public before its commit can no longer be undone. A server that syncs its append-only file
before every reply needs nothing more; one that syncs it each second is waited for with WAITAOF; others lose data.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rules.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

SYNC_TIMEOUT_MS = 5_000
OLDEST = (7, 2)  # WAITAOF, script flags and acl_check_cmd


class Synced(NamedTuple):
    """Where a write must be before it counts: in the synced append-only file (`file`), and on so many replicas.

    `commands` follow the write on its connection, and `check` takes what they answer.
    """

    file: bool = False
    replicas: int = 0
    replicas_patience_ms: int = 1_000

    @property
    def commands(self) -> list[tuple[str | int, ...]]:
        """Return what waits for it: WAITAOF, WAIT, both or neither."""
        found: list[tuple[str | int, ...]] = []
        if self.file:
            found.append(("WAITAOF", 1, 0, SYNC_TIMEOUT_MS))
        if self.replicas:
            found.append(("WAIT", self.replicas, self.replicas_patience_ms))
        return found

    def check(self, counts: Sequence[Any]) -> None:
        """Raise redis-py's `TimeoutError` where it is not there yet."""
        if self.file and counts[0][0] < 1:
            message = f"its append-only file was not synced within {SYNC_TIMEOUT_MS} ms"
            raise RedisTimeoutError(message)
        if self.replicas and counts[-1] < self.replicas:
            message = (
                f"only {counts[-1]} of {self.replicas} replicas had it after {self.replicas_patience_ms} ms "
                "(SEGUE_REDIS_REPLICAS)"
            )
            raise RedisTimeoutError(message)


async def must_wait(client: Redis, address: str, *, in_cluster: bool = False, require_durable: bool) -> bool:
    """Return whether each commit has to be followed by WAITAOF.

    Raises `ServiceError` where the server is too old, where it is part of a cluster and `in_cluster` says otherwise, or
    where `require_durable` and it may lose acknowledged writes; `BusyLoadingError` while it reads its files.
    """
    facts: dict[str, Any] = await client.info()
    if facts["loading"]:
        # for so long it says that it has no append-only file, lest it write to the one it reads
        message = "the server is reading its files"
        raise BusyLoadingError(message)
    if facts.get("cluster_enabled") and not in_cluster:
        message = f"{address} is one server of a cluster: write redis+cluster:// in SEGUE_REDIS, in place of redis://"
        raise ServiceError(message)
    version = str(facts["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        message = f"{address} is Redis {version}; segue needs Redis 7.2 or later, or Valkey"
        raise ServiceError(message)
    fsync = await _fsync(client) if facts["aof_enabled"] else "none"
    if faults := list(_faults(facts, fsync)):
        message = f"{address} may lose what it acknowledged. It " + "; it ".join(faults)
        if require_durable:
            message += ". SEGUE_REDIS_DURABLE=false goes on all the same: docs/operations.md says what that costs"
            raise ServiceError(message)
        logger.warning("%s", message)
    if fsync == "unknown":
        message = "%s forbids CONFIG: how its append-only file is synced cannot be seen, so each commit waits for that"
        logger.warning(message, address)
    if fsync == "everysec":
        logger.warning("%s has appendfsync everysec: each commit waits up to a second; set it to always", address)
    return fsync in {"everysec", "unknown"}


def _faults(facts: Mapping[str, Any], fsync: str) -> Iterator[str]:
    if int(facts["maxmemory"]) and str(facts["maxmemory_policy"]).startswith("allkeys"):
        yield f"evicts keys at its memory limit ({facts['maxmemory_policy']}): set maxmemory-policy noeviction"
    if fsync == "none":
        yield "keeps no append-only file: set appendonly yes and appendfsync always"
    if fsync == "no":
        yield "never syncs its append-only file: set appendfsync always"


async def _fsync(client: Redis) -> str:
    try:
        answer: dict[Any, Any] = await client.config_get("appendfsync")
    except ResponseError:  # managed services forbid CONFIG; WAITAOF is right, if slower, whatever the setting
        return "unknown"
    return str(answer.get("appendfsync", "unknown"))
