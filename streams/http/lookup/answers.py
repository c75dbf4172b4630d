"""What OpenAPI says of lookup's bodies and answers. Answers are written as they are stored; these are for readers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

MOST_IDS = 100


class InSegment(BaseModel):
    """A segment that the customer is in."""

    key: str
    name: str
    since: str = Field(description="When they entered it, RFC 3339.")


class View(BaseModel):
    """A customer as of the newest commit."""

    customer_id: str
    segments: list[InSegment]
    segmentations: dict[str, InSegment]
    scores: dict[str, Any] = Field(description="What each model last said.")
    score_versions: dict[str, Any] | None = Field(None, description="By which version of the model.")
    traits: dict[str, Any] = Field(description="Those that SEGUE_VIEW_TRAITS lists.")
    seq: int = Field(description="How many changes there were: the last one's number.")
    rev: int = Field(description="Grows with whatever a view shows; a view never goes back.")
    updated_at: str


class LookupRequest(BaseModel):
    """Whom to look up."""

    ids: list[Annotated[str, Field(min_length=1)]] = Field(max_length=MOST_IDS)


class LookupAnswer(BaseModel):
    """The views by id; null for who is unknown."""

    customers: dict[str, View | None]


class Reason(BaseModel):
    """A condition as a change's `because` has it."""

    path: str = Field(description="Where it stands in the definition.", examples=["when.all[0].did"])
    holds: bool = Field(description="Its own truth, also inside `not`.")
    value: Any = Field(description="What is there now.")
    wanted: str = Field(description="What is wanted.", examples=["gte 3"])
    text: str = Field(description="Both in words.")


class Condition(Reason):
    """A condition of a segment, whether or not it decides."""

    decides: bool = Field(description="Whether it is one of those because of which they are in, or not.")


class Next(BaseModel):
    """The next change of a segment with no further event."""

    change: Literal["entered", "exited"]
    at: str
    other: str | None = Field(description="In a segmentation: the segment left, or gone to.")
    because: list[Reason]


class ExplainedSegment(BaseModel):
    """One segment of a customer."""

    segment: str
    segmentation: str | None
    name: str
    inside: bool = Field(alias="in")
    since: str | None = Field(description="When they entered it; null where they are not in.")
    because: list[Condition] = Field(description="Each condition that has a say, in the definition's order.")
    next: Next | None = Field(description="Null where it never changes with no further event.")


class Explained(BaseModel):
    """A customer explained."""

    customer_id: str
    at: str = Field(description="The instant this is true of: now, or as far as the worker has come.")
    seq: int
    ruleset: str = Field(description="The version they stand under.")
    active_ruleset: str = Field(description="Where it is another, they come under it soon; `next` is null until then.")
    sure_until: str | None = Field(description="Up to when `next` was looked for; null: for ever.")
    segments: list[ExplainedSegment]


class CataloguedSegment(BaseModel):
    """One segment of the active ruleset."""

    segment: str
    segmentation: str | None
    name: str
    description: str | None
    size: int = Field(description="How many customers are in, as of the newest commits.")
    definition: dict[str, Any] | None = Field(description="As it was written; null for one that needs none.")


class CataloguedSegmentation(BaseModel):
    """One segmentation of the active ruleset, or a model's clusters that are one."""

    key: str
    name: str
    description: str | None
    segments: list[str] | None = Field(description="The most important first; null for clusters.")
    otherwise: str | None = Field(description="The segment when none holds; null for clusters.")


class Catalogue(BaseModel):
    """What customers can be in."""

    ruleset: str = Field(description="The active version.")
    segments: list[CataloguedSegment]
    segmentations: list[CataloguedSegmentation]
