"""What OpenAPI says of lookup's bodies and answers. Answers are written as they are stored; these are for readers."""

from __future__ import annotations

from typing import Annotated, Any

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
