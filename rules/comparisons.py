"""Comparisons, as definitions have them: what a value, or the values at a path, must be."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

import re2
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from rules.dates import DATE_PATTERN, parse_date
from rules.durations import PATTERN, format_duration, parse_duration
from rules.matching import RE2_QUIET


class Model(BaseModel):
    """The base of every part of a definition: unknown keys are errors, nothing is coerced, nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)

    def given(self) -> dict[str, Any]:
        """Return what the definition says, by the names it uses there."""
        return {
            field.alias or name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if name in self.model_fields_set
        }


def _date(value: Any) -> int:
    ms = parse_date(value)
    if ms is None:
        message = f"{value!r} is no date; write YYYY-MM-DD, or RFC 3339 with an offset like 2026-03-01T12:00:00Z"
        raise ValueError(message)
    return ms


def _scalar(value: Any) -> Any:
    if value is None:
        message = "null equals nothing; write exists: false"
        raise ValueError(message)
    if isinstance(value, list | dict):
        message = "a value here is a number, a text, true or false; for one of several write in: [...]"
        raise ValueError(message)
    return value


Number = StrictInt | StrictFloat
Scalar = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr, BeforeValidator(_scalar)]
Duration = Annotated[
    int, BeforeValidator(parse_duration), WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["30d"]})
]
Date = Annotated[
    int,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "pattern": DATE_PATTERN, "examples": ["2026-03-01", "2026-03-01T12:00:00Z"]}),
]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class ScalarComparison(Model):
    """Comparisons of a value with fixed ones. Several in one mapping must all hold."""

    eq: Scalar = Field(default="", description="equal, and of the same kind")
    ne: Scalar = Field(default="", description="the exact opposite of eq")
    gt: Scalar = Field(default="", description="above")
    gte: Scalar = Field(default="", description="at or above")
    lt: Scalar = Field(default="", description="below")
    lte: Scalar = Field(default="", description="at or below")
    between: list[Scalar] = Field(default=[], min_length=2, max_length=2, description="from a to b, both included")
    in_: list[Scalar] = Field(default=[], alias="in", description="equal to one of these")
    not_in: list[Scalar] = Field(default=[], description="the exact opposite of in")
    contains: Scalar = Field(default="", description="a list with such an element, or a string with this substring")
    not_contains: Scalar = Field(default="", description="the exact opposite of contains")
    starts_with: str = Field(default="", description="a string that begins so")
    ends_with: str = Field(default="", description="a string that ends so")
    matches: str = Field(default="", description="RE2 syntax, unanchored, case matters")
    exists: bool = Field(default=True, description="whether there is a value at all")
    before: Date = Field(default=0, description="a date strictly before this one")
    after: Date = Field(default=0, description="a date strictly after this one")

    @field_validator("matches")
    @classmethod
    def _valid_pattern(cls, pattern: str) -> str:
        try:
            re2.compile(pattern, RE2_QUIET)
        except re2.error as error:
            message = f"{pattern!r} is no RE2 pattern: {_text(error)}"
            raise ValueError(message) from None
        return pattern


class PathComparison(ScalarComparison):
    """Comparisons of what is at a path of an event. A plain value means eq."""

    model_config = ConfigDict(json_schema_extra={"type": ["object", "string", "number", "boolean"]})

    @model_validator(mode="before")
    @classmethod
    def _plain_is_eq(cls, value: Any) -> Any:
        if isinstance(value, dict | BaseModel):
            return value
        if isinstance(value, list):
            message = "a plain list is no comparison; write in: [...]"
            raise ValueError(message)
        if value is None:
            message = "null is no comparison; write exists: false"
            raise ValueError(message)
        return {"eq": value}

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.model_fields_set:
            message = "says nothing; write a comparison, like exists: true"
            raise ValueError(message)
        return self


class TraitComparison(PathComparison):
    """Comparisons of what is at a path of the customer's traits; relative dates turn by themselves."""

    within_last: Duration = Field(default=0, description="a date in the last so long: t - d < v <= t")
    older_than: Duration = Field(default=0, description="a date at least so long ago: v <= t - d")


class NumberComparison(Model):
    """Comparisons of a number."""

    eq: Number = Field(default=0, description="equal")
    ne: Number = Field(default=0, description="not equal")
    gt: Number = Field(default=0, description="above")
    gte: Number = Field(default=0, description="at or above")
    lt: Number = Field(default=0, description="below")
    lte: Number = Field(default=0, description="at or below")
    between: list[Number] = Field(default=[], min_length=2, max_length=2, description="both ends included")
    in_: list[Number] = Field(default=[], alias="in", description="one of these")
    not_in: list[Number] = Field(default=[], description="none of these")


class DurationComparison(Model):
    """Comparisons of the time that has passed."""

    eq: Duration = Field(default=0, description="exactly so long")
    ne: Duration = Field(default=0, description="not exactly so long")
    gt: Duration = Field(default=0, description="longer")
    gte: Duration = Field(default=0, description="at least so long")
    lt: Duration = Field(default=0, description="shorter")
    lte: Duration = Field(default=0, description="at most so long")
    between: list[Duration] = Field(default=[], min_length=2, max_length=2, description="both ends included")
    in_: list[Duration] = Field(default=[], alias="in", description="exactly one of these")
    not_in: list[Duration] = Field(default=[], description="exactly none of these")


OPERATORS: Final = tuple(field.alias or name for name, field in TraitComparison.model_fields.items())
_WORDS: Final = {"gte": "at least", "lte": "at most", "gt": "more than", "lt": "less than", "eq": "exactly"}


def _text(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def operators(model: Model) -> dict[str, Any]:
    """Return the comparisons that a definition gives, operator -> operand, in one fixed order."""
    given = model.given()
    return {name: given[name] for name in OPERATORS if name in given}


def describe(ops: dict[str, Any], *, durations: bool = False) -> str:
    """Return the comparisons as a definition has them, in one line: `gte 3`, `between 1 and 5`."""
    return ", ".join(
        f"{operator} {_operand(operand, durations or operator in ('within_last', 'older_than'))}"
        for operator, operand in ops.items()
    )


def describe_words(ops: dict[str, Any], *, durations: bool = False) -> str:
    """Return the comparisons in words: `at least 3`."""
    return " and ".join(
        f"{_WORDS.get(operator, operator.replace('_', ' '))} "
        f"{_operand(operand, durations or operator in ('within_last', 'older_than'))}"
        for operator, operand in ops.items()
    )


def _operand(operand: Any, durations: bool) -> str:
    if isinstance(operand, list):
        return " and ".join(_operand(item, durations) for item in operand)
    if durations:
        return format_duration(operand)
    return ("true" if operand else "false") if isinstance(operand, bool) else str(operand)
