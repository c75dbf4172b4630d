"""One run: load, faults from a seed, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.driver.plan import CALM_EVERY, KINDS, plan
from tests.chaos.driver.stage import make_stage
from tests.chaos.driver.timeline import Timeline
from tests.chaos.user import replayed

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

SLOTS = 3
NEEDS_A_WIRE = frozenset(f"{how}_broker" for how in ("cut", "dumb", "deaf", "slow"))
NEEDS_KAFKA = NEEDS_A_WIRE | {"kill_broker", "freeze"}
"""The embedded broker forgets everything, and lets pass what a frozen worker had on its way."""


@dataclass(frozen=True)
class Wanted:
    """How much of what."""

    seed: str
    kills: int = 25
    seconds: float = 0.0
    """A run goes on for so long at least, and until there were so many kills."""
    names: Collection[str] = frozenset(kind.name for kind in KINDS)
    calm_every: int = CALM_EVERY
    brief: bool = False
    """Whether no fault lasts for more than some seconds, as in CI."""


async def run(scene: Scene, broker: Broker, folder: Path, wanted: Wanted) -> None:
    """Run it; raises `AssertionError` with what is wrong."""
    timeline = Timeline(folder / "timeline.txt")
    names = set(wanted.names) - (NEEDS_KAFKA if broker.kind == "embedded" else set())
    timeline.say(f"seed {wanted.seed}, {wanted.kills} kills, at least {wanted.seconds:g} s, logs in {folder}")
    async with make_stage(scene, broker, timeline, SLOTS) as stage:
        for slot in stage.slots:
            slot.begin()
        async with scene.load.running():
            await stage.calm()
            steps = plan(wanted.seed, SLOTS, names, brief=wanted.brief)
            await stage.go_through(steps, kills=wanted.kills, seconds=wanted.seconds, calm_every=wanted.calm_every)
        await stage.quiet()
        await scene.settled()
        for slot in stage.slots:
            await slot.leave()
        expected = await scene.judged()
        assert not stage.falls, f"workers ended that nobody ended: {stage.falls}"
        timeline.say("what was said, and what is stored, is what the log makes certain")
        found = await replayed(scene, folder)
        assert not found, "\n".join(["`segue replay --live` of the log says otherwise:", *found])
        timeline.say("`segue replay --live` of the log says the same")
        changes = sum(map(len, expected.told.values()))
        counts = ", ".join(f"{count} {name}" for name, count in sorted(stage.happened.items()))
        timeline.say(f"all is well: {expected.applied} events, {changes} changes, {stage.kills} kills; {counts}")
