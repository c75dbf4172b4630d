"""Units: what the engine evaluates one by one, each with one level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rules.checks.base import Customer, Level


class Unit:
    """A segment of its own, a segmentation, or a model's node."""

    __slots__ = ("key", "names", "segmentation")

    def __init__(self, key: str, segmentation: str | None, names: dict[str, str]) -> None:
        """Keep what it goes by."""
        self.key = key
        self.segmentation = segmentation
        self.names = names

    def evaluate(self, customer: Customer, level: Any, t: int) -> tuple[Any, int]:
        """Return the level at instant `t` (the same object where nothing changes) and when it could next change."""
        raise NotImplementedError

    def explain(self, customer: Customer, old: Level | None, new: Level | None, t: int) -> list[dict[str, Any]]:
        """Return what decided the crossing."""
        raise NotImplementedError
