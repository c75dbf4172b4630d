"""Scans of keys whose cursors know where they hold.

A server's cursor is a place in its hash table, which another run of the server, or the replica that took its place,
lays out otherwise: going on there would leave keys out. So a cursor of ours carries a fingerprint of the run (and of
the slots, on a cluster) that it was made by; where that is not found any more, the scan begins anew. What comes twice
does no harm.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import TryAgainError

from state.servers import checked, piped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from state.connect import Link
    from state.servers import Command

SIGN_BITS = 18
_SIGNS = (1 << SIGN_BITS) - 1
_MOVING = re.compile(r"\[\d+-[<>]-")


class _Server(NamedTuple):
    """One that has slots: `sign` is its fingerprint, from 1 to 2^SIGN_BITS - 1."""

    sign: int
    client: Redis


async def scan_slot(link: Link, key: str, pattern: str, cursor: int, limit: int) -> tuple[int, list[bytes]]:
    """Scan the keys of a pattern that are in the slot of `key`: (next cursor, some of them).

    Each key that stays throughout comes at least once, whatever the servers do meanwhile: while a slot is moved key by
    key, neither server has all of them, and the scan waits (`TryAgainError`).
    """
    sign, following, keys = await _scan_slot(link, key, pattern, cursor >> SIGN_BITS, limit)
    if cursor and cursor & _SIGNS != sign:
        sign, following, keys = await _scan_slot(link, key, pattern, 0, limit)
    return _packed(following, sign), keys


async def _scan_slot(link: Link, key: str, pattern: str, begun: int, limit: int) -> tuple[int, int, list[bytes]]:
    """Return the sign of the server that has the slot now, its next cursor, and some keys."""
    in_cluster = link.servers.is_cluster
    commands: list[Command] = [("EXISTS", key)]  # which leads to the server that has the slot
    commands += [("CLUSTER", "NODES")] if in_cluster else []
    commands += [("INFO", "server"), ("SCAN", begun, "MATCH", pattern, "COUNT", limit)]
    _, *nodes, info, (following, keys) = checked(await link.servers.pipe(commands))
    if in_cluster and _MOVING.search(_myself(nodes[0])):
        message = "a slot is on the move"
        raise TryAgainError(message, status_code="TRYAGAIN")
    return _sign(str(info["run_id"])), int(following), keys


async def scan_all(link: Link, pattern: str, cursor: int, limit: int) -> tuple[int, list[bytes]]:
    """Scan the keys of a pattern on all servers: (next cursor, some of them).

    On a cluster whose slots are being moved, a key may be left out that is moved meanwhile.
    """
    servers = await _signed(link)
    at = next((index for index, server in enumerate(servers) if server.sign == cursor & _SIGNS), 0)
    begun = cursor >> SIGN_BITS if servers[at].sign == cursor & _SIGNS else 0
    command = ("SCAN", begun, "MATCH", pattern, "COUNT", limit)
    [(following, keys)] = checked(await piped(servers[at].client, [command]))
    if int(following) == 0 and at + 1 < len(servers):
        return servers[at + 1].sign, keys
    return _packed(int(following), servers[at].sign), keys


async def _signed(link: Link) -> list[_Server]:
    """Return the servers in an order that only a change among them changes; no two have the same sign."""
    each = await link.servers.each()
    asked: list[Command] = [("INFO", "server"), *([("CLUSTER", "NODES")] if link.servers.is_cluster else [])]
    runs = []
    for _, client in each:
        info, *nodes = checked(await piped(client, asked))
        slots = _myself(nodes[0]).partition(" connected ")[2] if nodes else ""
        runs.append((_sign(f"{info['run_id']} {slots}"), client))
    servers: list[_Server] = []
    for sign, client in sorted(runs, key=lambda run: run[0]):
        least = servers[-1].sign + 1 if servers else 1
        servers.append(_Server(max(sign, least), client))
    return servers


def _sign(text: str) -> int:
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") % (_SIGNS - 1_000) + 1  # with room for the next ones of equal ones


def _packed(following: int, sign: int) -> int:
    return following << SIGN_BITS | sign if following else 0


def _myself(nodes: bytes) -> str:
    """Return the line of CLUSTER NODES about the server that was asked."""
    return next((line for line in nodes.decode().splitlines() if "myself" in line), "")


def run_of(infos: Sequence[Any]) -> str:
    """Return what tells this run of the servers from another, of what each answers to INFO."""
    runs = sorted(str(info["run_id"]) for info in infos)
    return runs[0] if len(runs) == 1 else hashlib.sha256(" ".join(runs).encode()).hexdigest()
