"""What every check is: it answers (holds, until), and says why."""

from __future__ import annotations

from typing import Any

Verdict = tuple[bool, int]
"""(holds, until): the truth at an instant, and the first later instant (ms) it could change with no event."""

Level = tuple[str, int]
"""(segment key, since): which segment a customer is in, of one unit, and the instant (ms) they entered it."""


class Customer:
    """What a check may read of a customer's profile."""

    __slots__ = ("customer", "levels", "scores", "slots", "traits")

    def __init__(self, customer: str, slots: int) -> None:
        """Begin with nothing known, of `slots` features."""
        self.customer: str = customer
        self.slots: list[Any] = [None] * slots
        self.levels: dict[int, Level] = {}
        """Unit -> their level there, of those units where they have one: the others cost nothing."""
        self.traits: dict[str, Any] = {}
        self.scores: dict[str, Any] = {}
        """Model key -> [what it last said (a number, or a cluster's id), its version, its definition]."""


class Feature:
    """What a check may ask of a feature; `state` is what `update` made of the events so far, never None."""

    __slots__ = ()

    def update(self, state: Any, event: Any, now: int) -> Any:
        """Return the state with a matching event counted; `now` (ms) is the instant it is evaluated at.

        The state given may be changed in place; the caller uses the returned one.
        """
        raise NotImplementedError

    def aggregate(self, state: Any, t: int, agg: str) -> tuple[Any, int]:
        """Return an aggregate of the values at instant `t` (ms), None with no value, and when it could next change."""
        raise NotImplementedError


class Check:
    """A compiled condition."""

    __slots__ = ()

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth at instant `t` (ms) and until when it holds with no event; `until` is later than `t`."""
        raise NotImplementedError

    def explain(self, customer: Customer, t: int) -> list[dict[str, Any]]:
        """Return the conditions that decide the verdict at `t`, as the change contract's `because`."""
        raise NotImplementedError


class Leaf(Check):
    """A check with no conditions inside: it explains itself by its value and what was wanted."""

    __slots__ = ("blank", "path", "wanted")

    def __init__(self, path: str, wanted: str) -> None:
        """Keep where the condition stands, and what it wants in a definition's own words."""
        self.path = path
        self.wanted = wanted
        self.blank: dict[str, Any] = {"path": path, "holds": False, "value": None, "wanted": wanted, "text": ""}
        """The entry of `because`, to be copied and filled in: that takes half as long as to build one."""

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the value at `t`, JSON-ready, and a sentence for people."""
        raise NotImplementedError

    def explain(self, customer: Customer, t: int) -> list[dict[str, Any]]:
        """Return the one entry of `because` that this condition is."""
        holds = self.evaluate(customer, t)[0]
        entry = self.blank.copy()
        entry["holds"] = holds
        entry["value"], entry["text"] = self.describe(customer, t)
        return [entry]
