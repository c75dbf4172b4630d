"""Models in words: what is special about a cluster, and what a weight means, in units a marketer knows.

Nothing here needs River or a learner: all is said of vectors, a scale and the definition's features.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from rules.durations import format_duration
from rules.features import ANY_EVENT
from rules.models.definition import Value
from rules.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.conditions.base import EventMatch
    from rules.models.definition import AnyModel
    from rules.models.feature import CountOf, Feature, TotalOf
    from state.models.scale import Scale

MOST_SAID: Final = 3
LEAST_DEVIATION: Final = 0.25
"""Standard deviations; what is nearer to the population is no peculiarity."""
MONEY: Final = frozenset({"amount", "price", "revenue", "sales", "spend", "spent", "subtotal", "total", "value"})
"""Last words of a path that is taken for money."""
ITEMS: Final = frozenset({"count", "items", "pieces", "quantity", "units"})
"""Last words of an order's path that is taken for a number of items."""
VERBS: Final = {
    "Order Completed": ("orders", "ordered"),
    "Product Added": ("adds to the cart", "added to the cart"),
    "Product Viewed": ("looks at products", "looked at a product"),
    "Page Viewed": ("views pages", "viewed a page"),
    "Email Opened": ("opens emails", "opened an email"),
    "Email Link Clicked": ("clicks in emails", "clicked in an email"),
    "Chat Started": ("starts chats", "started a chat"),
    "Cart Viewed": ("looks into the cart", "looked into the cart"),
    "Checkout Started": ("goes to the checkout", "went to the checkout"),
    "Signed Up": ("signs up", "signed up"),
    "Signed In": ("signs in", "signed in"),
}
"""Of events that shops usually have: what a customer does often, and what they once did."""
QUOTE: Final = "'"
HUNDRED: Final = 100
TEN: Final = 10
CENT: Final = 0.005
"""What is less is told as 0."""
DECIMAL: Final = 0.05
"""From here on one decimal shows something of a number."""
MOST_EXPONENT: Final = 700.0
"""e to the power of more is no number."""


class Subject(NamedTuple):
    """How to speak of one number of a vector: said of a value above the population's, of one below, and the unit."""

    high: str
    low: str
    unit: str = ""
    share: bool = False
    money: bool = False

    def amount(self, value: float) -> str:
        """Return a value in words, without its unit."""
        if self.share:
            return f"{min(max(value, 0.0), 1.0):.0%}"
        return written_number(value, money=self.money)


class Words:
    """Speaks of one model's features, as its definition has them."""

    def __init__(self, definition: AnyModel) -> None:
        """Find the words, once."""
        features = [(key, definition.features[key]) for key in sorted(definition.features)]
        self._places = {name: place for place, name in enumerate(definition.feature_names)}
        self._amounts = isinstance(definition, Value)
        self.subjects = [subject for key, feature in features for subject in _subjects(key, feature)]
        self._logarithms = [feature.transform == "log1p" for key, feature in features for _ in feature.names(key)]

    def cluster(self, scale: Scale, centre: Sequence[float], population: Sequence[float]) -> str:
        """Return what is special about a cluster: the three features in which it deviates most from the population.

        `centre` and `population` are scaled vectors, so deviations are in standard deviations; values are in the
        features' own units, transforms undone: `orders often: 4.2 in 90 d against 1.1; spends much: 212 in 90 d against
        41`.
        """
        here, there = (self.natural(scale.natural(z)) for z in (centre, population))
        deviations = [a - b for a, b in zip(centre, population, strict=True)]
        said: list[str] = []
        for place in sorted(range(len(deviations)), key=lambda place: -abs(deviations[place])):
            if abs(deviations[place]) < LEAST_DEVIATION or len(said) == MOST_SAID:
                break
            subject = self.subjects[place]
            ours, theirs = subject.amount(here[place]), subject.amount(there[place])
            if ours != theirs:
                word = subject.high if deviations[place] > 0 else subject.low
                said.append(f"{word}: {ours}{subject.unit} against {theirs}")
        return "; ".join(said) or "like everybody"

    def weight(self, name: str, weight: float, mean: float, sd: float) -> str:
        """Return what the weight of a scaled feature means: what one sd above the mean makes of the score.

        Of a 0/1 feature it is what 1 makes of it in place of 0. A propensity's is told as odds (e to the weight), a
        value's as an amount. `mean` and `sd` are the scale's, of the transformed feature.
        """
        place = self._places[name]
        subject = self.subjects[place]
        if sd <= 0:
            return f"{subject.high}: never varied, tells nothing"
        if subject.share:
            weight, where = weight / sd, ""
        else:
            low, high = (subject.amount(self._undone(place, at)) for at in (mean, mean + sd))
            where = f" at {high}{subject.unit} in place of {low}"
        if self._amounts:
            effect = f"{'+' if weight >= 0 else '-'}{written_number(abs(weight), money=True)}"
        else:
            effect = f"odds × {written_number(_odds(weight), money=True)}"
        return f"{subject.high}: {effect}{where}"

    def natural(self, x: Sequence[float]) -> tuple[float, ...]:
        """Return a vector in natural units: the features' transforms undone."""
        return tuple(self._undone(place, value) for place, value in enumerate(x))

    def _undone(self, place: int, value: float) -> float:
        if not self._logarithms[place]:
            return value
        return math.copysign(math.expm1(min(abs(value), MOST_EXPONENT)), value)


