"""The features of a model: numbers read of a customer at an instant, from the counters that conditions use too."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rules import features as specs
from rules.checks.total import IN_MILLIONTHS, of_millionths
from rules.comparisons import Duration, Model, Number, Scalar, TraitComparison
from rules.conditions.base import Binder, EventMatch, Path
from rules.conditions.in_segment import InSegment, Membership, plain_is_key
from rules.conditions.total import VALUES
from rules.conditions.trait import Trait
from rules.durations import UNITS_MS
from rules.matching import kind_of, value_test
from rules.paths import parse_path, values_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rules.checks.base import Check, Customer

    Reader = Callable[[Customer, int], float | None]

SOURCES: Final = ("did", "total", "since_last", "since_first", "trait", "in_segment")


class CountOf(EventMatch):
    """How many matching events there were."""

    within: Duration | None = Field(default=None, description="counts events with t - within < ts <= t")


class TotalOf(EventMatch):
    """An aggregate of the values at a path over matching events."""

    of: Path = Field(description="the path of the value; through a list each element counts")
    agg: Literal["sum", "avg", "min", "max", "distinct", "first", "last"] = Field(description="what to make of them")
    within: Duration | None = Field(default=None, description="takes events with t - within < ts <= t")


def _ascending(bins: list[float]) -> list[float]:
    if any(a >= b for a, b in pairwise(bins)):
        message = "is not ascending; write each bound once, the lowest first"
        raise ValueError(message)
    return bins


def _told_apart(values: list[Any]) -> list[Any]:
    names = [_written(value) for value in values]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        message = f"has {twice} twice, and a feature goes by its value as written; write each once"
        raise ValueError(message)
    return values


class Feature(Model):
    """One source, and what to make of its number."""

    did: CountOf | None = Field(default=None, description="a count of events")
    total: TotalOf | None = Field(default=None, description="an aggregate over events")
    since_last: EventMatch | None = Field(default=None, description="the time since the newest matching event")
    since_first: EventMatch | None = Field(default=None, description="the time since the oldest matching event")
    trait: Path | Annotated[dict[Path, TraitComparison], Field(min_length=1)] | None = Field(
        default=None, description="a trait's number (true is 1); or comparisons, 1 while all hold, else 0"
    )
    in_segment: Annotated[Membership | None, BeforeValidator(plain_is_key, json_schema_input_type=str | Membership)] = (
        Field(default=None, description="1 while the customer is in that segment, else 0")
    )
    unit: Literal["ms", "s", "m", "h", "d", "w"] = Field(default="d", description="of since_last and since_first")
    missing: Number | None = Field(default=None, description="the value where there is none; 0 where absent")
    bins: Annotated[list[Number], Field(min_length=1), AfterValidator(_ascending)] | None = Field(
        default=None, description="ascending bounds: one 0/1 feature a bin"
    )
    one_of: Annotated[list[Scalar], Field(min_length=1), AfterValidator(_told_apart)] | None = Field(
        default=None, description="of a trait: one 0/1 feature a value"
    )
    transform: Literal["log1p"] | None = Field(default=None, description="log1p: sign(x) * log(1 + |x|)")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in SOURCES if name in self.model_fields_set]
        if len(given) != 1:
            said = f"has {' and '.join(given)}" if given else "names no source"
            message = f"{said}; write exactly one of {', '.join(SOURCES)}"
            raise ValueError(message)
        source = given[0]
        if source in ("since_last", "since_first") and self.missing is None:
            message = f"{source} has no value before the first such event; write missing: 365 (in its unit)"
            raise ValueError(message)
        if "unit" in self.model_fields_set and source not in ("since_last", "since_first"):
            message = f"unit is for since_last and since_first; remove it from {source}"
            raise ValueError(message)
        if self.one_of is not None and not isinstance(self.trait, str):
            message = "one_of is for a trait's path, like trait: plan; remove it"
            raise ValueError(message)
        if source == "in_segment" or isinstance(self.trait, dict) or self.one_of is not None:
            for word in ("bins", "transform", "missing"):
                if word in self.model_fields_set:
                    message = f"{word} makes nothing of what is 0 or 1; remove it"
                    raise ValueError(message)
        if self.bins is not None and self.transform is not None:
            message = "bins need no transform: a bin is the same before and after it; remove transform"
            raise ValueError(message)
        return self

    @property
    def source(self) -> str:
        """Return which source it has."""
        return next(name for name in SOURCES if name in self.model_fields_set)

    @property
    def reference(self) -> str | None:
        """Return the segment asked about, None where none is."""
        return self.in_segment.key if self.in_segment is not None else None

    def names(self, key: str) -> tuple[str, ...]:
        """Return the names of the numbers it makes."""
        if self.one_of is not None:
            return tuple(f"{key}={_written(value)}" for value in self.one_of)
        if self.bins is not None:
            bins = [_written(bound) for bound in self.bins]
            between = [f"{key}={low}..{high}" for low, high in pairwise(bins)]
            return (f"{key}<{bins[0]}", *between, f"{key}>={bins[-1]}")
        return (key,)

    def warnings(self) -> Iterator[tuple[str, str]]:
        """Yield (path, text) of what can never vary."""
        for source in ("did", "total"):
            part: Any = getattr(self, source)
            if part is not None and part.within == 0:
                yield f"{source}.within", "0s takes no event: the feature is always the same"

    def compile(self, binder: Binder, key: str) -> Measure:
        """Return what reads its numbers."""
        names = self.names(key)
        if self.one_of is not None and isinstance(self.trait, str):
            return OneOf(names, binder, self.trait, self.one_of)
        if self.in_segment is not None:
            condition = InSegment(in_segment=self.in_segment)
            return Flag(names, condition.compile(binder, key))
        if isinstance(self.trait, dict):
            return Flag(names, Trait(trait=self.trait).compile(binder, key))
        missing = float(self.missing or 0)
        read = self._reader(binder)
        if self.bins is not None:
            return Bins(names, read, missing, self.bins)
        return Plain(names, read, missing, logarithm=self.transform == "log1p")

    def _reader(self, binder: Binder) -> Reader:
        if self.did is not None:
            return _count(binder, self.did)
        if self.total is not None:
            return _total(binder, self.total)
        for event, spec in ((self.since_last, specs.Newest), (self.since_first, specs.Oldest)):
            if event is not None:
                return _since(binder, spec(event.selector()), UNITS_MS[self.unit])
        return _trait(binder, str(self.trait))


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Measure(Protocol):
    """Reads one feature's numbers."""

    names: tuple[str, ...]

    def read(self, customer: Customer, t: int) -> Sequence[float]:
        """Return as many numbers as there are names, at instant `t` (ms)."""


