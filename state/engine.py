"""(profile, event or instant) → profile, changes. Pure: workers and replays share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.checks.boolean import AllCheck
from rules.checks.in_segment import InSegmentCheck
from rules.compile import CompiledRuleset
from rules.dates import format_ms
from rules.errors import StateError
from rules.features import NEVER
from rules.membership import SegmentUnit
from rules.models.unit import ModelUnit
from state.change import Change
from state.codec import ProfileCodec
from state.counting import Counting
from state.features import make_feature
from state.features.base import Caps
from state.models.sampling import Sampling
from state.profile import NO_CLOCK, Profile, short_hash
from state.traits import write_traits, written_traits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rules.checks.base import Check, Level
    from rules.checks.unit import Unit
    from rules.ruleset import Ruleset
    from state.event import Event
    from state.models.scorer import Scorers

DAY_MS: Final = 86_400_000
MOST_ORDERS: Final = 1024
"""Sets of units whose order is remembered; events of one name mostly ask for the same ones."""

TIMER: Final[dict[str, Any]] = {"type": "timer"}

GONE: Final[list[dict[str, Any]]] = [
    {"path": "", "holds": False, "value": None, "wanted": "a definition", "text": "its definition is gone"}
]

Crossing = tuple[int, "Level | None", "Level | None", list[dict[str, Any]]]
"""(unit, its level before, its level after, why)."""


Crossed = tuple[bool, str, "str | None", "str | None", list[dict[str, Any]]]
"""One side of a crossing: whether entered (else left), the segment, its segmentation, the other segment, why."""


class Applied:
    """What an event did: nothing at all as a duplicate, else its changes in their order of emission."""

    __slots__ = ("changes", "duplicate")

    def __init__(self, *, duplicate: bool, changes: Sequence[Change]) -> None:
        """Keep what it did."""
        self.duplicate = duplicate
        self.changes = changes


DUPLICATE: Final = Applied(duplicate=True, changes=())
NO_CHANGE: Final = Applied(duplicate=False, changes=())


class Engine:
    """One compiled ruleset over profiles. `caps` counts the documented bounds that were reached, by name."""

    def __init__(
        self,
        ruleset: Ruleset,
        *,
        max_late_ms: int = DAY_MS,
        view_traits: Sequence[str] = (),
        scorers: Scorers | None = None,
    ) -> None:
        """Compile; an event more than `max_late_ms` behind its customer's clock takes no part in sequences.

        `scorers` are the models' newest ones; whoever gives them puts newer ones in as they come.
        """
        self.scorers: Scorers = {} if scorers is None else scorers
        self.caps: Caps = Caps()
        self.compiled = CompiledRuleset(
            ruleset, lambda spec: make_feature(spec, max_late_ms=max_late_ms, caps=self.caps)
        )
        self.ruleset = ruleset
        self.version = ruleset.version
        self.view_traits = frozenset(view_traits)
        self.units: list[Unit] = self.compiled.units
        # of the segments that are in while `when` holds and else out, as most are, that check alone
        self._plain: list[Check | None] = [
            unit.when if isinstance(unit, SegmentUnit) and unit.plain else None for unit in self.units
        ]
        self._gates = [_gate(self.units, unit) for unit in self.units]
        # units as they are shown: segments of their own before segmentations, by key; and each unit's place among them
        indexed = [(unit.segmentation is not None, unit.key, index) for index, unit in enumerate(self.units)]
        self._listed = sorted(indexed)
        self._places = [0] * len(indexed)
        for place, (_, _, index) in enumerate(self._listed):
            self._places[index] = place
        self._samplings = [Sampling(unit, self.scorers) if isinstance(unit, ModelUnit) else None for unit in self.units]
        self._models = [sampling for sampling in self._samplings if sampling is not None]
        self._model_units = sum(1 << index for index, sampling in enumerate(self._samplings) if sampling is not None)
        self._codec = ProfileCodec(self.compiled)
        self._first_units = self._unlike_nobody()
        self._orders: dict[int, list[tuple[int, Check | None, int]]] = {}
        self._definition = {"type": "definition", "ruleset": self.version}
        self._counting = Counting(self.compiled)

    def _unlike_nobody(self) -> int:
        """Return the units to evaluate at everybody's first event: the others are out where nothing is counted yet."""
        nobody = self._codec.new("")
        units = self.compiled.id_readers | self._model_units
        for index, unit in enumerate(self.units):
            if unit.evaluate(nobody, None, 0) != (None, NEVER):
                units |= 1 << index
        return units

    def new(self, customer: str) -> Profile:
        """Return the profile of a customer with no event yet."""
        return self._codec.new(customer)

    def encode(self, profile: Profile) -> bytes:
        """Return the profile's bytes."""
        return self._codec.encode(profile)

    def decode(self, customer: str, data: bytes) -> Profile:
        """Return a stored profile; raises StateError or UnknownFormat."""
        return self._codec.decode(customer, data)

    @property
    def form(self) -> dict[str, bytes]:
        """What this engine's profiles leave out, by its name: to be kept where they are."""
        return self._codec.own_form

    def learn_forms(self, forms: Mapping[str, bytes]) -> None:
        """Take in what profiles at rest leave out, of other rulesets, too; without it they cannot be read."""
        self._codec.forms.update(forms)

    def knows_form(self, data: bytes) -> bool:
        """Return whether a stored profile can be read with the forms learned so far."""
        return self._codec.knows_form(data)

    def apply(self, profile: Profile, event: Event) -> Applied:
        """Apply an event at its own time: first what is due before it, then the event's own evaluation.

        Raises EventRejected, with the profile untouched, where the event would pass a limit of the customer's traits.
        """
        message = None
        message_id: str | None = event.message_id
        ts: int = event.ts
        if message_id is not None:
            message = short_hash(message_id)
            if profile.knows(message):
                return DUPLICATE
        traits = written_traits(profile, event) if event.type == "identify" else None
        bound = max(event.floor, ts)
        changes = self.advance(profile, bound) if profile.due < bound else []
        now = max(ts, profile.clock)
        if profile.version != self.version:
            changes += self._adopt(profile, now)
        units = self._first_units if profile.clock == NO_CLOCK else 0
        profile.clock = now
        if message is not None:
            profile.remember(message)
        if traits is not None:
            units |= self._write_traits(profile, traits, ts)
        units |= self._counting.count(profile.slots, event, now)
        units |= self._note(profile, event) if self._models else 0
        if profile.due <= now:
            units |= self._due_units(profile, now)
        if units:
            found = self._evaluate(profile, now, units, event)
            if found:
                cause = {"type": "event", "event": event.name, "message_id": message_id}
                changes += self._emit(profile, now, self._crossed(found), cause)
        return Applied(duplicate=False, changes=changes) if changes else NO_CHANGE

    def advance(self, profile: Profile, before_ms: int) -> list[Change]:
        """Fire what is due strictly before `before_ms`, in time order, each change at its own due instant."""
        changes: list[Change] = []
        while profile.due < before_ms:
            t = profile.due
            if profile.version != self.version:
                changes += self._adopt(profile, t)
                continue
            found = self._evaluate(profile, t, self._due_units(profile, t))
            if profile.due <= t:
                message = f"a timer of customer {profile.customer!r} due at {t} is still due after it fired"
                raise StateError(message)
            if found:
                profile.clock = t
                changes += self._emit(profile, t, self._crossed(found), TIMER)
        return changes

    def adopt(self, profile: Profile, at_ms: int) -> list[Change]:
        """Evaluate a profile of another ruleset under this one, at `max(clock, at_ms)`; one of this ruleset stays."""
        if profile.version == self.version:
            return []
        t = max(profile.clock, at_ms)
        changes = self.advance(profile, t)
        return changes if profile.version == self.version else [*changes, *self._adopt(profile, t)]

    def show(self, profile: Profile) -> dict[str, Any]:
        """Return what a chat tool reads of the customer, ready for JSON."""
        levels, units = profile.levels, self.units
        own: list[dict[str, str]] = []
        sets: dict[str, dict[str, str]] = {}
        for in_set, key, index in self._inside(profile):
            if in_set:
                sets[key] = _shown(levels[index], self._titles(key, units[index].names))
            else:
                own.append(_shown(levels[index], units[index].names))
        view = {
            "rev": profile.rev,  # where `encode_view` wants it
            "customer_id": profile.customer,
            "segments": own,
            "segmentations": sets,
            "scores": {model: said[0] for model, said in profile.scores.items()},
            "traits": {name: value for name, value in profile.traits.items() if name in self.view_traits},
            "seq": profile.seq,
            "updated_at": format_ms(profile.clock),
        }
        if profile.scores:
            view["score_versions"] = {model: said[1] for model, said in profile.scores.items()}
        return view

    def segments(self, profile: Profile) -> list[str]:
        """Return the customer's segments: own ones by key, then `segmentation.segment` by segmentation."""
        levels = profile.levels
        return [f"{key}.{levels[index][0]}" if in_set else key for in_set, key, index in self._inside(profile)]

    def _inside(self, profile: Profile) -> list[tuple[bool, str, int]]:
        """Return the units that the customer is in, as they are shown: whether a segmentation, the key, the index."""
        return [self._listed[place] for place in sorted([self._places[index] for index in profile.levels])]

    def _note(self, profile: Profile, event: Event) -> int:
        for model in self._models:
            model.note(profile, event)
        return self._model_units

    def _write_traits(self, profile: Profile, traits: dict[str, Any], ts: int) -> int:
        write_traits(profile, traits, ts)
        if not self.view_traits.isdisjoint(traits):
            profile.rev += 1
        units = 0
        for name in traits:
            units |= self.compiled.trait_readers.get(name, 0)
        return units

    def _due_units(self, profile: Profile, t: int) -> int:
        units = 0
        for index, due in profile.dues.items():
            if due <= t:
                units |= 1 << index
        return units

    def _titles(self, segmentation: str, names: dict[str, str]) -> Mapping[str, str]:
        """Return what people read for a segmentation's segments; for clusters also what the model makes of them."""
        scorer = self.scorers.get(segmentation)
        return names if scorer is None else {**scorer.titles, **names}

    def _evaluate(  # noqa: C901, PLR0912 - what it takes for each unit: a call would cost more than most of them
        self, profile: Profile, t: int, units: int, event: Event | None = None
    ) -> list[Crossing]:
        """Evaluate units at `t` in dependency order, each once, those that depend on a crossed one included."""
        found: list[Crossing] = []
        levels, dues, dependents = profile.levels, profile.dues, self.compiled.dependents
        lowest, stale = profile.due, False
        while units:
            for index, plain, gate in self._orders.get(units) or self._order(units):
                old: Any = levels.get(index)
                if gate >= 0 and gate not in levels and old is None and index not in dues:
                    continue
                new: Any
                more = 0
                if plain is not None:
                    holds, due = plain.evaluate(profile, t)
                    new = None if not holds else old if old is not None else (self.units[index].key, t)
                elif (model := self._samplings[index]) is None:
                    new, due = self.units[index].evaluate(profile, old, t)
                else:
                    new = old
                    due, news = model.step(profile, event, t)
                    more = dependents[index] if news else 0
                was = dues.get(index, NEVER)
                if due != was:
                    if due < NEVER:
                        dues[index] = due
                        if due < lowest:  # noqa: PLR1730 - min() costs more than the rest
                            lowest = due
                    else:
                        del dues[index]
                    if was <= lowest:
                        stale = True
                if new is not old:
                    if new is None:
                        del levels[index]
                    else:
                        levels[index] = new
                    profile.packed_levels = None
                    more = dependents[index]
                    found.append((index, old, new, self.units[index].explain(profile, old, new, t)))
                if more & ~units:
                    units = (units | more) & (-2 << index)  # those after this one
                    break
            else:
                break
        if stale:  # else another unit's due instant is still the first one, as nearly always
            lowest = NEVER
            for due in dues.values():
                if due < lowest:  # noqa: PLR1730
                    lowest = due
        profile.due = lowest
        return found

    def _order(self, units: int) -> list[tuple[int, Check | None, int]]:
        """Return the units of a set in dependency order, each with its check where that alone decides, and its gate."""
        inside = [index for index in range(len(self.units)) if units >> index & 1]
        order = [(index, self._plain[index], self._gates[index]) for index in inside]
        if len(self._orders) < MOST_ORDERS:
            self._orders[units] = order
        return order

    def _crossed(self, found: list[Crossing]) -> list[Crossed]:
        crossed: list[Crossed] = []
        for index, old, new, because in found:
            segmentation = self.units[index].segmentation
            left, entered = old[0] if old else None, new[0] if new else None
            if left is not None:
                crossed.append((False, left, segmentation, entered, because))
            if entered is not None:
                crossed.append((True, entered, segmentation, left, because))
        return crossed

    def _emit(self, profile: Profile, t: int, crossed: list[Crossed], cause: dict[str, Any]) -> list[Change]:
        """Return one evaluation's changes: exits first, then entries, each by segment key, own segments before."""
        segments = self.segments(profile)
        changes = []
        if len(crossed) > 1:
            crossed.sort(key=_emitted_at)
        for entered, segment, segmentation, other, because in crossed:
            profile.seq += 1
            changes.append(
                Change(
                    customer=profile.customer,
                    seq=profile.seq,
                    change="entered" if entered else "exited",
                    segment=segment,
                    segmentation=segmentation,
                    other=other,
                    at=t,
                    cause=cause,
                    because=because,
                    segments=segments,
                    ruleset=self.version,
                )
            )
        profile.rev += 1
        return changes

    def _adopt(self, profile: Profile, t: int) -> list[Change]:
        """Bring a profile of another ruleset under this one: every unit at `t`, exits from units that are gone."""
        profile.version = self.version
        hashes = {model.model: model.unit.hash for model in self._models}
        profile.scores = {model: said for model, said in profile.scores.items() if said[2] == hashes.get(model)}
        gone, profile.gone = profile.gone, []
        profile.due = NEVER  # it was the old ruleset's; the units' own are written as they are found
        # A level whose segment the segmentation no longer has is left by the evaluation itself.
        found = self._evaluate(profile, t, self.compiled.all_units)
        profile.rev += 1  # names may have changed
        if not found and not gone:
            return []
        profile.clock = max(profile.clock, t)
        crossed: list[Crossed] = [(False, level[0], segmentation, None, GONE) for segmentation, level in gone]
        return self._emit(profile, t, crossed + self._crossed(found), self._definition)


def _gate(units: Sequence[Unit], unit: Unit) -> int:
    """Return a segment that one must be in to be in the unit's, -1 where there is none.

    Who is in neither, and has nothing due of the unit's, has to wait for the former: nothing else makes them enter.
    """
    if isinstance(unit, SegmentUnit) and unit.plain and isinstance(unit.when, AllCheck):
        for part in unit.when.parts:
            if isinstance(part, InSegmentCheck) and units[part.unit].segmentation is None:
                return part.unit
    return -1


def _emitted_at(one: Crossed) -> tuple[bool, str, str]:
    return one[0], one[1], one[2] or ""


def _shown(level: Any, names: Mapping[str, str]) -> dict[str, str]:
    key, since_ms = level
    return {"key": key, "name": names.get(key, key), "since": format_ms(since_ms)}