def written_number(value: float, *, money: bool = False) -> str:
    """Return a number as short as its size allows: 1,204 · 41 · 4.2 · 0.07; below 100, money has its cents."""
    size = abs(value)
    if size < CENT:
        return "0"
    if size >= HUNDRED or (float(value).is_integer() and not money):
        return f"{value:,.0f}"
    if money or size < DECIMAL:
        return f"{value:.2f}"
    return f"{value:.0f}" if size >= TEN else f"{value:.1f}"


def _odds(weight: float) -> float:
    return math.exp(min(max(weight, -MOST_EXPONENT), MOST_EXPONENT))


def _subjects(key: str, feature: Feature) -> Iterator[Subject]:
    if feature.bins is not None:
        what, bounds = _readable(key), [f"{bound:g}" for bound in feature.bins]
        yield _flag(f"{what} below {bounds[0]}")
        for low, high in pairwise(bounds):
            yield _flag(f"{what} {low} to {high}")
        yield _flag(f"{what} {bounds[-1]} or more")
    elif feature.one_of is not None:
        for value in feature.one_of:
            yield _flag(f"{_readable(feature.trait)} {shown(value).strip(QUOTE)}")
    elif feature.in_segment is not None:
        yield _flag(f"in {_readable(feature.in_segment.key)}")
    elif isinstance(feature.trait, dict):
        yield _flag(_readable(key))
    elif feature.trait is not None:
        yield _plain(_readable(feature.trait))
    elif feature.did is not None:
        yield _count(feature.did)
    elif feature.total is not None:
        yield _total(feature.total)
    else:
        yield _since(feature)


def _flag(what: str) -> Subject:
    return Subject(f"more often {what}", f"seldom {what}", share=True)


def _plain(what: str, unit: str = "", *, money: bool = False) -> Subject:
    return Subject(f"{what} is high", f"{what} is low", unit, money=money)


def _readable(path: object) -> str:
    return str(path).replace("_", " ")


def _within(within_ms: int | None) -> str:
    """Return a window as people write it: ` in 90 d`."""
    if within_ms is None:
        return ""
    text = format_duration(within_ms)
    number = text.rstrip("dhms")
    return f" in {number} {text[len(number) :]}"


def _event(match: EventMatch) -> str:
    names = [match.event] if isinstance(match.event, str) else list(match.event)
    return "anything" if ANY_EVENT in names else " or ".join(names)


def _verbs(match: EventMatch) -> tuple[str, str] | None:
    """Return what such a customer does and did; None where there is no verb, or conditions that it leaves out."""
    return VERBS.get(_event(match)) if not match.where else None


def _some(match: EventMatch) -> str:
    return " (some)" if match.where else ""


def _count(did: CountOf) -> Subject:
    event = _event(did)
    if event == "anything":
        return Subject(f"busy{_some(did)}", f"not busy{_some(did)}", f" events{_within(did.within)}")
    verbs = _verbs(did)
    what = verbs[0] if verbs else f"{event}{_some(did)}"
    return Subject(f"{what} often", f"{what} seldom", _within(did.within))


def _total(total: TotalOf) -> Subject:
    last = total.of.replace("]", "").replace("[", ".").split(".")[-1].replace("_", " ")
    money = bool(MONEY & set(last.lower().split()))
    some, within, agg = _some(total), _within(total.within), total.agg
    if agg == "distinct":
        return Subject(f"many different {last}{some}", f"few different {last}{some}", within)
    if agg == "sum" and money and "Order" in _event(total):
        return Subject(f"spends much{some}", f"spends little{some}", within, money=True)
    if agg == "sum" and ITEMS & set(last.lower().split()) and "Order" in _event(total):
        return Subject(f"buys many items{some}", f"buys few items{some}", within)
    if agg == "avg" and money and "Order" in _event(total):
        return Subject(f"spends much at a time{some}", f"spends little at a time{some}", within, money=True)
    words = {"sum": "", "avg": "average ", "min": "least ", "max": "largest ", "first": "first ", "last": "last "}
    return _plain(f"{words[agg]}{last} of {_event(total)}{some}", within, money=money)


def _since(feature: Feature) -> Subject:
    match = feature.since_last or feature.since_first
    unit = f" {feature.unit}"
    if match is None:
        return _plain("time", unit)
    event, verbs, some = _event(match), _verbs(match), _some(match)
    if feature.since_last is not None:
        if event == "anything":
            return Subject(f"quiet for long{some}", f"there lately{some}", unit)
        what = f"last {verbs[1] if verbs else event + some}"
        return Subject(f"{what} long ago", f"{what} lately", unit)
    if event == "anything":
        return Subject(f"known for long{some}", f"new{some}", unit)
    what = f"first {verbs[1] if verbs else event + some}"
    return Subject(f"{what} long ago", f"{what} lately", unit)
