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
    entered_24h: int = Field(description="How often customers entered in the 24 h before `flows_as_of`.")
    exited_24h: int = Field(description="How often customers left in that time.")
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
    flows_as_of: str | None = Field(
        description="Up to when changes were counted; null while a partition was not read at all yet."
    )


class Cause(BaseModel):
    """What led to a change."""

    type: str = Field(description="event, timer or definition.")
    event: str | None = None
    message_id: str | None = None


class KeptChange(BaseModel):
    """One change, as it is on the topic."""

    id: str
    customer_id: str
    seq: int = Field(description="1, 2, 3… for this customer, without gaps.")
    change: Literal["entered", "exited"]
    segment: str
    segmentation: str | None
    other: str | None = Field(description="In a segmentation: the segment left, or gone to.")
    at: str = Field(description="When it became true.")
    emitted_at: str = Field(description="When it went out.")
    cause: Cause
    because: list[Reason] = Field(description="The conditions that decided.")
    segments: list[str] = Field(description="All that the customer was in after it.")
    ruleset: str


class Changes(BaseModel):
    """A customer's newest changes."""

    customer_id: str
    as_of: str | None = Field(description="All that went out before is in; null while nothing was read yet.")
    changes: list[KeptChange] = Field(description="The newest first; SEGUE_HTTP_HISTORY says how many are kept.")


class InIt(BaseModel):
    """A customer who is in a segment."""

    customer_id: str
    since: str = Field(description="When they entered it, RFC 3339.")
    traits: dict[str, Any] = Field(description="Those that SEGUE_VIEW_TRAITS lists.")


class MembersAnswer(BaseModel):
    """Some customers who are in a segment."""

    segment: str
    segmentation: str | None
    as_of: str = Field(description="Each of them was in at this instant or later.")
    customers: list[InIt] = Field(description="In no order. A page may be short, or empty, though more follow.")
    next_cursor: str | None = Field(description="Asks for the next page; null at the end.")
