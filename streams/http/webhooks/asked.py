"""What may be asked of an endpoint: the bodies of its routes, and the options of `segue webhooks`, checked.

They are validated with a `UrlRules` as context, since what a URL may be is a matter of settings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from state.webhooks.endpoints import ALL_SEGMENTS, MAX_WAITING
from streams.http.webhooks.addresses import AddressGuard
from streams.http.webhooks.masks import MASK
from streams.http.webhooks.signing import check_secret
from streams.http.webhooks.urls import MOST_CHARS, check_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.settings import Settings

MOST_SEGMENTS = 500
MOST_TRAITS = 100
MOST_HEADERS = 20
MOST_HEADER_CHARS = 4_096
MOST_HEADERS_CHARS = 8_192
_LEAST_PER_SECOND = 0.001
_MOST_PER_SECOND = 10_000
_MOST_WAITING = 10_000_000
_MOST_NAME_CHARS = 200

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_OURS = frozenset(
    (
        *("accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_OUR_PREFIXES = ("webhook-", "proxy-")


class UrlRules(NamedTuple):
    """What a URL may be: which addresses, and whether without TLS."""

    guard: AddressGuard
    http: bool

    @classmethod
    def of(cls, settings: Settings) -> UrlRules:
        """Return what the settings say."""
        return cls(AddressGuard(settings.webhooks_networks), settings.webhooks_http)


def _url(text: str, info: ValidationInfo) -> str:
    rules = info.context
    assert isinstance(rules, UrlRules), "it is validated with them"  # noqa: S101 - a use of ours
    try:
        return str(check_url(text, rules.guard, http=rules.http))
    except ValueError as error:
        raise _fault(error, "bad_url") from None


def _secret(text: str) -> str:
    try:
        return check_secret(text)
    except ValueError as error:
        raise _fault(error, "bad_secret") from None


def _once(items: list[str]) -> list[str]:
    """Return a list without what stands in it again."""
    return list(dict.fromkeys(items))


def _headers(headers: dict[str, str | None]) -> dict[str, str | None]:
    for fault in _header_faults(headers):
        raise _fault(fault, "bad_header")
    return headers


def _header_faults(headers: dict[str, str | None]) -> Iterator[str]:
    names = [name.lower() for name in headers]
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            yield f"{name[:50]!r} is no name of a header"
        elif name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
            yield f"{name} is set by segue itself; leave it out"
        elif names.count(name.lower()) > 1:
            yield f"{name} is there twice"
        elif value is not None and (len(value) > MOST_HEADER_CHARS or not _VALUE.fullmatch(value)):
            yield f"the value of {name} is not 1 to {MOST_HEADER_CHARS} printable ASCII characters"
    if sum(len(name) + len(value or "") for name, value in headers.items()) > MOST_HEADERS_CHARS:
        yield f"all headers together have more than {MOST_HEADERS_CHARS} characters"


def _fault(what: object, code: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{text}", {"text": str(what)})


Url = Annotated[
    str,
    Field(
        max_length=MOST_CHARS, description="Where to: https, and no private address.", examples=["https://a.example"]
    ),
    AfterValidator(_url),
]
Secret = Annotated[
    str,
    Field(
        description="`whsec_` and the base64 of 24 to 64 bytes; made where it is left out.",
        max_length=100,
        json_schema_extra={"writeOnly": True},
    ),
    AfterValidator(_secret),
]
Name = Annotated[str, Field(min_length=1, max_length=_MOST_NAME_CHARS)]
Segments = Annotated[
    list[Name],
    Field(
        min_length=1,
        max_length=MOST_SEGMENTS,
        description="Keys, `segmentation.segment`, whole segmentations, or `*` for all.",
    ),
    AfterValidator(_once),
]
Changes = Annotated[list[Literal["entered", "exited"]], Field(min_length=1), AfterValidator(_once)]
Causes = Annotated[
    list[Literal["event", "timer", "definition"]],
    Field(min_length=1, description="`definition` is an edit of the rules: with it, one may mail everybody."),
    AfterValidator(_once),
]
Traits = Annotated[
    list[Name], Field(max_length=MOST_TRAITS, description="Go into `data.traits`."), AfterValidator(_once)
]
Headers = Annotated[
    dict[str, str | None],
    Field(max_length=MOST_HEADERS, description=f"Go out with each request; shown as {MASK}."),
    AfterValidator(_headers),
]
PerSecond = Annotated[float | None, Field(ge=_LEAST_PER_SECOND, le=_MOST_PER_SECOND, description="Null is no limit.")]
Waiting = Annotated[
    int, Field(ge=1, le=_MOST_WAITING, description="Beyond so many waiting deliveries it reads no further.")
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewEndpoint(_Asked):
    """An endpoint to be made."""

    url: Url
    segments: Segments = [ALL_SEGMENTS]
    changes: Changes = ["entered", "exited"]
    causes: Causes = ["event", "timer"]
    traits: Traits = []
    headers: Headers = {}
    max_per_second: PerSecond = None
    max_waiting: Waiting = MAX_WAITING
    secret: Secret | None = None
    enabled: bool = True
    backfill: bool = Field(False, description="Send the present members of its segments first, as `entered`.")

    @model_validator(mode="after")
    def _no_empty_header(self) -> NewEndpoint:
        for name, value in self.headers.items():
            if value is None or value == MASK:
                message = f"{name} has no value"
                raise _fault(message, "bad_header")
        return self


class EndpointChange(_Asked):
    """What is to be other of an endpoint; what is left out stays."""

    url: Url | None = None
    segments: Segments | None = None
    changes: Changes | None = None
    causes: Causes | None = None
    traits: Traits | None = None
    headers: Headers | None = Field(
        None, description=f"Those named are set, with null removed, with {MASK} left; others stay."
    )
    max_per_second: PerSecond = None
    max_waiting: Waiting | None = None
    enabled: bool | None = None
    resume: Literal["here", "now"] | None = Field(
        None, description="Of one that is enabled again: go on where it was, or skip what came meanwhile."
    )

    @model_validator(mode="after")
    def _resumes_what_is_enabled(self) -> EndpointChange:
        if self.resume is not None and self.enabled is not True:
            message = 'resume is for enabling: send {"enabled": true, "resume": "here"}'
            raise _fault(message, "bad_resume")
        return self

    def given(self) -> dict[str, Any]:
        """Return what was said of an endpoint's own fields; null of `max_per_second` is said, of others it is not."""
        said = {name: getattr(self, name) for name in self.model_fields_set - {"enabled", "resume", "headers"}}
        return {name: value for name, value in said.items() if value is not None or name == "max_per_second"}


class Rotation(_Asked):
    """A change of the secret."""

    secret: Secret | None = None
