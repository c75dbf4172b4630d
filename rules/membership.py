"""Units: a segment of its own, or a segmentation; each turns verdicts into a level and the next due instant.

Models and segmentations of clusters stand among them (`rules.models.unit`), in one order of evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.checks.unit import Unit
from rules.features import NEVER

if TYPE_CHECKING:
    from rules.checks.base import Check, Customer, Level


class SegmentUnit(Unit):
    """A segment of its own: in while `when` holds, out while `until` does, and no sooner than `min_stay`."""

    __slots__ = ("min_stay_ms", "plain", "until", "when")

    def __init__(self, key: str, name: str, when: Check, until: Check | None, min_stay_ms: int) -> None:
        """Keep the checks; `until` None means: leaves while `when` does not hold.

        A `plain` one is in while `when` holds, no more and no less.
        """
        super().__init__(key, None, {key: name})
        self.when = when
        self.until = until
        self.min_stay_ms = min_stay_ms
        self.plain = until is None and not min_stay_ms

    def evaluate(self, customer: Customer, level: Any, t: int) -> tuple[Any, int]:
        """Return the level at instant `t` (the same object where nothing changes) and when it could next change."""
        if level is None:
            enters, due = self._enters(customer, t)
            if not enters:
                return None, due
            level = (self.key, t)
            leaves, due = self._leaves(customer, t)
        else:
            leaves, due = self._leaves(customer, t)
        if not self.min_stay_ms:
            if leaves:
                return None, self._enters(customer, t)[1]
            return level, due
        stays_till: int = level[1] + self.min_stay_ms
        if leaves and t >= stays_till:
            return None, self._enters(customer, t)[1]
        return level, stays_till if leaves else max(due, stays_till)

    def _enters(self, customer: Customer, t: int) -> tuple[bool, int]:
        holds, due = self.when.evaluate(customer, t)
        if self.until is None:
            return holds, due
        over, over_due = self.until.evaluate(customer, t)
        if holds and not over:
            return True, min(due, over_due)
        if not holds and over:
            return False, max(due, over_due)
        return False, over_due if over else due

    def _leaves(self, customer: Customer, t: int) -> tuple[bool, int]:
        if self.until is not None:
            return self.until.evaluate(customer, t)
        holds, due = self.when.evaluate(customer, t)
        return not holds, due

    def explain(self, customer: Customer, old: Level | None, new: Level | None, t: int) -> list[dict[str, Any]]:
        """Yield what decided the crossing: `when` on entering, `until` (or the lapsed `when`) on leaving."""
        del old
        deciding = self.when if new is not None or self.until is None else self.until
        return deciding.explain(customer, t)


class SegmentationUnit(Unit):
    """A segmentation: the first segment whose condition holds, else `otherwise`."""

    __slots__ = ("by_segment", "checks", "otherwise")

    def __init__(self, key: str, names: dict[str, str], checks: list[tuple[str, Check]], otherwise: str) -> None:
        """Keep the checks in order of priority; `names` has each segment's, and `otherwise`'s."""
        super().__init__(key, key, names)
        self.checks = checks
        self.otherwise = otherwise
        self.by_segment = dict(checks)

    def evaluate(self, customer: Customer, level: Any, t: int) -> tuple[Any, int]:
        """Return the level at instant `t` (the same object where nothing changes) and when it could next change."""
        due = NEVER
        winner = self.otherwise
        for segment, check in self.checks:
            holds, until = check.evaluate(customer, t)
            due = min(due, until)
            if holds:
                winner = segment
                break
        return (level if level is not None and level[0] == winner else (winner, t)), due

    def explain(self, customer: Customer, old: Level | None, new: Level | None, t: int) -> list[dict[str, Any]]:
        """Yield why the new segment is first, or, where none holds, why the old one no longer does."""
        checks = self.by_segment
        if new is not None and new[0] in checks:
            return checks[new[0]].explain(customer, t)
        if old is not None and old[0] in checks:
            return checks[old[0]].explain(customer, t)
        because: list[dict[str, Any]] = []
        for check in checks.values():
            because += check.explain(customer, t)
        return because
