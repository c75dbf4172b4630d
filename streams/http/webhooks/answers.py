"""What is shown of an endpoint and of its deliveries: never a secret, never the value of a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from rules.dates import format_ms
from streams.http.webhooks.masks import MASK

if TYPE_CHECKING:
    from state.webhooks.endpoints import Endpoint

_OVERLAP_MS = 86_400_000


class Disabled(BaseModel):
    """Why an endpoint is disabled, and since when."""

    reason: Literal["asked", "gone", "failing"] = Field(
        description="Somebody asked for it, it answered 410, or it failed for five days."
    )
    at: str | None


class ShownEndpoint(BaseModel):
    """An endpoint."""

    id: str
    url: str
    segments: list[str]
    changes: list[str]
    causes: list[str]
    traits: list[str]
    headers: dict[str, str] = Field(description=f"Names; each value is {MASK}.")
    max_per_second: float | None
    max_waiting: int
    enabled: bool
    disabled: Disabled | None
    failing_since: str | None = Field(description="Since when nothing has reached it; null where all is well.")
    created_at: str
    rotated_at: str | None
    old_secret_signs_until: str | None = Field(description="After a rotation, for a day.")


class Attempt(BaseModel):
    """What an attempt came to."""

    at: str
    status: int | None
    failure: str | None
    shown: str


class Standing(BaseModel):
    """How its deliveries stand."""

    waiting: int = Field(description="Deliveries that wait in Redis, between attempts too.")
    dead: int = Field(description="Spent deliveries that are kept, and can be sent again.")
    delivered: int
    retries: int = Field(description="Attempts that were to be made again.")
    spent: int = Field(description="Deliveries that were given up since it was made.")
    next_attempt_at: str | None
    last: Attempt | None = Field(description="What the last attempt came to.")


class OneEndpoint(ShownEndpoint):
    """An endpoint, and how its deliveries stand."""

    deliveries: Standing
    warnings: list[str] = Field(description="Of segments that the active ruleset does not have.")


class MadeEndpoint(ShownEndpoint):
    """A new endpoint. Its secret is shown this once."""

    secret: str
    warnings: list[str]


class ChangedEndpoint(ShownEndpoint):
    """An endpoint as it is now."""

    warnings: list[str]


class EndpointList(BaseModel):
    """Every endpoint, the oldest first."""

    webhooks: list[ShownEndpoint]


class Rotated(ShownEndpoint):
    """An endpoint with a new secret, shown this once; the old one signs beside it for a day."""

    secret: str


class Removed(BaseModel):
    """It is gone, with all that waited for it."""

    success: Literal[True] = True


class Tried(BaseModel):
    """What came of a sample."""

    delivered: bool
    status: int | None = Field(description="The answer's; null where none came.")
    failure: str | None = Field(description="Why none came: timeout, refused, name, tls, address, redirect, broken.")
    shown: str = Field(description="The beginning of the answer's body, or what went wrong in words.")
    seconds: float
    webhook_id: str
    sent: dict[str, Any] = Field(description="The body that was sent.")


class DeadDelivery(BaseModel):
    """A delivery that was given up."""

    id: str = Field(description="Its `webhook-id`.")
    customer_id: str
    spent_at: str
    tries: int
    status: int | None
    failure: str | None
    shown: str
    body: dict[str, Any]


class DeadList(BaseModel):
    """Spent deliveries, the newest first."""

    dead: list[DeadDelivery]
    more: bool = Field(description="Whether there are more than are shown.")


class Resent(BaseModel):
    """How many deliveries wait anew."""

    resent: int


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """Return what `ShownEndpoint` says of an endpoint."""
    rotated = endpoint.rotated_ms
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "segments": list(endpoint.segments),
        "changes": list(endpoint.changes),
        "causes": list(endpoint.causes),
        "traits": list(endpoint.traits),
        "headers": dict.fromkeys(endpoint.headers, MASK),
        "max_per_second": endpoint.max_per_second,
        "max_waiting": endpoint.max_waiting,
        "enabled": endpoint.enabled,
        "disabled": _disabled(endpoint),
        "failing_since": _instant(endpoint.failing_since_ms),
        "created_at": format_ms(endpoint.created_ms),
        "rotated_at": _instant(rotated),
        "old_secret_signs_until": None if rotated is None else format_ms(rotated + _OVERLAP_MS),
    }


def _disabled(endpoint: Endpoint) -> dict[str, Any] | None:
    if endpoint.enabled:
        return None
    return {"reason": endpoint.disabled or "asked", "at": _instant(endpoint.disabled_ms)}


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_ms(at_ms)
