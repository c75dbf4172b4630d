"""What a definitions file says: segments, segmentations, and the ruleset that they make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, PrivateAttr, field_validator

from rules.canonical import canonical_json, version_of, whole
from rules.comparisons import Duration, Key, Model
from rules.conditions import AnyCondition
from rules.errors import Problem
from rules.models.definition import AnyModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.conditions import Condition


class Segment(Model):
    """One segment: while `when` is true the customer is in."""

    key: Key = Field(description="unique among segments and segmentations")
    name: str | None = Field(default=None, min_length=1, description="what a person reads; the key where absent")
    description: str | None = Field(default=None, description="for whom, and why")
    when: AnyCondition = Field(description="the customer is in while this is true")
    until: AnyCondition | None = Field(
        default=None, description="leaves only while this is true; while `when` is false where absent"
    )
    min_stay: Duration | None = Field(default=None, description="does not leave earlier than this after entering")
    tags: list[str] = Field(default=[], description="for people and tools; segue makes nothing of them")

    @field_validator("when", "until", mode="before")
    @classmethod
    def _present(cls, value: Any) -> Any:
        return {} if value is None else value

    @property
    def title(self) -> str:
        """Return what a person reads."""
        return self.name or self.key

    def conditions(self) -> Iterator[tuple[str, Condition]]:
        """Yield every condition with its path, outer ones first."""
        stack: list[tuple[str, Condition]] = [("when", self.when)]
        if self.until is not None:
            stack.append(("until", self.until))
        while stack:
            path, condition = stack.pop()
            yield path, condition
            stack += [(f"{path}.{name}", part) for name, part in reversed(condition.parts())]


class Segmentation(Model):
    """A set in which a customer is in exactly one segment at any time: the first whose condition holds."""

    key: Key = Field(description="unique among segments and segmentations")
    name: str | None = Field(default=None, min_length=1, description="what a person reads; the key where absent")
    description: str | None = Field(default=None, description="for whom, and why")
    segments: list[Key] = Field(min_length=1, description="segment keys, the most important first")
    otherwise: Key = Field(description="the segment when none holds; it needs no definition")

    @property
    def title(self) -> str:
        """Return what a person reads."""
        return self.name or self.key


class Ruleset(Model):
    """All definitions of an app; its version is the hash of their canonical JSON."""

    segments: list[Segment] = Field(default=[], description="the segments")
    segmentations: list[Segmentation] = Field(default=[], description="sets of segments of which exactly one holds")
    models: list[AnyModel] = Field(default=[], description="what learns online, and reaches segments as a score")

    _source: str = PrivateAttr(default="")
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())

    @classmethod
    def of(cls, tree: dict[str, Any]) -> Self:
        """Return the ruleset of a definitions tree; raises pydantic's ValidationError (see `rules.load`)."""
        # What has the same version must need the same features, so 1.0 is 1 in what is evaluated too.
        ruleset = cls.model_validate(whole(tree))
        ruleset._source = canonical_json(tree)  # noqa: SLF001 - its own, set where it is made
        for model, raw in zip(ruleset.models, tree.get("models") or (), strict=True):
            model.hash_definition(raw)
        return ruleset

    @property
    def source(self) -> str:
        """Return the canonical JSON of the definitions."""
        return self._source

    @property
    def version(self) -> str:
        """Return the SHA-256 of the canonical JSON, cut to 12 hex digits."""
        return version_of(self._source)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Return what the definitions say that can never or always hold."""
        return self._warnings

    def with_warnings(self, warnings: tuple[Problem, ...]) -> Self:
        """Keep what `rules.load` found, and return the same ruleset."""
        self._warnings = warnings
        return self
