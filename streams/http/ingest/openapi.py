"""What OpenAPI says of ingest's bodies and answers. The bodies are read by hand; this is for people and programs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from streams.events import MAX_ID_BYTES
from streams.http.errors import Fault
from streams.http.security import AUTHORIZED

KEY_ANYWHERE: dict[str, Any] = {"security": [*AUTHORIZED["security"], {}]}
"""`{}`: the key may stand in the body, as `writeKey`."""


class TakenAnswer(BaseModel):
    """The broker has it."""

    success: Literal[True]


class BatchAnswer(BaseModel):
    """The broker has every good event of the batch; counts and faults are there where some were bad."""

    success: Literal[True]
    accepted: int | None = Field(None, description="How many events were taken.")
    rejected: int | None = Field(None, description="How many went to the topic of rejected ones.")
    errors: list[Fault] | None = Field(None, description="What was wrong, the first hundred of them.")


class BrowserSettings(BaseModel):
    """What analytics.js wants to know."""

    integrations: dict[str, dict[str, Any]]
    plan: dict[str, Any]
    metrics: dict[str, float]
    remotePlugins: list[Any]  # noqa: N815 - analytics.js calls it so


_TIME = {"type": "string", "format": "date-time", "description": "RFC 3339 with an offset."}
_SENT_AT = {
    "type": "string",
    "description": "When the client sent the request, by its clock; what is no date-time counts as absent.",
}
_ID = {
    "type": "string",
    "minLength": 1,
    "description": f"At most {MAX_ID_BYTES} bytes of UTF-8.",
    # a schema counts characters, of which each may have four bytes
    "anyOf": [{"maxLength": MAX_ID_BYTES // 4}, {"maxLength": MAX_ID_BYTES, "pattern": "^[ -~]*$"}],
}
_FIELDS: dict[str, Any] = {
    "messageId": {"type": "string", "description": "By it a repeated event is known; made where missing."},
    "userId": _ID,
    "anonymousId": _ID,
    "context": {"type": "object"},
    "integrations": {"type": "object"},
    "timestamp": _TIME,
    "originalTimestamp": _TIME,
    "sentAt": _SENT_AT,
    "writeKey": {"type": "string", "description": "In place of the header Authorization."},
}
_OF_KIND: dict[str, dict[str, Any]] = {
    "track": {"event": {"type": "string", "minLength": 1}, "properties": {"type": "object"}},
    "identify": {"traits": {"type": "object"}},
    "page": {"name": {"type": "string"}, "properties": {"type": "object"}},
    "screen": {"name": {"type": "string"}, "properties": {"type": "object"}},
    "group": {"groupId": {"type": "string"}, "traits": {"type": "object"}},
    "alias": {"previousId": {"type": "string"}},
}


def event_body(kind: str) -> dict[str, Any]:
    """Return the body of one event of this type."""
    return _body(_event(kind))


def _event(kind: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**_FIELDS, **_OF_KIND[kind]},
        "required": ["event"] if kind == "track" else [],
        "anyOf": [{"required": ["userId"]}, {"required": ["anonymousId"]}],
    }


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": schema}
    return {"required": True, "content": {"application/json": content, "text/plain": content}}


def _typed(kind: str) -> dict[str, Any]:
    event = _event(kind)
    properties = {"type": {"const": kind}, **event["properties"]}
    return {**event, "properties": properties, "required": ["type", *event["required"]]}


BATCH_BODY = _body(
    {
        "type": "object",
        "properties": {
            "batch": {"type": "array", "items": {"oneOf": [_typed(kind) for kind in _OF_KIND]}},
            "context": {"type": "object", "description": "Defaults for the context of each event."},
            "integrations": {"type": "object"},
            "sentAt": _SENT_AT,
            "writeKey": _FIELDS["writeKey"],
        },
        "required": ["batch"],
    }
)
