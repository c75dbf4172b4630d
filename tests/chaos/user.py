"""Tools as a user has them: `segue dump`, `segue replay --live`, and what they write."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from tests.chaos.scene import environment
from tests.chaos.verdict import differences, heard

if TYPE_CHECKING:
    from tests.chaos.scene import Scene
    from tests.chaos.verdict import Told

SEGUE = Path(sys.executable).with_name("segue")


async def segue(scene: Scene, *words: str | Path) -> None:
    """Run a command of segue's as a person would."""
    process = await asyncio.create_subprocess_exec(
        SEGUE, *words, env=environment(scene.settings), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


def read(changes: Path) -> Told:
    """Return the changes of a file, without the moments of emission."""
    told: Told = {}
    for line in changes.read_bytes().splitlines():
        change = orjson.loads(line)
        del change["emitted_at"]
        told.setdefault(change["customer_id"], []).append(change)
    return told


async def replayed(scene: Scene, folder: Path) -> list[str]:
    """Return where `segue replay --live` of a dump says otherwise than the topic of changes, once workers are gone."""
    dump, changes = folder / "dump.jsonl.gz", folder / "changes.jsonl"
    await segue(scene, "dump", "--out", dump)
    await segue(scene, "replay", "--live", "--events", dump, "--changes", changes)
    return list(differences(heard(scene.changes.records), read(changes)))
