"""Scenarios as data: definitions, then events and clock steps, each with the changes that must come of it.

A file holds a list under `scenarios`. One scenario:

    name: leaves at exactly ts + within
    pack: lifecycle                  # or `rules:`, definitions inline
    steps:
      - {event: Order Completed, at: 0s}          # an event; its changes have that event as cause
        expect: [0s entered new]
      - {clock: 30d}                              # all that is due up to and including this instant fires
        expect: [30d exited new by timer]

A step without `expect` must change nothing. Instants are sums of durations since 2026-01-01T00:00Z (`1d 2h`,
`30d -1ms`). An event takes `customer` (default c1), `id`, `type` (default track), `properties`, `traits`, and `floor`,
the instant strictly before which timers fire first (default: its own time). Another step: `rules`, new definitions
from here on.

What a model says is scripted: `scorers`, beside `rules` or as a step, newer ones from there on:

    scorers: {back: {version: 2, says: [[0, 0.1], [3, 0.9]]}}

says 0.9 while the first of the model's numbers is 3 or more, 0.1 from 0 on. Then a step may also say which samples are
`released` (in a scenario where any step does, the others release none) and, of its changes, `because` of what:

    - {clock: 2d, released: ["back at 0s by event: [1, 0], said 0.1 by version 2; 1 at 2d"]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rules.durations import describe_duration, parse_duration
from rules.load import load_text
from rules.packs import pack_text
from rules.places import parse_tree
from state.engine import Engine
from state.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.ruleset import Ruleset
    from state.change import Change
    from state.models.sample import Sample
    from state.profile import Profile

EPOCH_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
BODY: Final = ("event", "properties", "traits", "name", "groupId", "context")
FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Scenario:
    """One scenario: its definitions, and the steps as the file has them."""

    name: str
    ruleset: Ruleset
    steps: list[dict[str, Any]]
    scorers: dict[str, Any] = field(default_factory=dict)

    @property
    def samples(self) -> bool:
        """Return whether it says which samples are released."""
        return any("released" in step for step in self.steps)


@cache
def all_scenarios() -> tuple[Scenario, ...]:
    """Return the scenarios of all files, named `folder/file: name`."""
    return tuple(scenario for file in sorted(FOLDER.rglob("*.yaml")) for scenario in _scenarios(file))


def _scenarios(file: Path) -> Iterator[Scenario]:
    tree = parse_tree(file.read_text(encoding="utf-8")).tree
    place = file.relative_to(FOLDER).with_suffix("").as_posix()
    for one in tree["scenarios"]:
        ruleset = _pack(one["pack"]) if "pack" in one else load_text(json.dumps(one["rules"]), json=True)
        yield Scenario(f"{place}: {one['name']}", ruleset, one["steps"], one.get("scorers", {}))


class Scripted:
    """A scorer that looks up what it says by the first of the features."""

    def __init__(self, says: list[tuple[float, float | str]], version: int = 1) -> None:
        """`says` has (from, what) in ascending order; below the first it says that too."""
        self.version = version
        self.titles: Mapping[str, str] = {}
        self._says = says

    def score(self, x: Sequence[float], before: float | str | None) -> float | str:
        """Return what is said from the highest bound that is reached."""
        del before
        return [said for bound, said in self._says if bound <= x[0] or bound == self._says[0][0]][-1]


@cache
def _pack(name: str) -> Ruleset:
    return load_text(pack_text(name), name)


def instant(text: str) -> int:
    """Return the instant (ms) of a sum of durations since the scenarios' epoch."""
    return EPOCH_MS + sum(
        -parse_duration(term[1:]) if term.startswith("-") else parse_duration(term.removeprefix("+"))
        for term in text.split()
    )


