"""The conditions of the segment language, one file a kind, and their union."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, Discriminator, Tag, model_validator

from rules.conditions.base import Condition
from rules.conditions.boolean import AllOf, AnyOf, Not
from rules.conditions.chance import Chance
from rules.conditions.did import Did
from rules.conditions.in_segment import InSegment
from rules.conditions.scores import Cluster, Score
from rules.conditions.sequence import SequenceOf
from rules.conditions.since import SinceFirst, SinceLast
from rules.conditions.then_not import ThenNot
from rules.conditions.total import Total
from rules.conditions.trait import Trait
from rules.wording import nearest, shown

KINDS: Final = (
    "all",
    "any",
    "not",
    "did",
    "total",
    "since_last",
    "since_first",
    "sequence",
    "then_not",
    "trait",
    "in_segment",
    "score",
    "cluster",
    "chance",
)
NOT_YET: Final = {"account": "account conditions are not there yet; use traits of the customer instead"}


def _tag(value: Any) -> str | None:
    """Return the union's tag: in angle brackets, so that a place in an error is never taken for a key."""
    if isinstance(value, BaseModel):
        field = next(iter(type(value).model_fields.items()))
        return f"<{field[1].alias or field[0]}>"
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in KINDS:
        return f"<{next(iter(value))}>"
    return "<none>"


class Unknown(Condition):
    """What is no condition; it never validates, and says why."""

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, value: Any) -> Any:
        raise ValueError(why_no_condition(value))


def why_no_condition(value: Any) -> str:
    """Return why a value is no condition, and the remedy."""
    kinds = ", ".join(KINDS)
    if value is None or value == {}:
        return f"is empty; write a condition: one of {kinds}"
    if isinstance(value, list):
        return "a list is no condition; put it under all (each must hold) or any (one must)"
    if not isinstance(value, dict):
        return f"{shown(value)} is no condition; write a mapping with one of {kinds}"
    if len(value) > 1:
        return f"has {len(value)} keys ({', '.join(value)}), a condition has exactly one; put them in a list under all"
    key = next(iter(value))
    if key in NOT_YET:
        return NOT_YET[key]
    near = nearest(key, KINDS)
    return f"{shown(key)} is no condition; " + (f"did you mean {near}?" if near else f"write one of {kinds}")


AnyCondition = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[Not, Tag("<not>")]
    | Annotated[Did, Tag("<did>")]
    | Annotated[Total, Tag("<total>")]
    | Annotated[SinceLast, Tag("<since_last>")]
    | Annotated[SinceFirst, Tag("<since_first>")]
    | Annotated[SequenceOf, Tag("<sequence>")]
    | Annotated[ThenNot, Tag("<then_not>")]
    | Annotated[Trait, Tag("<trait>")]
    | Annotated[InSegment, Tag("<in_segment>")]
    | Annotated[Score, Tag("<score>")]
    | Annotated[Cluster, Tag("<cluster>")]
    | Annotated[Chance, Tag("<chance>")]
    | Annotated[Unknown, Tag("<none>")],
    Discriminator(_tag),
]

for _recursive in (AllOf, AnyOf, Not):
    _recursive.model_rebuild(_types_namespace={"AnyCondition": AnyCondition})

__all__ = ["KINDS", "AnyCondition", "Condition"]
