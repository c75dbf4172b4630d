"""What a server does with an acknowledged write when it crashes: read once, at start.

A change must not become public before its commit can no longer be undone. A server that syncs its append-only file
before every reply needs nothing more; one that syncs it each second is waited for with WAITAOF; others lose data.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from redis.exceptions import BusyLoadingError, ResponseError

from rules.errors import ServiceError

if TYPE_CHECKING:
    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

OLDEST = (7, 2)  # WAITAOF, script flags and acl_check_cmd


async def must_wait(client: Redis, address: str, *, require_durable: bool) -> bool:
    """Return whether each commit has to be followed by WAITAOF.

    Raises `ServiceError` where the server is too old, or where `require_durable` and it may lose acknowledged writes;
    `BusyLoadingError` while it reads its files.
    """
    facts: dict[str, Any] = await client.info()
    if facts["loading"]:
        # for so long it says that it has no append-only file, lest it write to the one it reads
        message = "the server is reading its files"
        raise BusyLoadingError(message)
    version = str(facts["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        message = f"{address} is Redis {version}; segue needs Redis 7.2 or later, or Valkey"
        raise ServiceError(message)
    evicts = int(facts["maxmemory"]) and str(facts["maxmemory_policy"]).startswith("allkeys")
    fsync = await _fsync(client) if facts["aof_enabled"] else "none"
    faults = []
    if evicts:
        faults.append(f"evicts keys at its memory limit ({facts['maxmemory_policy']}): set maxmemory-policy noeviction")
    if fsync == "none":
        faults.append("keeps no append-only file: set appendonly yes and appendfsync always")
    if fsync == "no":
        faults.append("never syncs its append-only file: set appendfsync always")
    if faults and require_durable:
        message = f"{address} may lose what it acknowledged. It " + "; it ".join(faults)
        raise ServiceError(message)
    if fsync == "everysec":
        logger.warning("%s has appendfsync everysec: each commit waits up to a second; set it to always", address)
    return fsync in {"everysec", "unknown"}


async def _fsync(client: Redis) -> str:
    try:
        answer: dict[Any, Any] = await client.config_get("appendfsync")
    except ResponseError:  # managed services forbid CONFIG; WAITAOF is right, if slower, whatever the setting
        return "unknown"
    return str(answer.get("appendfsync", "unknown"))