class Stage:
    """Plays a scenario's steps on the engine, profiles in memory."""

    def __init__(self, ruleset: Ruleset, scorers: dict[str, Any] | None = None, *, reload: bool = False) -> None:
        """Begin with no customers; with `reload`, a step leaves nothing behind but the profiles' bytes."""
        self.engine = Engine(ruleset)
        self.released: list[str] = []
        self.because: list[str] = []
        self._publish(scorers or {})
        self.profiles: dict[str, Profile] = {}
        self.stored: dict[str, bytes] = {}
        self.forms: dict[str, bytes] = {}
        self.reload = reload

    def play(self, step: dict[str, Any]) -> list[str]:
        """Do one step and return its changes as a scenario writes them; `released`, `because` have what else it did."""
        self.because = []
        told = self._play(step)
        profiles = self.profiles.values()
        self.released = [_sample_told(sample) for profile in profiles for sample in profile.released]
        for profile in profiles:
            profile.released = []
        return told

    def _play(self, step: dict[str, Any]) -> list[str]:
        if self.reload or "rules" in step:
            self._store()
        if "rules" in step:
            before = self.engine
            self.engine = Engine(load_text(json.dumps(step["rules"]), json=True), scorers=before.scorers)
            self.forms |= before.form
            self.engine.learn_forms(self.forms)
        if self.reload or "rules" in step:
            self.profiles = {name: self.engine.decode(name, data) for name, data in self.stored.items()}
        if "event" in step or "type" in step:
            return self._event(step)
        if "clock" in step:
            return self._clock(instant(step["clock"]))
        self._publish(step.get("scorers", {}))
        return []

    def _event(self, step: dict[str, Any]) -> list[str]:
        customer, at = step.get("customer", "c1"), instant(step["at"])
        kind = step.get("type", "track")
        body = {key: step[key] for key in BODY if key in step} | {"type": kind, "userId": customer}
        event = Event(
            customer=customer,
            name=step["event"] if kind == "track" else kind,
            type=kind,
            ts=at,
            floor=instant(step.get("floor", step["at"])),
            body=body,
            message_id=step.get("id"),
        )
        profile = self._profile(customer)
        return [self._told(change, event.name) for change in self.engine.apply(profile, event).changes]

    def _clock(self, at: int) -> list[str]:
        changes = [
            change
            for name in sorted(self.profiles)
            for change in self.engine.advance(self.profiles[name], before_ms=at + 1)
        ]
        return [self._told(change, "") for change in changes]

    def _publish(self, scorers: dict[str, Any]) -> None:
        """Put newer scorers in force."""
        self.engine.scorers.update({model: Scripted(**scorer) for model, scorer in scorers.items()})

    def _profile(self, customer: str) -> Profile:
        if customer not in self.profiles:
            self.profiles[customer] = self.engine.new(customer)
        return self.profiles[customer]

    def _store(self) -> None:
        """Write every profile but those that nothing has happened to since the definitions changed."""
        for name, profile in self.profiles.items():
            if profile.version == self.engine.version:
                self.stored[name] = self.engine.encode(profile)

    def _told(self, change: Change, by: str) -> str:
        self.because.append("; ".join(entry["text"] for entry in change.because))
        segment = change.segment if change.segmentation is None else f"{change.segmentation}.{change.segment}"
        who = "" if change.customer == "c1" else f"{change.customer} "
        cause = change.cause.get("event") or change.cause["type"]
        told = f"{who}{since_epoch(change.at)} {change.change} {segment}"
        return told if cause == by else f"{told} by {cause}"


def _sample_told(sample: Sample) -> str:
    """Return a released sample as a scenario writes it."""
    x = ", ".join(f"{number:g}" for number in sample.x)
    said = "nothing said" if sample.version is None else f"said {sample.score} by version {sample.version}"
    label = "" if sample.y is None else f"{sample.y:g} "
    taken = f"{sample.model} at {since_epoch(sample.at)} by {sample.why}: [{x}], {said}"
    return f"{taken}; {label}at {since_epoch(sample.released_at)}"


def since_epoch(at: int) -> str:
    """Return an instant as durations since the epoch, all of them."""
    rest_ms, terms = at - EPOCH_MS, []
    sign = "-" if rest_ms < 0 else ""
    rest_ms = abs(rest_ms)
    while rest_ms:
        term = describe_duration(rest_ms).split()[0]
        terms.append(sign + term)
        rest_ms -= parse_duration(term)
    return " ".join(terms) or "0s"