class Plain:
    """One number."""

    def __init__(self, names: tuple[str, ...], reader: Reader, missing: float, *, logarithm: bool) -> None:
        """`missing` stands where there is no value, and is transformed like one."""
        self.names = names
        self._reader = reader
        self._missing = missing
        self._logarithm = logarithm

    def read(self, customer: Customer, t: int) -> Sequence[float]:
        """Return the number."""
        value = self._reader(customer, t)
        if value is None:
            value = self._missing
        return (math.copysign(math.log1p(abs(value)), value) if self._logarithm else float(value),)


class Bins:
    """One 0/1 number a bin: below the first bound, from each to the next (the lower one included), from the last."""

    def __init__(self, names: tuple[str, ...], reader: Reader, missing: float, bounds: Sequence[float]) -> None:
        """Keep the ascending bounds."""
        self.names = names
        self._reader = reader
        self._missing = missing
        self._bounds = tuple(bounds)

    def read(self, customer: Customer, t: int) -> Sequence[float]:
        """Return 1 for the bin it is in."""
        value = self._reader(customer, t)
        if value is None:
            value = self._missing
        place = sum(1 for bound in self._bounds if value >= bound)
        return tuple(1.0 if index == place else 0.0 for index in range(len(self.names)))


class OneOf:
    """One 0/1 number a value of a trait; through a list, 1 for each that is among its elements."""

    def __init__(self, names: tuple[str, ...], binder: Binder, path: str, values: Sequence[Any]) -> None:
        """Keep the path and the values."""
        self.names = names
        self._steps = parse_path(path)
        self._tests = [value_test({"eq": value}) for value in values]
        binder.read_traits({self._steps[0]})

    def read(self, customer: Customer, t: int) -> Sequence[float]:
        """Return 1 for the value it is."""
        del t
        found = values_at(customer.traits, self._steps)
        return tuple(1.0 if any(map(test, found)) else 0.0 for test in self._tests)


class Flag:
    """1 while a condition holds, else 0."""

    def __init__(self, names: tuple[str, ...], check: Check) -> None:
        """Keep the condition's check."""
        self.names = names
        self._check = check

    def read(self, customer: Customer, t: int) -> Sequence[float]:
        """Return whether it holds."""
        return (1.0 if self._check.evaluate(customer, t)[0] else 0.0,)


def _count(binder: Binder, did: CountOf) -> Reader:
    if did.within is None:
        ever, _ = binder.slot(specs.Count(did.selector()))
        return lambda customer, _t: customer.slots[ever] or 0
    slot, feature = binder.slot(specs.CountWithin(did.selector(), did.within))

    def read(customer: Customer, t: int) -> float | None:
        state = customer.slots[slot]
        value = None if state is None else feature.aggregate(state, t, "sum")[0]
        return 0 if value is None else of_millionths(value)

    return read


def _total(binder: Binder, total: TotalOf) -> Reader:
    agg = total.agg
    slot, feature = binder.slot(specs.Total(total.selector(), total.of, VALUES[agg], total.within))

    def read(customer: Customer, t: int) -> float | None:
        state = customer.slots[slot]
        value = None if state is None else feature.aggregate(state, t, agg)[0]
        if value is None:
            return None
        return of_millionths(value) if agg in IN_MILLIONTHS else _number(value)

    return read


def _since(binder: Binder, spec: specs.Newest | specs.Oldest, unit_ms: int) -> Reader:
    slot, _ = binder.slot(spec)

    def read(customer: Customer, t: int) -> float | None:
        then = customer.slots[slot]
        return None if then is None else (t - then) / unit_ms

    return read


def _trait(binder: Binder, path: str) -> Reader:
    steps = parse_path(path)
    binder.read_traits({steps[0]})

    def read(customer: Customer, t: int) -> float | None:
        del t
        for value in values_at(customer.traits, steps):
            number = _number(value)
            if number is not None:
                return number
        return None

    return read


def _number(value: Any) -> float | None:
    return float(value) if kind_of(value) in ("number", "boolean") else None
