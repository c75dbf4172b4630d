"""What is done to an app, drawn from a seed: the same seed, the same faults in the same order with the same lengths."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

BRIEF_S = (0.0, 3.0)
SOME_S = (0.5, 12.0)
LONG_S = (15.0, 46.0)


class Kind(NamedTuple):
    """A kind of fault: how often it is drawn, how long it lasts mostly, and one time in eight."""

    name: str
    weight: int
    lasts_s: tuple[float, float]
    longest_s: tuple[float, float] | None
    at: str
    """`slot`: one worker; `wire`: one worker's network; `all`: every worker; `broker`, `valkey`."""


KINDS = (
    Kind("kill", 46, BRIEF_S, None, "slot"),
    Kind("kill_all", 4, BRIEF_S, None, "all"),
    Kind("freeze", 10, SOME_S, LONG_S, "slot"),
    Kind("leave", 8, SOME_S, None, "slot"),
    Kind("kill_broker", 4, BRIEF_S, SOME_S, "broker"),
    Kind("stop_broker", 4, SOME_S, LONG_S, "broker"),
    Kind("kill_valkey", 5, BRIEF_S, SOME_S, "valkey"),
    Kind("stop_valkey", 4, SOME_S, LONG_S, "valkey"),
    *(
        Kind(f"{state}_{service}", 2, SOME_S, LONG_S, "wire")
        for service in ("broker", "valkey")
        for state in ("cut", "dumb", "deaf", "slow")
    ),
)
KILLS = frozenset(("kill", "kill_all"))

BESIDE = 0.35
"""How often the next fault does not wait for the end of this one."""

CALM_EVERY = 9
"""After so many faults the workers must catch up."""


class Step(NamedTuple):
    """One fault: after `pause_s`, to slot `slot`, for `lasts_s`."""

    number: int
    kind: Kind
    slot: int
    pause_s: float
    lasts_s: float
    at_work: bool
    """Whether a kill waits until the worker holds partitions; else it comes wherever the worker is."""
    resets: bool
    """Whether connections over a wire that was dumb or deaf are reset at its end; else they go on."""
    beside: bool

    def __str__(self) -> str:
        where = f" {self.slot}" if self.kind.at in {"slot", "wire"} else ""
        return f"#{self.number} {self.kind.name}{where} for {self.lasts_s:.2f} s"


def plan(seed: str, slots: int, names: Collection[str], *, brief: bool = False) -> Iterator[Step]:
    """Yield steps without end, of the kinds that are named; where `brief`, none is longer than some seconds."""
    random = Random(f"{seed} plan")
    kinds = [kind for kind in KINDS if kind.name in names]
    number = 0
    while True:
        number += 1
        [kind] = random.choices(kinds, [kind.weight for kind in kinds])
        longest = random.random() < 1 / 8
        mostly_s, longest_s = (BRIEF_S, None) if brief else (kind.lasts_s, kind.longest_s)
        yield Step(
            number=number,
            kind=kind,
            slot=random.randrange(slots),
            pause_s=random.choice((0.0, random.uniform(0, 0.5), random.uniform(0, 3))),
            lasts_s=random.uniform(*(longest_s if longest and longest_s else mostly_s)),
            at_work=random.random() < 0.7,
            resets=random.random() < 0.5,
            beside=random.random() < BESIDE,
        )
