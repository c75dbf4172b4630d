"""One online model as a definitions file has it: what it predicts, from which samples, by which features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeGuard

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, ValidationInfo

from rules.canonical import canonical_json, version_of
from rules.comparisons import Duration, Key, Model, Number
from rules.conditions.base import EventMatch, EventName, ListedName, Path, event_names
from rules.durations import format_duration
from rules.features import ANY_EVENT
from rules.models.feature import Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PENDING: Final = 16
MOST_CLUSTERS: Final = 64
CLUSTER_PATTERN: Final = "^c[1-9][0-9]*$"
MOST_FEATURES: Final = 200
DAY_MS: Final = 86_400_000

UNHASHED: Final = frozenset({"name", "description", "labels", "margin", "rescore"})
"""What may be edited without the model beginning anew."""


def _positive(duration_ms: int) -> int:
    if duration_ms <= 0:
        message = "0 is no time; write a longer duration, like 7d"
        raise ValueError(message)
    return duration_ms


def _one_is_list(value: Any) -> Any:
    names = event_names(value)
    return [names] if isinstance(names, str) else names


Span = Annotated[Duration, AfterValidator(_positive)]


class Sampling(Model):
    """When a customer is looked at: at events, and in silence."""

    on: Annotated[
        list[EventName],
        BeforeValidator(
            _one_is_list, json_schema_input_type=EventName | Annotated[list[ListedName], Field(min_length=1)]
        ),
    ] = Field(default=[], description="events at which a sample is taken; timed samples alone where absent")
    every: Span = Field(description="no sample sooner after the last one; with no event, one is taken then")
    silent_for: Duration = Field(
        default=365 * DAY_MS, description="no timed sample from so long after the customer's last event"
    )


class Target(EventMatch):
    """What is predicted: whether such an event comes in time."""

    within: Span = Field(description="events with a time in (t, t + within] count for the sample at t")


class ValueTarget(Target):
    """What is predicted: the sum of a value over such events in time."""

    of: Path = Field(description="the path of the value; through a list each element counts")


class _ModelBase(Model):
    key: Key = Field(description="unique among models")
    name: str | None = Field(default=None, min_length=1, description="what a person reads; the key where absent")
    description: str | None = Field(default=None, description="for whom, and why")
    sample: Sampling = Field(description="when a customer is looked at")
    features: dict[Key, Feature] = Field(
        min_length=1, max_length=MOST_FEATURES, description="what the model knows of a customer at a sample"
    )
    rescore: Span = Field(default=DAY_MS, description="silent customers are scored again this often")
    on_drift: Literal["report", "refit"] = Field(
        default="report", description="refit: learn again from the newest samples when the model drifts"
    )
    refit_window: int = Field(default=20_000, ge=100, description="the number of samples a refit learns from")

    _definition: str = PrivateAttr(default="")

    def hash_definition(self, raw: dict[str, Any]) -> None:
        """Set the definition: a hash of the canonical JSON of all that learning depends on."""
        self._definition = version_of(canonical_json({key: raw[key] for key in raw if key not in UNHASHED}))

    @property
    def definition(self) -> str:
        """Return the hash that tells this model from an edited one."""
        return self._definition

    @property
    def title(self) -> str:
        """Return what a person reads."""
        return self.name or self.key

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of a vector's numbers in its order: features by key, each one's bins or values in theirs."""
        return tuple(name for key in sorted(self.features) for name in self.features[key].names(key))

    @property
    def most_pending(self) -> int:
        """Return how many samples wait for their label at most: none where there are no labels."""
        return 0

    def references(self) -> Iterator[tuple[str, str]]:
        """Yield (feature, segment) of each segment that a feature asks about."""
        for key in sorted(self.features):
            reference = self.features[key].reference
            if reference is not None:
                yield key, reference

    def warnings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Yield (path, text) of samples that never come, and of features that cannot vary at the sampled instants."""
        if not self.sample.on and self.sample.silent_for == 0:
            text = "takes no sample: there are timed ones alone, and none in silence; name events in on, or raise this"
            yield ("sample", "silent_for"), text
        for key, feature in self.features.items():
            for path, text in feature.warnings():
                yield ("features", key, *path.split(".")), text
            since = feature.since_last
            if since is not None and self.sample.silent_for == 0 and self._always_now(since):
                text = "every sample is taken at such an event: the time since the last one is always 0"
                yield ("features", key, "since_last"), text

    def _always_now(self, since: EventMatch) -> bool:
        names = {since.event} if isinstance(since.event, str) else set(since.event)
        return not since.where and bool(self.sample.on) and (ANY_EVENT in names or names.issuperset(self.sample.on))


def pending(within_ms: int, every_ms: int) -> int:
    """Return how many samples of one customer wait for their label at most."""
    return -(-within_ms // every_ms)


def _few_pending(target: Target, info: ValidationInfo) -> Target:
    """Refuse a target for which too many samples of a customer would wait; `sample` is validated before it."""
    sampling = info.data.get("sample")
    if sampling is None:
        return target
    count = pending(target.within, sampling.every)
    if count > MOST_PENDING:
        message = (
            f"in {format_duration(target.within)} {count} samples would wait for their label, one every "
            f"{format_duration(sampling.every)}; {MOST_PENDING} at most: raise sample.every or lower target.within"
        )
        raise ValueError(message)
    return target


class Propensity(_ModelBase):
    """How likely it is that the customer does something within a time: a probability."""

    kind: Literal["propensity"]
    target: Annotated[Target, AfterValidator(_few_pending)] = Field(description="what is predicted")
    warm_up: int = Field(default=500, ge=1, description="no score before so many labels")

    @property
    def most_pending(self) -> int:
        """Return how many samples wait for their label at most."""
        return pending(self.target.within, self.sample.every)


class Value(_ModelBase):
    """How much the customer will bring within a time: a mean, never below 0."""

    kind: Literal["value"]
    target: Annotated[ValueTarget, AfterValidator(_few_pending)] = Field(description="what is predicted")
    warm_up: int = Field(default=500, ge=1, description="no score before so many labels")

    @property
    def most_pending(self) -> int:
        """Return how many samples wait for their label at most."""
        return pending(self.target.within, self.sample.every)


def _ascending(bounds: list[int]) -> list[int]:
    if bounds[0] > bounds[1]:
        message = f"{bounds[0]} is above {bounds[1]}; write the lower number first"
        raise ValueError(message)
    return bounds


class Between(Model):
    """A number of clusters to be chosen at warm-up."""

    between: Annotated[
        list[Annotated[int, Field(ge=2, le=MOST_CLUSTERS)]],
        Field(min_length=2, max_length=2),
        AfterValidator(_ascending),
    ] = Field(description="from a to b, both included")


class Clusters(_ModelBase):
    """Which customers are alike: each is given the nearest of a few centres."""

    kind: Literal["clusters"]
    k: Annotated[int, Field(ge=2, le=MOST_CLUSTERS)] | Between = Field(description="how many clusters, or between")
    margin: Annotated[Number, Field(ge=0, lt=1)] = Field(
        default=0.1, description="a customer moves only to a centre nearer by at least this share"
    )
    step: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.002, description="the share of the way a sample moves its centre"
    )
    warm_up: int = Field(default=20_000, ge=10, description="the number of samples the first centres are made from")
    warm_up_for: Span = Field(default=90 * DAY_MS, description="… or those of so long, whichever is first")
    as_segmentation: bool = Field(default=False, description="each cluster is a segment, key.c1, key.c2 and so on")
    labels: dict[Annotated[str, Field(pattern=CLUSTER_PATTERN)], Annotated[str, Field(min_length=1)]] = Field(
        default={}, description="what a person reads for a cluster; made from its centre where absent"
    )


def is_segmentation(model: AnyModel) -> TypeGuard[Clusters]:
    """Return whether a model's clusters are a segmentation."""
    return isinstance(model, Clusters) and model.as_segmentation


class Anomaly(_ModelBase):
    """How unusual a customer is: the share of recent customers who were less so."""

    kind: Literal["anomaly"]
    warm_up: int = Field(default=500, ge=1, description="no score before so many samples")


KINDS: Final = ("propensity", "value", "clusters", "anomaly")
AnyModel = Annotated[Propensity | Value | Clusters | Anomaly, Field(discriminator="kind")]
